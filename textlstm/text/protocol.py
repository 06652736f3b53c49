"""Which labeled rows one run may see: the subset of a size, and the validation rows taken out of it.

A size n counts every label that training or the choice of the epoch looks at, so that two sizes cost what they say:

| labels | validation | how the run ends |
| --- | --- | --- |
| under 500 | none: 20 rows would mislead, and giving them away costs more | a fixed number of updates |
| 500 to 2,000 | 15 % | best epoch on validation |
| above | 10 %, at least 200 and at most 1,000 rows | best epoch on validation |

With `full`, a validation split that comes with the data is used as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from textlstm.errors import DataError
from textlstm.recipe import Recipe
from textlstm.text.datasets import TextData
from textlstm.text.named_data import load_named
from textlstm.text.overlap import shared_notes, text_keys, with_shared_rows_noted
from textlstm.text.splits import Split, hold_out, nested_subset
from textlstm.text.streams import stream

TEST_SHARE = 0.2
"""Share of rows held out as test for a comparison when the data has no test split."""


@dataclass(frozen=True, eq=False)
class UsedRows:
    """The splits of one run.

    Attributes:
        train: rows whose gradients are taken.
        validation: rows that choose the epoch; None under 500 labels.
        test: labeled rows for the final score; None when the data has none.
        notes: how they were made.
        holdout: training rows that were kept out to be scored; None unless a share of them was asked for.
    """

    train: Split
    validation: Split | None
    test: Split | None
    notes: list[str]
    holdout: Split | None = None

    @property
    def labels_used(self) -> int:
        """Labeled rows that training or choosing the epoch sees."""
        return len(self.train) + (len(self.validation) if self.validation is not None else 0)

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that there are, by name."""
        named = {"train": self.train, "validation": self.validation, "holdout": self.holdout, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}


def load_recipe_data(recipe: Recipe, *, source: object | None = None) -> TextData:
    """Load the data that a recipe names.

    Args:
        recipe: its `data:` part is read; the size is not applied.
        source: data in memory, or a name, that stands in for the recipe's own source.

    Returns:
        All splits; a note says where they share texts.

    Raises:
        DataError: the data cannot be read as texts and labels.
    """
    return with_shared_rows_noted(load_named(recipe.data, source=source))


def validation_rows(labels: int) -> int:
    """Decide how many of `labels` rows choose the epoch.

    Args:
        labels: labeled rows at hand, validation included.

    Returns:
        Rows to hold out; 0 under 500.
    """
    if labels < 500:
        return 0
    if labels <= 2000:
        return round(0.15 * labels)
    return min(1000, max(200, round(0.1 * labels)))


def use_rows(data: TextData, *, size: int | Literal["full"], seed: int, holdout: float = 0.0) -> UsedRows:
    """Draw the rows of one run.

    Args:
        data: all splits.
        size: labeled rows to use, validation included, or "full".
        seed: of the subset, the validation rows and the held-out rows.
        holdout: share of the rows that are kept out and scored, in place of nothing; the others are trained on.

    Returns:
        The splits; subsets of one seed are nested (the 100 are inside the 500).

    Raises:
        DataError: more rows are asked for than the training split has, or fewer than there are classes.
    """
    check_size(data, size)
    train, notes = data.splits["train"], []
    labeled = {name: split for name, split in data.splits.items() if split.labels is not None}
    notes += [f"{name} has no labels and is left aside" for name in data.splits if name not in labeled]
    given = labeled.get("validation") if size == "full" else None
    if size != "full":
        train = nested_subset(train, size=size, seed=seed)
        notes.append(f"{size:,} of {len(data.splits['train']):,} training rows, stratified, seed {seed}")
    kept_out = None
    if holdout:
        train, kept_out = _keep_out(train, share=holdout, seed=seed, data=data)
        notes.append(f"holdout: {len(kept_out):,} of the training rows kept out and scored, stratified, seed {seed}")
    validation = given
    if given is None and (rows := validation_rows(len(train))):
        train, validation = hold_out(train, rows=rows, seed=seed, multi_label=data.multi_label)
        notes.append(f"validation: {rows:,} rows held out of the training rows, stratified, seed {seed}")
    if validation is None:
        notes.append(f"no validation: under 500 labels all {len(train):,} train, for a fixed number of updates")
    return UsedRows(train, validation, labeled.get("test"), notes, kept_out)


def _keep_out(train: Split, *, share: float, seed: int, data: TextData) -> tuple[Split, Split]:
    """Part off rows to be scored, so that no text is on both sides and each class keeps rows to train on."""
    classes = len(data.label_names)
    rows = min(max(classes, round(share * len(train))), len(train) - 1)
    # Its own stream: the validation rows are drawn from what stays by the same seed.
    _, drawn = hold_out(train, rows=rows, seed=stream(seed, "holdout"), multi_label=data.multi_label)
    held = _texts_on_one_side(train, np.isin(train.rows, drawn.rows), classes=classes)
    return train.take(np.flatnonzero(~held)), train.take(np.flatnonzero(held))


