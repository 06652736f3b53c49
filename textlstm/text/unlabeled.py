"""Texts without labels, of any data: for a teacher to label, with what is scored later taken out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textlstm.errors import DataError
from textlstm.text.columns import Columns, choose_text_columns, is_blank, texts_of
from textlstm.text.datasets import TextData
from textlstm.text.overlap import exclude_shared
from textlstm.text.sources import find_splits
from textlstm.text.splits import Split


def load_texts(
    source: object, *, text_columns: Sequence[str] | None = None, encoding: str | None = None
) -> tuple[Split, list[str]]:
    """Load the texts of data whose labels, if it has any, are not looked at.

    Args:
        source: a file, a folder, a mirrored data set, a Hub id, an embedded corpus, or data in memory.
        text_columns: columns of the text, where the data has them all; inferred otherwise.
        encoding: of csv, tsv, json and txt files.

    Returns:
        The texts of its training split (or of its only one) that are not blank, and notes for the user.

    Raises:
        DataError: the data cannot be read, has no text column, or no text.
    """
    notes: list[str] = []
    raws = find_splits(
        source, name=None, revision=None, mirror=None, encoding=encoding, drop_bad_rows=True, notes=notes
    )
    if "train" not in raws and len(raws) > 1:
        raise DataError(f"{source} has the splits {', '.join(raws)} and no train split; name the one file.")
    raw = raws["train"] if "train" in raws else next(iter(raws.values()))
    texts = texts_of(raw, Columns(choose_text_columns(raw, text_columns=text_columns), ""))
    kept = np.flatnonzero(~np.asarray(is_blank(texts).to_numpy(zero_copy_only=False), dtype=bool))
    if not len(kept):
        raise DataError(f"{raw.origin} holds no text: texts without labels were expected; name another file.")
    return Split(texts, None, raw.rows).take(kept), notes


def without_held_out(texts: Split, held_out: Sequence[Split], *, source: str) -> tuple[Split | None, list[str]]:
    """Leave out the texts that will be scored or choose the epoch.

    Args:
        texts: without labels.
        held_out: validation, test and whatever else must not be met.
        source: what the texts were named.

    Returns:
        The rest, None where nothing is left, and a note where anything was left out.
    """
    whole = TextData({"train": texts}, [], False, source, "")
    try:
        rest = exclude_shared(whole, held_out)
    except DataError:  # every single one
        return None, [f"all {len(texts):,} texts of {source} are among the held-out ones"]
    return rest.splits["train"], [f"{source}: {note}" for note in rest.notes]
