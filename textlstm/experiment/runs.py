"""A folder of runs: where each cell lies, how it is written so that nothing half-done counts, and when it is finished.

    runs/sst2/layers=2/size=500/seed=3/
        recipe.yaml          the cell's effective recipe
        environment.json     versions and machine
        predictions.parquet  per-example probabilities of every split
        result.json          the Run; written last, by rename: a folder that has it is finished

Folders of several machines merge by copying them together.
"""

from __future__ import annotations

from pathlib import Path

from textlstm.errors import DataError, RunFolderError
from textlstm.inference.model_files import weights_digest
from textlstm.recipe import Recipe, changed_keys, validate
from textlstm.results import RESULT_FILE, Run, read_run
from textlstm.text.vectors import source_digest
from textlstm.training.same_models import changed_model


def finished_run(folder: Path, recipe: Recipe, *, data_fingerprint: str | None = None) -> Run | None:
    """Look whether a cell is finished already.

    Args:
        folder: the cell's folder.
        recipe: the cell's recipe as it would be run now.
        data_fingerprint: of the data as it is now; None when it is not known.

    Returns:
        The stored run, or None when the cell is still to be run.

    Raises:
        ModelError: a teacher is damaged.
        RunFolderError: the folder holds a run with other settings, of other data, or from other models; what changed is
            named.
    """
    if not (folder / RESULT_FILE).exists():
        return None
    run = read_run(folder)
    # The values decide, not the fingerprints: between two versions of the package a default may have moved.
    if changes := changed_keys(validate(run.settings, origin=str(folder / RESULT_FILE)), recipe):
        raise RunFolderError(
            f"{folder} holds a run with other settings than this recipe ({'; '.join(changes)}); give another --out, or"
            " move the old folder away."
        )
    if data_fingerprint is not None and run.data.fingerprint != data_fingerprint:
        raise RunFolderError(
            f"{folder} holds a run on other data: {run.data.source} had fingerprint {run.data.fingerprint} and has"
            f" {data_fingerprint} now; give another --out, or move the old folder away."
        )
    if data_fingerprint is not None and run.data.vectors is not None:
        _check_vectors(run, recipe, folder)
    if data_fingerprint is not None and run.data.encoder is not None:
        _check_encoder(run, recipe, folder)
    if data_fingerprint is not None and (changed := changed_model(run, recipe)) is not None:
        raise RunFolderError(f"{folder} holds a run from {changed}; give another --out, or move the old folder away.")
    return run


def _check_vectors(run: Run, recipe: Recipe, folder: Path) -> None:
    """Refuse a run whose pretrained vectors had another content than the source has now."""
    source = recipe.embeddings.source
    try:
        digest = source_digest(source) if source is not None else run.data.vectors
    except DataError:  # not on this machine: the run stands as it is
        return
    if digest != run.data.vectors:
        raise RunFolderError(
            f"{folder} holds a run from other vectors: {source} had the content {run.data.vectors} and has {digest}"
            " now; give another --out, or move the old folder away."
        )


def _check_encoder(run: Run, recipe: Recipe, folder: Path) -> None:
    """Refuse a run that started from other weights than the encoder has now."""
    place = Path(recipe.transfer.encoder or "")
    digest = weights_digest(place)
    if digest is not None and digest != run.data.encoder:  # one that is not on this machine is not compared
        raise RunFolderError(
            f"{folder} holds a run from another encoder: {place} had the weights {run.data.encoder} and has {digest}"
            " now; give another --out, or move the old folder away."
        )


def read_runs(folder: str | Path) -> list[Run]:
    """Read all finished runs below a folder.

    Args:
        folder: what `textlstm run --out` wrote.

    Returns:
        Runs in the order of layers, size and seed.

    Raises:
        RunFolderError: there is none, or one is damaged.
    """
    runs = [read_run(path.parent) for path in Path(folder).rglob(RESULT_FILE)]
    if not runs:
        raise RunFolderError(
            f"A folder of runs has {RESULT_FILE} files below it, and {folder} has none; run a recipe into it first."
        )
    return sorted(runs, key=lambda run: (run.cell["layers"], _size_key(run.cell["size"]), run.cell["seed"]))


def _size_key(size: int | str) -> float:
    """Order sizes, `full` last."""
    return float("inf") if isinstance(size, str) else size
