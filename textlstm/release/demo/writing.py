"""A demo of one model as a static page: tokenizer and 8-bit graph run in the reader's browser, no server answers.

DIR/index.html, demo.js, demo.css     the page
DIR/demo.json                         labels, temperature, sizes
DIR/model.onnx, tokenizer.json        the model
DIR/vendor/                           the libraries, with --vendor; else they come from a public CDN
DIR/README.md                         makes the folder a static Space on the Hub
"""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textlstm.errors import ModelError, RunFolderError
from textlstm.inference.calibration import read_calibration
from textlstm.inference.model_files import INT8_NAME, find_model
from textlstm.release.demo.libraries import LIBRARY_FILES, VENDOR_FOLDER, unreadable_parts, vendor_libraries
from textlstm.release.privacy import refuse_private
from textlstm.stats.scores import THRESHOLD

if TYPE_CHECKING:
    from textlstm.inference.onnx_classifier import OnnxClassifier

_PAGE = ("demo.js", "demo.css")
_FILES = r"index\.html|demo\.(js|css|json)|model\.onnx|tokenizer(_config)?\.json|README\.md"


@dataclass(frozen=True)
class Demo:
    """What was written.

    Attributes:
        folder: where.
        files: bytes by path below it.
        first_load: bytes that a reader's browser loads on the first visit, the libraries included.
        first_load_gzip: the same once compressed, as servers send it.
        parity: how the graph answers by WebAssembly beside this processor; None where the libraries or Node.js, which
            runs them outside a browser, are not here.
    """

    folder: Path
    files: dict[str, int]
    first_load: int
    first_load_gzip: int
    parity: str | None = None


def write_demo(
    model: str | Path,
    out: Path,
    *,
    vendor: bool = False,
    title: str | None = None,
    examples: Iterable[str] = (),
) -> Demo:
    """Write the page of a model.

    The 8-bit graph that lies in the model's folder is taken; where there is none, or one of other weights, it is made.

    Args:
        model: a folder that `textlstm train` or `textlstm pull` wrote, or a Hub id.
        out: a folder that is empty or not there yet.
        vendor: whether to put the libraries beside the page, fetched with npm, so that it asks no other server.
        title: of the page; the folder's name when None.
        examples: texts to try, as buttons. None are taken from the training data.

    Returns:
        What was written, and what a first visit loads.

    Raises:
        ModelError: there is no such model, its 8-bit graph is not good, or answers otherwise by WebAssembly, or no
            library in a browser reads its tokenizer.
        RunFolderError: `out` holds something.
        RecipeError: the libraries are wanted and npm is absent.
        HubError: they could not be fetched, or something in the folder may not be published.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(f"{out} should be an empty folder or not there yet, and holds something; name another.")
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that the last step is a renaming and a page is there whole or not at all.
    with tempfile.TemporaryDirectory(prefix=".textlstm-demo-", dir=out.absolute().parent) as scratch:
        page, libraries = Path(scratch) / "page", Path(scratch) / "libraries"
        page.mkdir()
        settings, folder = _write_model(model, page, Path(scratch))
        settings |= {"title": title or Path(model).absolute().name, "examples": list(examples)}
        parity = None
        if vendor:
            vendor_libraries(libraries)
            parity = _compare(page, folder, settings["labels"], libraries)
        first_load = _write_page(page, settings, libraries if vendor else None)
        # The libraries are known by their hashes, and speak of a home folder that is inside WebAssembly.
        refuse_private(page, places=[Path(model)] if Path(model).is_dir() else [], published=_FILES)
        if vendor:
            (libraries / VENDOR_FOLDER).rename(page / VENDOR_FOLDER)
        if out.exists():
            out.rmdir()
        page.rename(out.absolute())
    files = {path.relative_to(out).as_posix(): path.stat().st_size for path in sorted(out.rglob("*")) if path.is_file()}
    return Demo(out, files, *first_load, parity=parity)


def _compare(page: Path, folder: Path, label_names: list[str], libraries: Path) -> str | None:
    """Run the page's graph by WebAssembly before it is shown to anybody; gives what came of it, in a sentence."""
    from textlstm.release.demo.wasm_parity import COMPARED_TEXTS, compare_in_wasm, has_node, say_parity
    from textlstm.release.graphs import enough_texts

    if not has_node():
        return None
    texts = enough_texts(folder, label_names, rows=COMPARED_TEXTS)
    return say_parity(compare_in_wasm(page / "model.onnx", folder, texts, libraries=libraries))


