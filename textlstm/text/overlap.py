"""Rows that two splits or two data sets share: found, counted, reported and left out.

Copies of one sentence differ by tokenization: SST writes "-LRB-" and drops accents where MR has "(" and keeps them. So
two texts are the same here when they have the same letters, digits and symbols in the same order, whatever their case,
accents, white space and punctuation. That errs on the safe side: it is a check against leaks.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import numpy as np
import pyarrow as pa

from textlstm.errors import DataError
from textlstm.text.datasets import TextData, data_fingerprint
from textlstm.text.splits import Split

COUNTED_BYTES = 200_000_000
"""Texts up to this size are compared whenever data is loaded, in a second per 50 MB; larger ones on demand."""

_CHUNK_ROWS = 20_000
_TREEBANK_BRACKET = re.compile(r"-[lr][rsc]b-")
_ACCENTS = range(0x0300, 0x0370)
_VARIANTS = range(0xFE00, 0xFE10)  # ask for a colored or plain form of the sign before them


@dataclass(frozen=True, eq=False)
class Overlap:
    """What two splits have in common.

    Attributes:
        count: rows of the first split whose text is also in the second.
        share: of the rows of the first split, from 0 to 1.
        other_share: share of the rows of the second split whose text is also in the first.
        indices: (count,) int64 positions of those rows in the first split, ascending.
    """

    count: int
    share: float
    other_share: float
    indices: np.ndarray


@dataclass(frozen=True)
class SharedRows:
    """One line of the report on two data sets.

    Attributes:
        split: of the data at hand.
        other: name of the other data set.
        other_split: its split.
        count: rows of `split` whose text is also in `other_split`.
        share: of the rows of `split`, from 0 to 1.
        other_share: share of the rows of `other_split` whose text is also in `split`.
    """

    split: str
    other: str
    other_split: str
    count: int
    share: float
    other_share: float


def word_form(text: str) -> str:
    """Reduce a text to what survives another tokenization.

    Args:
        text: any text.

    Returns:
        Letters, digits and symbols in NFKD and case-folded, without accents, white space and punctuation; the text
        with single blanks when nothing else is in it, so that ":)" and ":(" stay apart.
    """
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKD", text.casefold()).casefold()
    form = _TREEBANK_BRACKET.sub("", plain).translate(_dropped())
    return form or " ".join(plain.split())


def text_keys(texts: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Number texts so that equal numbers are equal word forms.

    Args:
        texts: (rows,) strings without nulls.

    Returns:
        (rows,) uint64, the same in every process; two different texts in a million rows share a number with a
        probability of 3 in 100 million.
    """
    keys = np.empty(len(texts), np.uint64)
    for start in range(0, len(texts), _CHUNK_ROWS):
        digests = b"".join(
            hashlib.blake2b(word_form(text).encode(), digest_size=8).digest()
            for text in texts.slice(start, _CHUNK_ROWS).to_pylist()
        )
        keys[start : start + _CHUNK_ROWS] = np.frombuffer(digests, "<u8")
    return keys


def shared_rows(first: Split, second: Split) -> Overlap:
    """Find the rows of one split whose text is also in another.

    Args:
        first: rows to look at.
        second: where their texts are looked for.

    Returns:
        Count, shares of both sides, and positions in the first.
    """
    return _compare(text_keys(first.texts), text_keys(second.texts))


def without_rows_of(train: Split, other: Split) -> tuple[Split, int]:
    """Leave out the rows whose text is also in another split.

    Args:
        train: rows to keep or leave out.
        other: the texts that must not be met, such as a test split.

    Returns:
        The rest, in source order, and how many were left out.
    """
    indices = shared_rows(train, other).indices
    return (train.take(np.setdiff1d(np.arange(len(train)), indices)) if len(indices) else train), len(indices)


