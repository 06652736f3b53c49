"""Repeat a run from its folder: read what it was trained by and on, see that all of it is the same, train it again.

Nothing is written into the folder. What cannot be the same run (changed data, an edited recipe) is refused before
anything is trained; what differs in versions and machine is told beside the outcome (`rerun_comparison`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textlstm.errors import DataError, RecipeError, RunFolderError
from textlstm.experiment.rerun_comparison import Rerun, compare_rerun
from textlstm.inference.model_files import WEIGHTS_NAME, weights_digest
from textlstm.recipe import Recipe, changed_keys, validate
from textlstm.recipe_files import load_recipe
from textlstm.results import RECIPE_FILE, RESULT_FILE, Run, read_predictions, read_run, refuse_finished
from textlstm.text.protocol import load_recipe_data, with_test_split

if TYPE_CHECKING:
    from textlstm.text.datasets import TextData
    from textlstm.training.preparation import Prepared
    from textlstm.training.progress import Report


@dataclass(frozen=True, eq=False)
class Repetition:
    """A run that is about to be repeated: its recipe with the rows that it was trained on.

    Attributes:
        folder: of the run.
        run: as it was stored.
        recipe: as it was carried out.
        data: all splits.
        prepared: the rows as ids.
    """

    folder: Path
    run: Run
    recipe: Recipe
    data: TextData
    prepared: Prepared


def prepare_rerun(
    folder: Path, *, data: str | None = None, validation: str | None = None, test: str | None = None
) -> Repetition:
    """Read a run and the data it was trained on, and see that both are what they were.

    Args:
        folder: of `textlstm train`, or of a cell of a grid; nothing in it is touched.
        data: where the data lies now; where the recipe says when None.
        validation: likewise of a validation split that was named apart.
        test: likewise of a test split that was named apart.

    Returns:
        What `rerun` takes.

    Raises:
        DataError: the data cannot be read, or it, its vectors, its encoder or its teacher are others than they were.
        RecipeError: the recipe is of another version of the package.
        RunFolderError: the folder holds no finished run, or its recipe was changed afterwards.
    """
    from textlstm.training.preparation import prepare

    run, recipe = _read(folder)
    changes = {"data.source": data, "data.validation": validation, "data.test": test}
    recipe = recipe.override({key: value for key, value in changes.items() if value is not None})
    if run.environment.get("device") == "cpu":
        recipe = recipe.override({"device": "cpu"})  # `auto` may mean something else by now
    if recipe.data.source == "data in memory":
        raise DataError(
            f"{folder} was trained on data in memory, which is gone; write it to a file, and name it: --data."
        )
    loaded = load_recipe_data(recipe)
    _same(folder, "data", run.data.fingerprint, loaded.fingerprint)
    prepared = prepare(recipe, loaded)
    as_before = _draws_as_before(folder, run, prepared)  # in any case: damaged predictions are named before training
    labeled_test = "test" in loaded.splits and loaded.splits["test"].labels is not None
    if not labeled_test and recipe.data.folds is None and not as_before:
        parted = with_test_split(loaded)  # as a grid does, also for trials that are not scored on it
        other = prepare(recipe, parted)
        if _draws_as_before(folder, run, other):
            loaded, prepared = parted, other
    _same(folder, "vectors", run.data.vectors, prepared.vectors.digest if prepared.vectors is not None else None)
    teacher = prepared.transfer.digest or None if prepared.transfer is not None else None
    _same(folder, "teacher or texts without labels", run.data.teacher, teacher)
    if recipe.transfer.encoder is not None and (digest := weights_digest(Path(recipe.transfer.encoder))) is not None:
        _same(folder, "encoder", run.data.encoder, digest)
    return Repetition(folder, run, recipe, loaded, prepared)


def rerun(
    repetition: Repetition, *, out: Path | None = None, listener: Callable[[Report], None] | None = None
) -> Rerun:
    """Train a run once more and compare.

    Args:
        repetition: of `prepare_rerun`.
        out: a folder for the new model and its run; an interrupted repetition goes on from its checkpoints there.
            Nothing is kept when None.
        listener: called after every update, and at the end.

    Returns:
        The comparison.

    Raises:
        RunFolderError: `out` holds a finished model.
        NonFiniteLossError: the loss or its gradient became NaN or infinite.
    """
    from textlstm.training.finetuning import train, train_into

    recipe, data, prepared = repetition.recipe, repetition.data, repetition.prepared
    if out is None:
        trained = train(recipe, data, prepared=prepared, listener=listener)
    else:
        refuse_finished(out)
        trained = train_into(out, recipe, data, prepared=prepared, listener=listener)
    return compare_rerun(repetition.folder, repetition.run, trained)


def _read(folder: Path) -> tuple[Run, Recipe]:
    """Read a run and the recipe that it was carried out by."""
    if not (folder / RESULT_FILE).exists() and (below := sorted(folder.glob(f"**/{RESULT_FILE}"))):
        raise RunFolderError(
            f"One run is repeated at a time, and {folder} is a folder of {len(below)}; name one of them, such as"
            f" {below[0].parent}."
        )
    run = read_run(folder)
    recipe = validate(run.settings, origin=str(folder / RESULT_FILE))
    if (folder / RECIPE_FILE).exists() and (changes := changed_keys(recipe, load_recipe(folder / RECIPE_FILE))):
        raise RecipeError(
            f"{folder / RECIPE_FILE} was changed after the run ({'; '.join(changes)}), which is repeated as it was; put"
            " it back, or remove it: the result holds all settings too."
        )
    _check_weights(folder / WEIGHTS_NAME)
    return run, recipe


def _check_weights(path: Path) -> None:
    """See that stored weights are whole, before hours are spent on what they are compared with."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return
    try:
        with safe_open(path, framework="numpy"):
            return
    except SafetensorError as error:
        raise RunFolderError(
            f"{path} should hold the weights that the run left, and is damaged ({error}); remove it to compare"
            " predictions and figures alone."
        ) from None


def _same(folder: Path, what: str, before: str | None, now: str | None) -> None:
    """See that what a run was trained on is what it was."""
    if before != now:
        raise DataError(
            f"To repeat {folder} takes the same {what}, and the content had the digest {before} and has {now}; it has"
            " changed since, or lies elsewhere now (--data, --validation and --test name other places)."
        )


def _draws_as_before(folder: Path, run: Run, prepared: Prepared) -> bool:
    """Whether the rows in use are those that the run stored predictions of."""
    splits = prepared.rows.splits
    return splits.keys() == run.data.rows.keys() and all(
        np.array_equal(read_predictions(folder, name)["row"].to_numpy(), splits[name].rows) for name in run.metrics
    )