def _write_model(model: str | Path, page: Path, scratch: Path) -> tuple[dict[str, Any], Path]:
    """Put graph and tokenizer in their places; gives what the page must know to read texts, and the model's folder."""
    from textlstm.inference.onnx_classifier import OnnxClassifier

    graph, folder = _eight_bits(model, scratch)
    classifier = OnnxClassifier.load(graph, folder)
    tokenizer = _browser_tokenizer(folder, splits=bool(classifier.backend.encode_special_tokens))
    if parts := unreadable_parts(tokenizer):
        raise ModelError(
            f"The tokenizer of {model} should be made of parts that @huggingface/tokenizers knows, and has"
            f" {', '.join(parts)}; train with --tokenizer word, wordpiece, bpe or unigram."
        )
    shutil.copyfile(graph, page / "model.onnx")
    (page / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")), "utf-8")
    (page / "tokenizer_config.json").write_text(json.dumps(_tokenizer_settings(folder)) + "\n", "utf-8")
    settings = {
        "labels": classifier.label_names,
        "multi_label": classifier.multi_label,
        "max_length": classifier.max_length,
        "unk_id": classifier.unk_id,
        **_calibrated(folder, classifier),
    }
    return settings, folder


def _write_page(page: Path, settings: dict[str, Any], vendored: Path | None) -> tuple[int, int]:
    """Write what the reader sees, which says itself what a first visit loads; gives these bytes."""
    environment = _environment()
    for name in _PAGE:
        (page / name).write_text(environment.loader.get_source(environment, name)[0], "utf-8")
    libraries = {
        file.role: {"url": file.vendored, "integrity": ""}
        if vendored
        else {"url": file.url, "integrity": f"sha384-{file.sha384}"}
        for file in LIBRARY_FILES
    }
    said = (0, 0)
    # Its own figures are part of it. Three rounds settle the files' lengths; compressed, a digit may still move a byte.
    for _ in range(3):
        said = _first_load(page, vendored)
        shown = settings | {"first_load": {"bytes": said[0], "gzip": said[1]}}
        values = {"settings": shown, "libraries": libraries, "vendor": bool(vendored), "megabytes": _megabytes}
        (page / "demo.json").write_text(json.dumps(shown, ensure_ascii=False, indent=1) + "\n", "utf-8")
        (page / "index.html").write_text(environment.get_template("index.html.j2").render(values), "utf-8")
        (page / "README.md").write_text(environment.get_template("README.md.j2").render(values), "utf-8")
    return said


def _eight_bits(model: str | Path, scratch: Path) -> tuple[Path, Path]:
    """Find the model's 8-bit graph, or make it; gives it and the folder of the tokenizer."""
    from textlstm.inference.onnx_classifier import OnnxClassifier

    try:
        files = find_model(model, backend="onnx-int8")
        if files.onnx is not None:
            OnnxClassifier.load(files.onnx, files.folder)
            return files.onnx, files.folder
    except ModelError:
        pass  # none there, or of other weights; what is wrong with the model itself is said by the export
    from textlstm.inference.torch_classifier import TorchClassifier
    from textlstm.release.graphs import export_graphs

    folder = find_model(model, backend="torch").folder
    export_graphs(folder, scratch, TorchClassifier.load(folder, device="cpu").label_names)
    return scratch / INT8_NAME, folder


def _browser_tokenizer(folder: Path, *, splits: bool) -> dict[str, Any]:
    """Read the tokenizer as the library in the browser has to have it."""
    tokenizer: dict[str, Any] = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    if splits:
        # A special token's name inside a text is plain text; the library would always make it that token.
        tokenizer["added_tokens"] = []
    return tokenizer


def _tokenizer_settings(folder: Path) -> dict[str, Any]:
    """Keep of tokenizer_config.json what the library in the browser reads."""
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    kept = ("pad_token", "unk_token", "bos_token", "eos_token", "cls_token", "sep_token", "model_max_length")
    return {key: settings[key] for key in kept if settings.get(key) is not None}


def _calibrated(folder: Path, classifier: OnnxClassifier) -> dict[str, Any]:
    """The temperature and the thresholds that textlstm predicts with."""
    calibration = read_calibration(folder, weights=classifier.weights)
    thresholds = calibration.thresholds if calibration and calibration.thresholds else {}
    return {
        "temperature": calibration.temperature if calibration else 1.0,
        "thresholds": [thresholds.get(label, THRESHOLD) for label in classifier.label_names],
    }


def _first_load(page: Path, vendored: Path | None) -> tuple[int, int]:
    """Bytes of a first visit, as they are and compressed."""
    places = [page, vendored] if vendored else [page]
    loaded = [path for place in places for path in place.rglob("*") if path.is_file()]
    loaded = [path for path in loaded if path.suffix not in (".md", ".LICENSE")]
    whole = sum(path.stat().st_size for path in loaded)
    packed = sum(min(path.stat().st_size, len(gzip.compress(path.read_bytes(), 6, mtime=0))) for path in loaded)
    if vendored is None:
        whole += sum(file.size for file in LIBRARY_FILES)
        packed += sum(file.gzipped for file in LIBRARY_FILES)
    return whole, packed


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _environment() -> Any:  # noqa: ANN401 - jinja2 is imported where it is needed
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=PackageLoader("textlstm.release.demo", "page"),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
