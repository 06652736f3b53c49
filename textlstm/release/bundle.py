"""The folder that is published: everything that somebody needs who has never heard of textlstm, and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from pydantic import ValidationError

from textlstm.analysis.figures import Figure
from textlstm.analysis.orders import depths_in_order
from textlstm.analysis.summary import SUMMARY_FILE, Comparison, read_summary
from textlstm.errors import HubError, ModelError, RunFolderError
from textlstm.inference.model_files import WEIGHTS_NAME
from textlstm.release.card import SPLITS, CardContent, model_card
from textlstm.release.evaluation_results import RESULTS_FILE, LookUp, benchmark_yaml
from textlstm.release.pictures import depth_figure, reliability, reliability_figure, write_pictures
from textlstm.release.privacy import OWN_DATA, public_recipe_yaml, public_run, refuse_private
from textlstm.release.speed import measure_speed as timed_forms
from textlstm.results import PREDICTIONS_FILE, RECIPE_FILE, RESULT_FILE, Run, read_predictions, read_run

CARD_FILE = "README.md"
METRICS_FILE = "metrics.json"
_OF_LOADING = ("_name_or_path", "name_or_path", "is_local", "local_files_only", "chat_template")


@dataclass(frozen=True)
class Bundle:
    """A folder ready to be published.

    Attributes:
        folder: where it lies.
        files: bytes by path below it, in alphabetical order.
        notes: sentences for the user: what was left out, and why.
    """

    folder: Path
    files: dict[str, int]
    notes: list[str]


def write_bundle(
    model: str | Path,
    out: Path,
    *,
    repo_id: str,
    grid: Path | None = None,
    license: str | None = None,
    languages: Iterable[str] = (),
    onnx: bool = True,
    measure_speed: bool = True,
    look_up: LookUp | None = None,
) -> Bundle:
    """Write the folder to publish: weights, config, tokenizer, remote code, ONNX, figures, recipe and card.

    Args:
        model: a folder that `textlstm train` or `textlstm pull` wrote.
        out: a folder that is empty or not there yet.
        repo_id: where it will be published, for the programs in the card.
        grid: the comparison that the depth was chosen from; without it, one on the same data is looked for beside the
            model.
        license: identifier as the Hub knows it, such as "apache-2.0".
        languages: codes of the texts' languages, such as "en".
        onnx: whether to add the ONNX files, where the extra `onnx` is installed.
        measure_speed: whether to time the model for the card, which takes a few seconds.
        look_up: gives a data set's eval.yaml, so that a score on a benchmark gets its file; None asks nobody.

    Returns:
        The folder with its files.

    Raises:
        ModelError: the model's folder is incomplete.
        RunFolderError: the comparison is of other data, or `out` holds something.
        HubError: something in it may not be published.
    """
    from textlstm.inference.calibration import read_calibration, write_calibration
    from textlstm.inference.torch_classifier import TorchClassifier
    from textlstm.text.tokenization import save_tokenizer

    source = Path(model)
    if not source.is_dir():
        raise ModelError(f"{model} should be the folder of a trained model, and is no folder; check the spelling.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(f"{out} should be an empty folder or not there yet, and holds something; name another.")
    notes: list[str] = []
    classifier = TorchClassifier.load(source, device="cpu")
    run = _run_of(source)
    comparison = find_comparison(source, run, grid)
    out.mkdir(parents=True, exist_ok=True)
    classifier.model.save_pretrained(out)
    if (source / WEIGHTS_NAME).exists():  # byte for byte, since a calibration and ONNX files name the weights' digest
        shutil.copyfile(source / WEIGHTS_NAME, out / WEIGHTS_NAME)
    classifier.tokenizer.chat_template = None  # a reused tokenizer may bring one; a classifier holds no chats
    save_tokenizer(classifier.tokenizer, out)
    _drop_paths(out)
    calibration = read_calibration(source)
    if calibration is not None:
        calibration = replace(calibration, source=OWN_DATA if run is None else run.data.source)
        write_calibration(out, calibration)
    if run is None:
        notes.append(f"{model} has no {RESULT_FILE}, so the card has no figures and no training data.")
    else:
        (out / METRICS_FILE).write_text(run.model_dump_json(indent=1) + "\n", "utf-8")
        (out / RECIPE_FILE).write_text(public_recipe_yaml(run), "utf-8")
        if look_up is not None:
            _add_benchmark_results(out, run, look_up, notes)
    graphs = _add_onnx(source, out, classifier.label_names, notes) if onnx else ()
    figures = _figures(source, run, comparison)
    depths = len(depths_in_order(comparison)) if comparison else 1
    pictures = write_pictures(list(figures.values()), out, depths=depths) if figures else {}
    speed = timed_forms(classifier.model.config, out) if measure_speed else {}
    content = CardContent(
        repo_id=repo_id,
        config=json.loads((out / "config.json").read_text("utf-8")),
        max_length=classifier.max_length,
        run=run,
        sizes=_sizes(out),
        speed=speed,
        comparison=comparison,
        pictures=pictures,
        figures=figures,
        license=license,
        languages=tuple(languages),
        onnx=bool(graphs),
        notes=graphs,
        calibration=calibration,
    )
    (out / CARD_FILE).write_text(model_card(content), "utf-8")
    refuse_private(out, places=[source], own_names=repo_id.split("/"))
    return Bundle(out, _sizes(out), notes)


def find_comparison(model: Path, run: Run | None, grid: Path | None = None) -> Comparison | None:
    """Find the comparison of depths that goes with a model.

    Args:
        model: its folder.
        run: how it was trained.
        grid: a folder that `textlstm run` or `compare` wrote; without it the model's neighbors are looked through.

    Returns:
        The comparison of two depths or more on the same data; None where there is none. Of several neighbors the one
        with the most runs counts.

    Raises:
        RunFolderError: the grid that was named is of other data, or is none.
    """
    if grid is not None:
        from textlstm.analysis.comparison import compare_runs

        found = _summary(grid) or compare_runs(grid)
        if run is not None and found.fingerprint != run.data.fingerprint:
            raise RunFolderError(
                f"The comparison in {grid} should be on the data that the model was trained on, and its fingerprint is"
                f" {found.fingerprint}, not {run.data.fingerprint}; name the right folder, or leave --grid out."
            )
        return found
    if run is None:
        return None
    neighbors = [_summary(path.parent) for path in sorted(model.absolute().parent.glob(f"*/{SUMMARY_FILE}"))]
    fitting = [one for one in neighbors if one and one.fingerprint == run.data.fingerprint]
    several = [one for one in fitting if len(depths_in_order(one)) > 1]
    return max(several, key=lambda one: one.finished, default=None)


def _summary(grid: Path) -> Comparison | None:
    """A grid's summary; None where it is absent, damaged or of another version, so that it is to be worked out anew."""
    try:
        return read_summary(grid)
    except (FileNotFoundError, ValueError):
        return None


