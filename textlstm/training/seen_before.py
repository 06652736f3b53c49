"""Has a teacher or an encoder learned from what a run is scored on? Refused where it has, told where nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from textlstm.errors import ModelError, RecipeError, RunFolderError
from textlstm.recipe import Recipe
from textlstm.results import RESULT_FILE, Run, read_run
from textlstm.text.datasets import TextData
from textlstm.text.folds import with_own_fold
from textlstm.text.named_data import keys_of
from textlstm.text.protocol import use_rows
from textlstm.text.streams import stream
from textlstm.text.text_record import read_record
from textlstm.training.learned_texts import former_models, learned_texts, own_vectors
from textlstm.training.teacher_models import kind_of


def seen_before(who: str, folder: Path, recipe: Recipe, data: TextData) -> list[str]:
    """Refuse a model of this package that has learned from rows on which a run is scored.

    What it has learned from is all that went into it: its training and validation rows, the texts without labels beside
    them, and whatever its encoder, its teachers and the models of its vectors have learned from.

    Args:
        who: the model, such as "Teacher runs/mr".
        folder: where it lies.
        recipe: of the run.
        data: of the run, parted by its fold. A test text that is in its training split as well gives nothing away.

    Returns:
        What a user should know; nothing where no text that is scored was learned from.

    Raises:
        ModelError: the model's record is damaged.
        RecipeError: it has learned from such rows.
    """
    return _look(who, folder, recipe, data, after=())


def _look(who: str, folder: Path, recipe: Recipe, data: TextData, *, after: tuple[Path, ...]) -> list[str]:
    """Look at a model, and at those before it; `after`: those that have learned from it."""
    again = "; then train again what has learned from it" if after else ""
    if (read := read_record(folder)) is not None:
        _refuse_shared(who, read, data, mend=_mend("textlstm pretrain TEXT", recipe) + again)
        _refuse_kept_out(who, read, recipe, data)
        return []
    if not (folder / RESULT_FILE).is_file():
        return [_untold(who, "it does not say what it has learned from")]
    try:
        run = read_run(folder)
    except RunFolderError as error:
        raise ModelError(str(error)) from None
    notes = []
    if run.data.fingerprint == data.fingerprint:
        _refuse_other_rows(who, run, recipe, data)
    else:
        learned, lost = learned_texts(folder)
        _refuse_shared(who, learned, data, mend=_mend(f"textlstm train {run.data.source}", recipe) + again)
        _refuse_kept_out(who, learned, recipe, data)
        notes += [
            f"{_small(who)}: it has learned from {source}, which cannot be read again here; `textlstm check"
            f" {recipe.data.source} --against {source}` tells whether held-out texts are in it"
            for source in lost
        ]
        if not lost:
            notes.append(f"{_small(who)}: it has learned from {run.data.source}, in which no test text of this run is")
    try:
        models = former_models(run)
    except LookupError:
        return [*notes, _untold(who, "its settings are of another version, and what it started from is not known")]
    after = (*after, folder.resolve())
    for model in models:
        name = f"{who} ({model.name})"
        if model.folder is None or model.folder.resolve() in after:
            notes.append(
                _untold(name, "it is not on this machine as it was then, and cannot say what it has learned from")
            )
        elif not model.own:
            notes.append(_untold(name, "it does not say what it has learned from"))
        else:
            notes += _look(name, model.folder, recipe, data, after=after)
    return notes


def _untold(who: str, why: str) -> str:
    """Note that nobody knows."""
    return f"{_small(who)}: {why}; see that no held-out text was in it"


def check_seen_before(recipes: Iterable[Recipe], data: TextData) -> None:
    """Look at the encoders and teachers of a grid's cells before anything is trained; those on the Hub wait.

    Args:
        recipes: the cells' recipes.
        data: all splits, not parted by a fold.

    Raises:
        DataError: the rows cannot be parted into folds.
        ModelError: a model's record is damaged.
        RecipeError: one has learned from rows that are scored.
    """
    seen: set[tuple[str, int | None, int | None]] = set()
    for recipe in recipes:
        part = recipe.data
        models = [(f"Teacher {source}", Path(source)) for source in recipe.distillation.teacher or []]
        models = [(who, folder) for who, folder in models if folder.is_dir() and kind_of(folder) == "textlstm"]
        if (encoder := recipe.transfer.encoder) is not None and Path(encoder).is_dir():
            models.append((f"Encoder {encoder}", Path(encoder)))
        for who, folder in [*models, *vector_models(recipe)]:
            key = who, part.fold, recipe.seed if part.holdout else None
            if key not in seen:
                seen.add(key)
                seen_before(who, folder, recipe, with_own_fold(part, data))


def vector_models(recipe: Recipe) -> list[tuple[str, Path]]:
    """List the models of this package whose word vectors a recipe takes.

    Args:
        recipe: `embeddings.source` and `augmentation.vectors` are read.

    Returns:
        How to name each, and its folder; vectors of any other kind are none of these.
    """
    return [(f"The model {source} (its vectors are taken)", folder) for source, folder in own_vectors(recipe)]


def _small(who: str) -> str:
    """Begin a note as others are."""
    return who[:1].lower() + who[1:]


def _mend(command: str, recipe: Recipe) -> str:
    """Say how to make a model that has not seen what a recipe scores."""
    part = recipe.data
    apart = f"{command} --set data.exclude=[{part.test or part.mirror or part.source}]"
    if part.fold is not None:
        pool = " --set data.pool=true" if part.pool else ""
        return f"{apart}, or of the same data{pool} --set data.folds={part.folds} --set data.fold={part.fold}"
    return f"{apart}; where they were held out of the same file, part that file and name the test rows by data.test"


def _refuse_other_rows(who: str, run: Run, recipe: Recipe, data: TextData) -> None:
    """Of one data set, the rows must have been parted alike."""
    theirs = run.settings.get("data", {})
    apart = [key for key in ("fold", "folds", "holdout") if theirs.get(key) != getattr(recipe.data, key)]
    if recipe.data.holdout and run.settings.get("seed") != recipe.seed:
        apart.append("seed")  # which draws the held-out rows
    test = data.splits.get("test")
    labeled = test is not None and test.labels is not None
    unscored = labeled and theirs.get("score_test", True) and "test" not in run.data.rows
    if unscored or run.data.rows["train"] > len(data.splits["train"]):
        apart.append("its training rows, of which a grid holds some out as the test split")
    if apart:
        raise RecipeError(
            f"{who} should have learned from this run's training rows alone, and differs from it in"
            f" {', '.join(dict.fromkeys(apart))}: it has seen rows on which this run is scored; train it with the same"
            " data settings."
        )


def _refuse_shared(who: str, learned: np.ndarray, data: TextData, *, mend: str) -> None:
    """Stop where a text that is scored, and is none of the training split, was learned from."""
    test = data.splits.get("test")
    if test is None or test.labels is None:  # nothing is scored on a test split without labels
        return
    scored = np.setdiff1d(keys_of([test]), keys_of([data.splits["train"]]))
    shared = int(np.isin(scored, learned).sum())
    if shared:
        raise RecipeError(
            f"{who} should have learned from nothing that this run is scored on, and has learned from {shared:,} of its"
            f" {len(scored):,} test texts; train it again without them: {mend}."
        )


def _refuse_kept_out(who: str, learned: np.ndarray, recipe: Recipe, data: TextData) -> None:
    """Stop where training rows that are kept out to be scored were learned from."""
    part = recipe.data
    if not part.holdout or not part.score_test:  # a search for settings, or for a depth, scores no final model
        return
    rows = use_rows(data, size=part.size, seed=stream(recipe.seed, "subset"), holdout=part.holdout)
    kept_out = keys_of([rows.holdout] if rows.holdout is not None else [])
    if shared := int(np.isin(kept_out, learned).sum()):
        raise RecipeError(
            f"{who} should have learned from nothing that this run is scored on, and has learned from {shared:,} of the"
            f" {len(kept_out):,} texts that data.holdout keeps out; take one of other texts, or leave data.holdout out"
            " and name the rows to be scored by data.test, without which it is trained."
        )
