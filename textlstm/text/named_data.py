"""Data as a recipe's `data:` part names it, without the texts that other data is scored on where it is to serve that.

A teacher or a language model of one data set must not have read what another one is scored on: 79 % of SST-2's test
sentences are in MR. `data.exclude` names the other one, and its held-out texts are left out before anything is learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from textlstm.errors import DataError
from textlstm.recipe_files import load_recipe, shipped_recipes
from textlstm.recipe_sections import DataSection
from textlstm.text.columns import Columns, choose_columns, choose_text_columns, is_blank, texts_of
from textlstm.text.datasets import TextData, data_fingerprint, load_data
from textlstm.text.folds import pooled
from textlstm.text.labels import read_labels
from textlstm.text.overlap import exclude_shared, text_keys
from textlstm.text.sources import find_splits
from textlstm.text.splits import Split
from textlstm.text.tables import RawSplit


def load_named(part: DataSection, *, source: object | None = None) -> TextData:
    """Load the data that a `data:` part names.

    Args:
        part: of a recipe; the size is not applied.
        source: data in memory, or a name, that stands in for the part's own source.

    Returns:
        All splits, without the rows that `exclude` forbids; a test split, from which nothing is learned, stays whole.

    Raises:
        DataError: the data, or what it is to be held apart from, cannot be read; or no training row is left.
    """
    data = load_data(
        part.source if source is None else source,
        name=part.config,
        revision=part.revision,
        mirror=part.mirror,
        text_columns=part.text_columns,
        label_column=part.label_column,
        label_names=part.label_names,
        label_separator=part.label_separator,
        encoding=part.encoding,
        validation=part.validation,
        test=part.test,
        on_bad_rows=part.on_bad_rows,
    )
    data = pooled(data) if part.pool else data
    return _apart(data, excluded_splits(part.exclude)) if part.exclude else data


def _apart(data: TextData, protect: Sequence[Split]) -> TextData:
    """Leave protected texts out of everything that is learned from."""
    learned = {name: split for name, split in data.splits.items() if name != "test"}
    apart = exclude_shared(replace(data, splits=learned), protect)
    splits = {**apart.splits, **{name: split for name, split in data.splits.items() if name == "test"}}
    return replace(apart, splits=splits, fingerprint=data_fingerprint(splits, data.label_names))


def excluded_splits(names: Sequence[str]) -> list[Split]:
    """Find the texts on which other data is scored.

    Args:
        names: of shipped recipes, which say how their data is split, or of data, whose labels are not looked at.

    Returns:
        All splits but the training rows; the training rows too of data without a labeled test split, which a grid holds
        out of them, or scores fold by fold.

    Raises:
        DataError: one cannot be read.
    """
    found: list[Split] = []
    for name in names:
        if name in shipped_recipes():
            splits = load_named(load_recipe(name).data.model_copy(update={"exclude": None})).splits
            scored = "test" in splits and splits["test"].labels is not None
        else:
            splits, scored = _texts_by_split(name)
        found += [split for split_name, split in splits.items() if split_name != "train" or not scored]
    return found


def _texts_by_split(source: str) -> tuple[dict[str, Split], bool]:
    """Read texts alone, of whatever has a text column; and tell whether a test split has labels."""
    raws = find_splits(source, name=None, revision=None, mirror=None, encoding=None, drop_bad_rows=True, notes=[])
    splits = {}
    for name, raw in raws.items():
        texts = texts_of(raw, Columns(choose_text_columns(raw, text_columns=None), ""))
        kept = np.flatnonzero(~np.asarray(is_blank(texts).to_numpy(zero_copy_only=False), dtype=bool))
        splits[name] = Split(texts, None, raw.rows).take(kept)
    return splits, _has_labeled_test(raws)


def _has_labeled_test(raws: Mapping[str, RawSplit]) -> bool:
    """Tell whether there is a test split with labels, by the columns of the training split."""
    if "test" not in raws:
        return False
    if "train" not in raws:
        return True
    try:
        label = choose_columns(raws["train"], text_columns=None, label_column=None).label
        known = label in raws["test"].table.column_names
        return known and not read_labels(raws["test"], label, separator=None).missing.all()
    except DataError:  # columns that need names: a test split that lacks none of them has labels
        return set(raws["train"].table.column_names) <= set(raws["test"].table.column_names)


def keys_of(splits: Sequence[Split]) -> np.ndarray:
    """Number the texts of several splits.

    Args:
        splits: any.

    Returns:
        (different texts,) uint64 as `overlap.text_keys` gives them, rising.
    """
    return np.unique(np.concatenate([np.empty(0, np.uint64), *(text_keys(split.texts) for split in splits)]))