def _run_of(source: Path) -> Run | None:
    """The run behind a model, as it may be published: its own, or the one that a published model brings along."""
    if (source / RESULT_FILE).exists():
        return public_run(read_run(source), source)
    try:
        return public_run(Run.model_validate_json((source / METRICS_FILE).read_text("utf-8")), source)
    except (FileNotFoundError, ValidationError):  # another tool's metrics.json is no record of ours
        return None


def _drop_paths(out: Path) -> None:
    """Take the places that models and tokenizers were loaded from, and what was said of them, out of their settings."""
    for name in ("config.json", "tokenizer_config.json"):
        path = out / name
        settings = json.loads(path.read_text("utf-8"))
        kept = {key: value for key, value in settings.items() if key not in _OF_LOADING}
        if kept != settings:
            path.write_text(json.dumps(kept, indent=2, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")


def _add_onnx(source: Path, out: Path, label_names: list[str], notes: list[str]) -> tuple[str, ...]:
    """Add the ONNX files that answer as the model does; gives a sentence on each, none where there is no file."""
    if any(find_spec(name) is None for name in ("onnx", "onnxruntime", "onnxscript")):
        notes.append("The ONNX files are left out, because the extra is not installed: pip install 'textlstm[onnx]'.")
        return ()
    from textlstm.inference.model_files import FULL_NAME, ONNX_FOLDER
    from textlstm.release.graphs import export_graphs

    folder = out / ONNX_FOLDER
    try:
        written = export_graphs(source, folder, label_names)
    except ModelError as error:  # a graph that answers otherwise is no reason not to publish what answers right
        if not (folder / FULL_NAME).exists():
            shutil.rmtree(folder)
            notes.append(f"{error} The ONNX files are left out.")
            return ()
        notes.append(f"{error} The ONNX file of 8 bits is left out.")
        written = export_graphs(source, folder, label_names, int8=False)
    return tuple(f"onnx/{file.path.name}, {file.parity.describe()}." for file in written)


def _add_benchmark_results(out: Path, run: Run, look_up: LookUp, notes: list[str]) -> None:
    """Add the scores in the form of a Hub's benchmarks, where the model was scored on one."""
    try:
        results = benchmark_yaml(run, look_up)
    except HubError as error:  # the same scores stand in the card
        notes.append(f"{RESULTS_FILE} is left out, since nobody could say whether the data is a benchmark. {error}")
        return
    if results is not None:
        path = out / RESULTS_FILE
        path.parent.mkdir()
        path.write_text(results, "utf-8")


def _figures(source: Path, run: Run | None, comparison: Comparison | None) -> dict[str, Figure]:
    """The card's charts by name: the model's calibration, and what depth was worth."""
    found: list[Figure] = []
    split = next((name for name in SPLITS if run is not None and name in run.metrics), None)
    if run is not None and split is not None and (source / PREDICTIONS_FILE).exists():
        layers = int(run.settings["model"]["num_layers"])
        table = read_predictions(source, split)
        found.append(reliability_figure(reliability(table, layers=layers, ece=run.metrics[split].ece.value)))
    if comparison is not None and (chart := depth_figure(comparison)):
        found.append(chart)
    return {figure.name: figure for figure in found}


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes by path below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return dict(sorted((path.relative_to(folder).as_posix(), path.stat().st_size) for path in files))
