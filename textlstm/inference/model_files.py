"""Where a model's files lie: in a folder, beside one .onnx file, or on the Hub; and which of them to run."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from textlstm.errors import MissingExtraError, ModelError, RecipeError, first_line
from textlstm.text.reused_tokenizer import foreign_tokenizer

Backend = Literal["auto", "onnx", "onnx-int8", "torch"]

BATCH_TOKENS = 16_384
"""Padded tokens a batch holds, unless told otherwise."""
BATCH_ROWS = 256
"""Rows a batch holds, unless told otherwise."""

ONNX_FOLDER = "onnx"
FULL_NAME = "model.onnx"
INT8_NAME = "model_quantized.onnx"
CALIBRATION_NAME = "calibration.json"

WEIGHTS_NAME = "model.safetensors"
_WEIGHTS = (WEIGHTS_NAME, f"{WEIGHTS_NAME}.index.json")
_PART = re.compile(r"[\w-][\w.-]*\.safetensors")
_SMALL_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", CALIBRATION_NAME]


@dataclass(frozen=True)
class ModelFiles:
    """What to load.

    Attributes:
        folder: where tokenizer.json and, if there is one, calibration.json lie.
        onnx: the graph to run; None to run the weights in torch.
    """

    folder: Path
    onnx: Path | None


def find_model(source: str | Path, *, backend: Backend = "auto", device: str = "auto") -> ModelFiles:
    """Find a model's files, and decide what runs them.

    With "auto" ONNX Runtime runs an exported model.onnx, whose answers are torch's; torch runs where there is none,
    where ONNX Runtime is not installed, or where a device other than the CPU is asked for. The 8-bit graph, whose
    answers differ a little, is only taken by name, or where there is nothing else.

    Args:
        source: a folder that `textlstm train` wrote, one .onnx file, or a Hub id such as "user/model".
        backend: what should run it.
        device: "auto", "cpu", or what only torch runs on.

    Returns:
        The files.

    Raises:
        ModelError: there is no such model, or its folder lacks what the backend needs.
        RecipeError: the backend's name is unknown, or it does not run on that device.
        MissingExtraError: ONNX Runtime was asked for and is not installed.
    """
    if backend not in get_args(Backend):
        raise RecipeError(
            f"A backend is {', '.join(get_args(Backend))}, and {backend!r} was found; check the spelling."
        )
    on_cpu = device in ("auto", "cpu")
    runs_onnx = find_spec("onnxruntime") is not None
    if backend.startswith("onnx"):
        if not on_cpu:
            raise RecipeError(f"ONNX Runtime runs on the CPU here, and --device {device} was asked for; leave one out.")
        if not runs_onnx:
            raise MissingExtraError("onnxruntime", "onnx")
    if Path(source).is_file() and Path(source).suffix == ".onnx":
        return _single_graph(Path(source), backend)
    if problem := _problem_with(source):
        raise ModelError(problem)
    wants_onnx = backend != "torch" and on_cpu and runs_onnx
    local = Path(source).is_dir()
    name = INT8_NAME if backend == "onnx-int8" else FULL_NAME
    folder = Path(source) if local else _fetch(str(source), [*_SMALL_FILES, *(_places(name) if wants_onnx else [])])
    if wants_onnx:
        graph = _first(folder, _places(name))
        if graph is None and backend == "auto" and local and _first(folder, list(_WEIGHTS)) is None:
            graph = _first(folder, _places(INT8_NAME))
        if graph is not None:
            return ModelFiles(_tokenizer_folder(graph), graph)
        if backend != "auto":
            raise ModelError(
                f"{source} should hold {' or '.join(_places(name))} to run in ONNX Runtime, and has neither; make it by"
                f" textlstm export {source}{' --int8' if name == INT8_NAME else ''}, or pass --backend torch."
            )
    if not local:
        folder = _fetch(str(source), [*_SMALL_FILES, "model*.safetensors", _WEIGHTS[1]])
    if lacking := _lacking(folder):
        raise ModelError(lacking)
    return ModelFiles(folder, None)


def weights_digest(folder: Path) -> str | None:
    """Hash a folder's weights, so that a graph exported from others is noticed.

    Args:
        folder: a model's.

    Returns:
        16 hexadecimal digits, or None where the folder has no single model.safetensors.
    """
    path = folder / _WEIGHTS[0]
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def digest_model(files: ModelFiles) -> str:
    """Hash what a model's answers depend on: its graph or weights with their settings, and its tokenizer.

    Args:
        files: the model's.

    Returns:
        16 hexadecimal digits.
    """
    whole = hashlib.sha256()
    weights = [files.onnx] if files.onnx is not None else sorted(files.folder.glob("model*.safetensors"))
    # A graph says itself how long a text it reads; for torch the tokenizer's settings do.
    names = ["config.json", "tokenizer.json", *(["tokenizer_config.json"] if files.onnx is None else [])]
    for path in (*weights, *(files.folder / name for name in names)):
        if path.is_file():
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:16]


def _places(name: str) -> list[str]:
    """Where a graph may lie in a model's folder."""
    return [f"{ONNX_FOLDER}/{name}", name]


