"""Cross-validation folds: the rows of a set without a test split, parted so that each row is scored once.

Folds have the class shares of the whole, sizes as even as can be, and never part the rows of one text: 2,379 rows of
MPQA repeat another row, and a text that is met in training would be scored from memory. The rows are dealt out group by
group, the largest first, each to the fold that is most behind with its labels: the greedy idea of Sechidis, Tsoumakas &
Vlahavas 2011, "On the Stratification of Multi-Label Data" (ECML PKDD), with the rows of one text kept together.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from textlstm.errors import DataError
from textlstm.recipe_sections import DataSection
from textlstm.text.datasets import TextData, data_fingerprint
from textlstm.text.overlap import text_keys
from textlstm.text.splits import Split


def fold_rows(split: Split, *, folds: int, multi_label: bool, seed: int = 0) -> np.ndarray:
    """Give every row a fold.

    Args:
        split: labeled rows.
        folds: how many parts, at least 2.
        multi_label: whether the labels are a matrix.
        seed: decides among equals; the same rows and seed give the same folds.

    Returns:
        (rows,) int64 fold numbers from 0; rows of one text (`overlap.word_form`) have one number.

    Raises:
        DataError: there are no labels, fewer than 2 folds, or more folds than the rarest class has different texts,
            so that some fold could not score it.
    """
    if split.labels is None:
        raise DataError("Folds are stratified by label, and these rows have none; name the column of labels.")
    if folds < 2:
        raise DataError(f"Cross-validation needs 2 folds or more, and {folds} was asked for; 10 is customary.")
    labels = split.labels if multi_label else split.labels[:, None] == np.arange(split.labels.max(initial=-1) + 1)
    texts, group_of_row = np.unique(text_keys(split.texts), return_inverse=True)
    rows_of_group = np.bincount(group_of_row)
    marks = np.zeros((len(texts), labels.shape[1]))  # how often each label stands in each group
    np.add.at(marks, group_of_row, labels)
    _check_folds(marks, folds, multi_label)
    totals = np.maximum(marks.sum(axis=0), 1)
    rarity = np.argsort(totals, kind="stable").argsort()  # 0 for the rarest label; no two alike
    rank = np.where(marks > 0, rarity, len(totals)).min(axis=1)
    # By chance first, then stably the groups of the rarest label, then the largest: what is hard to place comes early.
    rng = np.random.default_rng([seed, 0x666F6C64])
    order = rng.permutation(len(texts))
    order = order[np.lexsort((rank[order], -rows_of_group[order]))]
    tie = rng.permutation(folds)
    held, sizes = np.zeros((folds, labels.shape[1])), np.zeros(folds)
    fold_of_group = np.empty(len(texts), dtype=np.int64)
    for group in order:
        present = np.flatnonzero(marks[group])
        crowded = held[:, present] @ (marks[group, present] / totals[present])
        # Rounded, so that folds that are level do not differ by the order in which numbers were added.
        fold = np.lexsort((tie, sizes, np.round(crowded, 12)))[0]
        fold_of_group[group] = fold
        held[fold] += marks[group]
        sizes[fold] += rows_of_group[group]
    return fold_of_group[group_of_row]


def with_fold(data: TextData, *, fold: int, folds: int) -> TextData:
    """Make one fold the test split and the others the training rows.

    Args:
        data: all splits; none of them is a test split with labels.
        fold: which fold is scored, from 0.
        folds: how many there are.

    Returns:
        A copy with the splits "train" and "test" of that fold, and a note. Row numbers stay those of the source, so
        the predictions of all folds together hold every row once.

    Raises:
        DataError: there is a test split with labels, the fold does not exist, or the rows cannot be parted so.
    """
    test = data.splits.get("test")
    if test is not None and test.labels is not None:
        raise DataError(
            f"Folds are for data without a test split, and {data.source} has one with {len(test):,} labeled rows; leave"
            " out data.folds and grid.folds to score on it, or pool its splits first if they were parted at random."
        )
    if not 0 <= fold < folds:
        raise DataError(f"Folds are counted from 0 to {folds - 1}, and fold {fold} was asked for; name one of these.")
    rows = data.splits["train"]
    numbers = fold_rows(rows, folds=folds, multi_label=data.multi_label)
    scored = np.flatnonzero(numbers == fold)
    note = (
        f"fold {fold + 1} of {folds}: {len(scored):,} of the {len(rows):,} training rows are the test split,"
        " stratified, rows of one text together; the folds are the same in every run"
    )
    parts = {"train": rows.take(np.flatnonzero(numbers != fold)), "test": rows.take(scored)}
    return replace(data, splits={**data.splits, **parts}, notes=[*data.notes, note])


def with_own_fold(part: DataSection, data: TextData) -> TextData:
    """Part data as a recipe's fold says.

    Args:
        part: of a recipe.
        data: all splits.

    Returns:
        A copy whose test split is the fold; the data itself where the recipe names none.

    Raises:
        DataError: the rows cannot be parted so.
    """
    if part.fold is None or part.folds is None:
        return data
    parted = with_fold(data, fold=part.fold, folds=part.folds)
    return replace(parted, fingerprint=data.fingerprint)  # the fold stands in the recipe


def pooled(data: TextData) -> TextData:
    """Join all labeled splits to one, for sets that a copy has parted at random and the literature cross-validates.

    Args:
        data: all splits.

    Returns:
        A copy with the one split "train", its rows numbered anew in the order train, validation, test, and a note; the
        data itself when it has one split.
    """
    labeled = {name: split for name, split in data.splits.items() if split.labels is not None}
    if list(data.splits) == ["train"]:
        return data
    texts = [chunk for split in labeled.values() for chunk in _chunks(split)]
    labels = [split.labels for split in labeled.values() if split.labels is not None]
    rows = sum(map(len, labeled.values()))
    joined = {"train": Split(pa.chunked_array(texts, pa.large_string()), np.concatenate(labels), np.arange(rows))}
    counts = ", ".join(f"{len(split):,} {name}" for name, split in labeled.items())
    aside = [f"{name} has no labels and is left aside" for name in data.splits if name not in labeled]
    return replace(
        data,
        splits=joined,
        fingerprint=data_fingerprint(joined, data.label_names),
        notes=[*data.notes, *aside, f"all labeled rows pooled: {counts}"],
    )


def _chunks(split: Split) -> list[pa.Array]:
    """Give the pieces of a split's texts."""
    return split.texts.chunks if isinstance(split.texts, pa.ChunkedArray) else [split.texts]


def _check_folds(marks: np.ndarray, folds: int, multi_label: bool) -> None:
    """See that the texts can be parted into so many folds; marks: (texts, classes), how often a text has a label."""
    texts = (marks > 0).sum(axis=0)
    fewest = len(marks) if multi_label else int(texts[texts > 0].min(initial=len(marks)))
    if folds > fewest:
        what = (
            f"there are {fewest} different texts" if multi_label else f"the rarest class has {fewest} different texts"
        )
        mend = f"for {fewest} folds or fewer" if fewest > 1 else "for a held-out test split instead"
        raise DataError(
            f"{folds} folds were asked for and {what}, so that some fold would have none of them to score; ask {mend}"
            + ("." if multi_label else ", or merge rare classes.")
        )
