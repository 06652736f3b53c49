"""The data report: what a look at the data before training tells, with a warning for each thing that spoils a score.

Inside a split, texts count as the same when they are equal after Unicode NFKC, case folding and collapsing of white
space. Between splits and data sets, punctuation and accents do not count either (`overlap.word_form`): a leak is a leak
in any tokenization.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textlstm.text.data_report import DataReport, format_report, warnings_of
from textlstm.text.datasets import Split, TextData
from textlstm.text.overlap import overlap_report, shared_between_splits, shared_sentence
from textlstm.text.tokenization import SPACELESS_LETTER, count_words, encode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

__all__ = ["DataReport", "check_data", "format_report", "normalized_text"]

PERCENTILES = (50, 90, 95, 99)
_CHUNK_ROWS = 20_000


def check_data(
    data: TextData,
    *,
    max_length: int | None = None,
    tokenizer: PreTrainedTokenizerFast | None = None,
    against: Sequence[TextData] = (),
) -> DataReport:
    """Look the data over before training.

    Args:
        data: what `load_data` gave.
        max_length: tokens at which training would cut texts.
        tokenizer: measures lengths; without one they are counted in the tokens of the `word` kind, which needs
            no training for that.
        against: other data sets, in which the texts of this one are looked for.

    Returns:
        The report; the same data gives the same report.
    """
    lengths = {name: _lengths(split, tokenizer) for name, split in data.splits.items()}
    texts = {name: _normalized(split) for name, split in data.splits.items()}
    groups = _groups(texts)
    shared = shared_between_splits(data.splits)
    warned = {shared_sentence(pair, count, len(data.splits[pair.split(" in ")[0]])) for pair, count in shared.items()}
    report = DataReport(
        source=data.source,
        fingerprint=data.fingerprint,
        rows={name: len(split) for name, split in data.splits.items()},
        label_names=list(data.label_names),
        multi_label=data.multi_label,
        labels={name: _histogram(split, data.label_names) for name, split in data.splits.items()},
        lengths={name: _percentiles(values) for name, values in lengths.items()},
        max_length=max_length,
        truncated={} if max_length is None else {name: _share_over(v, max_length) for name, v in lengths.items()},
        duplicates={name: _duplicates(split, groups[name]) for name, split in data.splits.items()},
        shared=shared,
        against=overlap_report(data, {other.source: other for other in against}),
        vocabulary=_vocabulary(texts),
        warnings=[],
        notes=[note for note in data.notes if note not in warned],
    )
    report.warnings.extend(warnings_of(report))
    return report


def normalized_text(text: str) -> str:
    """Reduce a text to what makes two texts the same.

    Args:
        text: any text.

    Returns:
        The text in NFKC, case-folded, with single blanks for any white space.
    """
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return " ".join(plain.split())


def _normalized(split: Split) -> pa.ChunkedArray:
    """Normalize all texts of a split, piece by piece."""
    pieces = [split.texts.slice(start, _CHUNK_ROWS) for start in range(0, len(split), _CHUNK_ROWS)]
    return pa.chunked_array(
        [pa.array([normalized_text(text) for text in piece.to_pylist()], pa.large_string()) for piece in pieces],
        type=pa.large_string(),
    )


def _groups(texts: dict[str, pa.ChunkedArray]) -> dict[str, np.ndarray]:
    """Number the distinct texts over all splits: equal numbers are equal texts."""
    joined = pa.chunked_array([chunk for text in texts.values() for chunk in text.chunks], type=pa.large_string())
    numbers = _codes(joined)
    groups, start = {}, 0
    for name, text in texts.items():
        groups[name] = numbers[start : start + len(text)]
        start += len(text)
    return groups


def _codes(texts: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Number the distinct strings of an array."""
    if isinstance(texts, pa.ChunkedArray):
        # In one piece: a chunked array would repeat its growing dictionary for every chunk.
        texts = pa.concat_arrays(texts.chunks) if texts.num_chunks else pa.array([], pa.large_string())
    return np.asarray(pc.dictionary_encode(texts).indices.to_numpy())


def _lengths(split: Split, tokenizer: PreTrainedTokenizerFast | None) -> np.ndarray:
    """Measure each text, uncut, in tokens."""
    if tokenizer is None:
        return count_words(split.texts)
    return encode(tokenizer, split.texts, max_length=2**31 - 1).lengths


def _percentiles(lengths: np.ndarray) -> dict[str, float]:
    """Sum up lengths; each percentile is a length that occurs."""
    if not len(lengths):
        return {}
    found = np.percentile(lengths, PERCENTILES, method="inverted_cdf")
    shown = {f"p{p}": int(value) for p, value in zip(PERCENTILES, found, strict=True)}
    return {"mean": round(float(lengths.mean()), 2), **shown, "max": int(lengths.max())}


def _share_over(lengths: np.ndarray, limit: int) -> float:
    """Give the share of texts that a cut would shorten."""
    return round(float(np.mean(lengths > limit)), 4) if len(lengths) else 0.0


def _histogram(split: Split, label_names: list[str]) -> dict[str, int]:
    """Count the rows of each class."""
    if split.labels is None:
        return {}
    one_label = split.labels.ndim == 1
    counts = np.bincount(split.labels, minlength=len(label_names)) if one_label else split.labels.sum(axis=0)
    return dict(zip(label_names, counts.tolist(), strict=True))


def _duplicates(split: Split, groups: np.ndarray) -> dict[str, int]:
    """Count repeated rows, and texts that come with different labels."""
    found = {
        "repeated": len(groups) - len(np.unique(groups)),
        "repeated_exact": len(groups) - len(np.unique(_codes(split.texts))),
    }
    if split.labels is not None and len(groups):
        labels = split.labels
        if labels.ndim == 2:  # number the distinct sets of labels
            labels = np.unique(np.packbits(labels, axis=1), axis=0, return_inverse=True)[1].ravel()
        texts = np.unique(np.column_stack([groups, labels]), axis=0)[:, 0]
        found["conflicting"] = int((np.unique(texts, return_counts=True)[1] > 1).sum())
    return found


def _vocabulary(texts: dict[str, pa.ChunkedArray]) -> dict[str, dict[str, float]]:
    """Count words, and how many of them training knows; a letter of a script without spaces is a word."""
    known: pa.Array | None = None
    result: dict[str, dict[str, float]] = {}
    for name, text in texts.items():
        tokens = seen_tokens = 0
        uniques = []
        for chunk in text.chunks:
            if pc.any(pc.match_substring_regex(chunk, SPACELESS_LETTER)).as_py():
                apart = pc.replace_substring_regex(chunk, f"({SPACELESS_LETTER})", r" \1 ")
                words = pc.list_flatten(pc.utf8_split_whitespace(pc.utf8_trim_whitespace(apart)))
            else:
                words = pc.list_flatten(pc.split_pattern(chunk, " "))
            tokens += len(words)
            uniques.append(pc.unique(words))
            if known is not None:
                seen_tokens += pc.sum(pc.is_in(words, value_set=known)).as_py() or 0
        distinct = pc.unique(pa.chunked_array(uniques, type=pa.large_string()))
        result[name] = {"types": len(distinct), "tokens": tokens}
        if name == "train":
            known = distinct
        elif known is not None:
            seen_types = pc.sum(pc.is_in(distinct, value_set=known)).as_py() or 0
            result[name]["types_in_train"] = round(seen_types / max(1, len(distinct)), 4)
            result[name]["tokens_in_train"] = round(seen_tokens / max(1, tokens), 4)
    return result
