"""The checkpoints of an interrupted run: whose they are, which is the newest whole one, and when they may go."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from textlstm.errors import RecipeError, RunFolderError
from textlstm.recipe import Recipe, changed_keys, validate
from textlstm.training.checkpoint_files import damaged_file
from textlstm.training.progress import STATE_FILE

RUN_FILE = "run.yaml"


def claim_checkpoints(folder: Path, recipe: Recipe, *, data_fingerprint: str) -> Path | None:
    """Take a folder of checkpoints for one run, and find where an interrupted one may go on.

    Args:
        folder: made when absent; what it is for is noted in it.
        recipe: of the run.
        data_fingerprint: of the data that the run reads.

    Returns:
        The newest whole checkpoint of this very run; None when there is none.

    Raises:
        RunFolderError: the checkpoints are of a run with other settings or on other data; the changed keys are named.
    """
    newest = newest_checkpoint(folder)
    mine = {"data_fingerprint": data_fingerprint, "recipe": recipe.model_dump(mode="json", exclude={"grid"})}
    if newest is not None:
        if differences := _differences(folder / RUN_FILE, recipe, data_fingerprint):
            raise RunFolderError(
                f"{folder} holds checkpoints of an interrupted run that is not this one ({differences}); give the same"
                " settings and data to go on with it, or remove the folder to start afresh."
            )
        return newest
    discard_checkpoints(folder)  # halves of a checkpoint
    folder.mkdir(parents=True)
    (folder / RUN_FILE).write_text(yaml.safe_dump(mine, sort_keys=False, allow_unicode=True), "utf-8")
    return None


def newest_checkpoint(folder: Path) -> Path | None:
    """Find the newest whole checkpoint.

    Args:
        folder: where the Trainer writes `checkpoint-<step>` folders.

    Returns:
        The one with most steps whose files are all as they were written; None when there is none.
    """
    complete = [path.parent for path in folder.glob(f"checkpoint-*/{STATE_FILE}")]
    newest_first = sorted(complete, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((path for path in newest_first if damaged_file(path / STATE_FILE) is None), None)


def set_damaged_aside(folder: Path) -> list[str]:
    """Rename checkpoints that have a damaged file, so that nobody goes on from them.

    Args:
        folder: where the checkpoints lie; it may be absent.

    Returns:
        A sentence for each that names its damaged file.
    """
    told = []
    for path in sorted(folder.glob(f"checkpoint-*/{STATE_FILE}")):
        if (name := damaged_file(path)) is not None:
            checkpoint = path.parent
            shutil.rmtree(aside := folder / f"damaged-{checkpoint.name}", ignore_errors=True)
            checkpoint.rename(aside)
            told.append(
                f"{checkpoint.name} was damaged ({name} is not what was written) and set aside; training went on from"
                " the whole one before it, or afresh where there was none"
            )
    return told


def discard_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a run that is finished and saved, or that cannot be finished.

    Args:
        folder: as `claim_checkpoints` took it; it may be absent.
    """
    shutil.rmtree(folder, ignore_errors=True)


def _differences(path: Path, recipe: Recipe, data_fingerprint: str) -> str:
    """Say in what the run that left its note differs from this one; empty when in nothing."""
    try:
        theirs = yaml.safe_load(path.read_text("utf-8"))
        old = validate(theirs["recipe"], origin=str(path))
        fingerprint = theirs["data_fingerprint"]
    except (OSError, ValueError, yaml.YAMLError, RecipeError, TypeError, KeyError):
        return f"its note {path.name} is missing, damaged or of another version"
    changes = changed_keys(old, recipe)
    if fingerprint != data_fingerprint:
        changes.append(f"the data had fingerprint {fingerprint}, has {data_fingerprint}")
    return "; ".join(changes)