def exclude_shared(source: TextData, protect: Sequence[Split]) -> TextData:
    """Leave out of a data set every row whose text is in a protected split.

    To be called before texts, labels, a teacher or a language model of one data set serve another one.

    Args:
        source: the data set to be used.
        protect: splits that its texts must not be in: at least those on which the other set is scored.

    Returns:
        A copy without those rows in any split, with a note and a fingerprint of its own; the data itself when nothing
        is shared. A split of which nothing is left is absent.

    Raises:
        DataError: no training row is left.
    """
    guarded = np.unique(np.concatenate([np.empty(0, np.uint64), *(text_keys(split.texts) for split in protect)]))
    kept = {name: np.flatnonzero(~np.isin(text_keys(rows.texts), guarded)) for name, rows in source.splits.items()}
    removed = {name: len(rows) - len(kept[name]) for name, rows in source.splits.items()}
    if not any(removed.values()):
        return source
    if not len(kept["train"]):
        raise DataError(
            f"All {removed['train']:,} training rows of {source.source} are among the protected texts, so none is left"
            " to use; name another data set."
        )
    splits = {name: rows.take(kept[name]) for name, rows in source.splits.items() if len(kept[name])}
    counts = ", ".join(f"{count:,} of {len(source.splits[name]):,} {name}" for name, count in removed.items() if count)
    return replace(
        source,
        splits=splits,
        fingerprint=data_fingerprint(splits, source.label_names),
        notes=[*source.notes, f"left out, because their texts are in a protected split: {counts} rows"],
    )


def overlap_report(data: TextData, others: Mapping[str, TextData]) -> list[SharedRows]:
    """Compare every split of a data set with every split of others.

    Args:
        data: the data set at hand.
        others: data sets by the name to be shown.

    Returns:
        A line for each pair of splits, zeros too, in the order of the splits.
    """
    keys = {name: text_keys(rows.texts) for name, rows in data.splits.items()} if others else {}
    lines = []
    for other, theirs in others.items():
        for other_split, rows in theirs.splits.items():
            other_keys = text_keys(rows.texts)
            for split, own in keys.items():
                found = _compare(own, other_keys)
                lines.append(SharedRows(split, other, other_split, found.count, found.share, found.other_share))
    return lines


def shared_between_splits(splits: Mapping[str, Split]) -> dict[str, int]:
    """Count the rows of each split whose text is also in an earlier one.

    Args:
        splits: by name, the training rows first.

    Returns:
        Counts by "test in train" and so on.
    """
    if len(splits) < 2:
        return {}
    keys = {name: text_keys(rows.texts) for name, rows in splits.items()}
    return {
        f"{later} in {earlier}": int(np.isin(keys[later], keys[earlier]).sum())
        for earlier, later in combinations(splits, 2)
    }


def with_shared_rows_noted(data: TextData) -> TextData:
    """Say in the notes of a data set which of its splits share texts.

    Args:
        data: all splits.

    Returns:
        A copy with a note for each pair of splits that share rows, or with one note that the texts are too many to be
        compared whenever they are loaded; the data itself when there is nothing to say.
    """
    if len(data.splits) < 2:
        return data
    notes = list(shared_notes(data.splits))
    return replace(data, notes=[*data.notes, *notes]) if notes else data


def shared_notes(splits: Mapping[str, Split]) -> Iterator[str]:
    """Word the rows that splits share.

    Args:
        splits: by name, the training rows first.

    Yields:
        A sentence for each pair of splits that share rows.
    """
    size = sum(split.texts.nbytes for split in splits.values())
    if size > COUNTED_BYTES:
        yield (
            f"rows shared between splits were not counted, since the texts have {size / 1e6:,.0f} MB;"
            " textlstm check counts them"
        )
        return
    for pair, count in shared_between_splits(splits).items():
        if count:
            yield shared_sentence(pair, count, len(splits[pair.partition(" in ")[0]]))


def shared_sentence(pair: str, count: int, rows: int) -> str:
    """Say how many rows of a split are also in another.

    Args:
        pair: such as "test in train".
        count: the shared rows.
        rows: of the first split of the pair.

    Returns:
        Such as "12 of the 1,821 test texts are also in train".
    """
    later, _, earlier = pair.partition(" in ")
    return f"{count:,} of the {rows:,} {later} texts {'is' if count == 1 else 'are'} also in {earlier}"


def _compare(first: np.ndarray, second: np.ndarray) -> Overlap:
    """Compare two arrays of text numbers."""
    indices = np.flatnonzero(np.isin(first, second))
    back = int(np.isin(second, first).sum())
    return Overlap(len(indices), len(indices) / max(1, len(first)), back / max(1, len(second)), indices)


@cache
def _dropped() -> dict[int, None]:
    """List the characters in which tokenizations differ, for `str.translate`.

    Marks of scripts in which they make another letter stay, as do symbols such as + and emoji. Punctuation beyond the
    basic plane is of scripts that nobody tokenizes in two ways, and is left out to spare a million look-ups.
    """
    return {
        code: None
        for code in range(0x10000)
        if (kind := unicodedata.category(chr(code)))[0] in "PZ"
        or kind in ("Cc", "Cf", "Sk")
        or code in _ACCENTS
        or code in _VARIANTS
    }