def check_size(data: TextData, size: int | Literal["full"]) -> None:
    """Refuse a size that the data cannot give, before anything is trained.

    Args:
        data: all splits.
        size: labeled rows to use, or "full".

    Raises:
        DataError: more rows are asked for than the training split has, or fewer than there are classes.
    """
    rows, classes = len(data.splits["train"]), len(data.label_names)
    if size != "full" and size > rows:
        raise DataError(
            f"A subset of {size} rows was asked for and the training split of {data.source} has {rows}; name smaller"
            " sizes, or `full`."
        )
    if size != "full" and size < classes:
        raise DataError(
            f"A subset of {size} rows cannot hold the {classes} classes of {data.source}; ask for {classes} rows or"
            " more."
        )


def with_test_split(data: TextData) -> TextData:
    """Hold out a test split for a comparison when the data has none.

    Args:
        data: all splits.

    Returns:
        The data itself when it has a test split with labels; else a copy with about 20 % of the training rows,
        stratified by a fixed seed so that every cell of a grid is scored on the same rows, as test. Rows of one text
        (`overlap.text_keys`) are on one side; a class whose rows all have one text has none in test.
    """
    if "test" in data.splits and data.splits["test"].labels is not None:
        return data
    rows = max(len(data.label_names), round(TEST_SHARE * len(data.splits["train"])))
    whole = data.splits["train"]
    _, drawn = hold_out(whole, rows=rows, seed=0, multi_label=data.multi_label)
    before = np.isin(whole.rows, drawn.rows)
    held = _texts_on_one_side(whole, before, classes=len(data.label_names))
    test = whole.take(np.flatnonzero(held))
    notes = [
        f"test: {len(test):,} of the training rows held out, the same in every run (the data has no labeled test split)"
    ]
    if moved := int((held != before).sum()):
        notes.append(f"{moved:,} rows changed sides, so that no text is in both train and test")
    known = set(shared_notes(data.splits)) if len(data.splits) > 1 else set()  # they were counted before the hold-out
    parted = replace(
        data,
        splits={**data.splits, "train": whole.take(np.flatnonzero(~held)), "test": test},
        notes=[*(note for note in data.notes if note not in known), *notes],
    )
    return with_shared_rows_noted(parted)


def _texts_on_one_side(whole: Split, held: np.ndarray, *, classes: int) -> np.ndarray:
    """Move rows whose text was parted to one side, so that each class keeps about its number of test rows.

    Args:
        whole: rows with labels.
        held: (rows,) bool, those that were drawn for test.
        classes: number of classes.

    Returns:
        (rows,) bool; the same where no text was parted.
    """
    labels = whole.labels
    assert labels is not None  # noqa: S101 - training rows have labels
    marks = labels.astype(np.int64) if labels.ndim == 2 else np.eye(classes, dtype=np.int64)[labels]
    _, text = np.unique(text_keys(whole.texts), return_inverse=True)
    rows, drawn = np.bincount(text), np.bincount(text, weights=held)
    parted = np.flatnonzero((drawn > 0) & (drawn < rows))
    if not len(parted):
        return held
    by_text, starts = np.argsort(text, kind="stable"), np.cumsum(rows) - rows
    wanted, count = marks[held].sum(axis=0), int(held.sum())
    moved = held & ~np.isin(text, parted)  # all of them to train at first, and back while there is room
    inside, outside, filled = marks[moved].sum(axis=0), marks[~moved].sum(axis=0), int(moved.sum())
    for number in parted[np.argsort(rows[parted], kind="stable")]:
        own = by_text[starts[number] : starts[number] + rows[number]]
        gain = marks[own].sum(axis=0)
        has = gain > 0
        fits = filled + len(own) <= count and bool((inside + gain <= wanted).all())
        lacking = bool((has & (wanted > 0) & (inside == 0)).any())
        stays = bool((outside - gain > 0)[has].all()) and filled + len(own) < len(whole)
        if (fits or lacking) and stays:
            moved[own] = True
            inside, outside, filled = inside + gain, outside - gain, filled + len(own)
    return moved


def labeled_split(data: TextData, name: str | None) -> Split:
    """Choose the rows on which a finished model is scored.

    Args:
        data: all splits.
        name: a split's name; None takes test when there is one, else the only split.

    Returns:
        A split with labels.

    Raises:
        DataError: there is no such split, several could be meant, or it has no labels.
    """
    if name is None:
        names = ["test"] if "test" in data.splits else list(data.splits)
        if len(names) > 1:
            raise DataError(f"{data.source} has the splits {', '.join(names)} and no test; say which with --split.")
        name = names[0]
    if name not in data.splits:
        raise DataError(
            f"--split {name} was asked for and {data.source} has {', '.join(data.splits)}; name one of these."
        )
    if data.splits[name].labels is None:
        raise DataError(
            f"Scores need labels, and {name} of {data.source} has none; name their column with --label-column."
        )
    return data.splits[name]