def _first(folder: Path, places: list[str]) -> Path | None:
    return next((folder / place for place in places if (folder / place).is_file()), None)


def _single_graph(graph: Path, backend: Backend) -> ModelFiles:
    if backend == "torch":
        raise RecipeError(f"{graph} is an ONNX file, and --backend torch was asked for; name the model's folder.")
    if find_spec("onnxruntime") is None:
        raise MissingExtraError("onnxruntime", "onnx")
    return ModelFiles(_tokenizer_folder(graph), graph)


def _tokenizer_folder(graph: Path) -> Path:
    """Find the tokenizer of a graph, beside it or one folder up."""
    for folder in (graph.parent, graph.parent.parent):
        if (folder / "tokenizer.json").is_file():
            return folder
    raise ModelError(
        f"The tokenizer.json of {graph} should lie beside it or one folder up, and is in neither; copy it there."
    )


def _problem_with(source: str | Path) -> str | None:
    """Say why a place can hold no model, before libraries guess."""
    folder = Path(source)
    if folder.is_file():
        return f"A model is a folder and {source} is a file; name the folder it lies in."
    # "user/model" may be a Hub id; anything else can only be a path.
    path_only = isinstance(source, Path) or str(source).count("/") != 1 or str(source).startswith((".", "/", "~"))
    if not folder.exists() and path_only:
        beside = folder.absolute().parent
        there = [path.name for path in beside.iterdir() if path.is_dir()] if beside.is_dir() else []
        alike = difflib.get_close_matches(folder.name, there, n=1)
        meant = f" Did you mean {folder.with_name(alike[0])}?" if alike else ""
        return f"The model folder {source} does not exist; check the spelling and the folder ({Path.cwd()}).{meant}"
    return None


def _lacking(folder: Path) -> str | None:
    """Say what a folder lacks for torch, or holds that would make the libraries read other files than these."""
    if (folder / "adapter_config.json").exists():  # with peft installed, it names another model to be loaded
        return f"{folder} holds an adapter of another model (adapter_config.json); merge it, and name what comes of it."
    if foreign := foreign_parts(folder):
        return foreign
    wanted = {"config.json": ("config.json",), WEIGHTS_NAME: _WEIGHTS, "tokenizer.json": ("tokenizer.json",)}
    lacking = [name for name, any_of in wanted.items() if _first(folder, list(any_of)) is None]
    if not lacking:
        return None
    return (
        f"A model folder has {', '.join(wanted)}, and {folder} lacks {' and '.join(lacking)}; name the folder that"
        " `textlstm train --out` wrote, or train again if it was interrupted."
    )


def foreign_parts(folder: Path) -> str | None:
    """Look for settings by which libraries would read weights or a tokenizer that are no files of the folder.

    Args:
        folder: a model's.

    Returns:
        A sentence that names the file; None where all lie in the folder.
    """
    index = folder / _WEIGHTS[1]
    if (folder / _WEIGHTS[0]).is_file() or not index.is_file():
        return foreign_tokenizer(folder)
    try:
        parts = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        foreign = next((repr(part) for part in parts if not (isinstance(part, str) and _PART.fullmatch(part))), None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        foreign = "nothing that can be read"
    if foreign is None:
        return foreign_tokenizer(folder)
    return (
        f"The weights of {folder} should be safetensors files in it, and {index.name} names {foreign} (pickled weights,"
        " and files elsewhere, are not read); save the model again."
    )


def _fetch(repository: str, patterns: list[str]) -> Path:
    """Download files of a Hub model, or find them in the local cache."""
    from huggingface_hub import errors, snapshot_download, utils

    hub_utils: Any = utils  # the client's own HTTP library, which its types do not export
    broken = (hub_utils.httpx.HTTPError, errors.XetDownloadError, RuntimeError)  # connections that are torn
    try:
        return Path(snapshot_download(repository, allow_patterns=patterns))
    except (OSError, ValueError, *broken) as error:
        reason = first_line(error)
        raise ModelError(
            f"{repository} should be a folder here or a model on the Hub, and cannot be had: {reason} For a Hub id,"
            " check the spelling and the network."
        ) from error
