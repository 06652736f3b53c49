"""Words looked up in a table of vectors, by their names or by a tokenizer's pieces.

Beside a list of words, a word is looked for in the forms of `word_matching`. Beside a tokenizer, any word is put
together: the mean of its pieces' rows, weighted where a static model has weights (model2vec).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textlstm.errors import DataError
from textlstm.text.encoding import read_backend
from textlstm.text.vector_report import VectorReport, WordVectors
from textlstm.text.vector_tables import Table
from textlstm.text.word_matching import MISSING, PIECES, WordMatcher, match_positions

_ADDED_SHARE = 0.02


def read_table(table: Table, words: Sequence[str]) -> WordVectors:
    """Look up words in a table.

    Args:
        table: rows and vocabulary.
        words: the needed words, each once.

    Returns:
        Their vectors: by a list of words in the forms of `word_matching.FORMS`; by a tokenizer as a piece of its own,
        or as the mean of the pieces.

    Raises:
        ModelError: the tokenizer cannot be loaded.
        DataError: a row that the vocabulary names is not there.
    """
    report = VectorReport(table.name, table.format, int(table.rows.shape[1]), int(table.rows.shape[0]))
    if isinstance(table.vocabulary, list):
        matcher = WordMatcher(words)
        positions, _ = match_positions(matcher, (word.encode("utf-8", "replace") for word in table.vocabulary))
        rows = np.zeros((len(words), report.width), dtype=np.float32)
        rows[positions >= 0] = table.take(positions[positions >= 0])
        return WordVectors(rows, matcher.ranks, report)
    pieces = word_pieces(backend_of(table.vocabulary), words)
    lengths = np.array([len(ids) for ids in pieces], dtype=np.int64)
    ids = np.array([piece for own in pieces for piece in own], dtype=np.int64)
    places = _places(table, ids)
    if (places < 0).any():
        raise DataError(
            f"The tokenizer of {table.name} has pieces up to {ids.max():,}, and its table of {len(table.rows):,} rows"
            f" lacks piece {ids[places < 0].min():,}; they are not of one model."
        )
    different, at = np.unique(places, return_inverse=True)
    values = table.take(different)
    from scipy.sparse import csr_array

    share = np.repeat(1.0 / np.maximum(lengths, 1), lengths).astype(np.float32)
    if table.weights is not None:
        share = share * table.weights[ids].astype(np.float32)
    bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    rows = csr_array((share, at, bounds), shape=(len(words), len(different))) @ values
    ranks = np.full(len(words), MISSING, dtype=np.int8)
    ranks[lengths == 1], ranks[lengths > 1] = 0, PIECES
    return WordVectors(np.asarray(rows, dtype=np.float32), ranks, report)


def read_pieces(table: Table, pieces: Sequence[str]) -> WordVectors | None:
    """Take the rows of pieces by their very names.

    Args:
        table: rows and vocabulary.
        pieces: such as "##ing".

    Returns:
        Their vectors; None where the vocabulary is a list of words, or vocabulary or table lack more than 2 in 100 of
        the pieces (special tokens that a tokenizer was completed with).
    """
    if isinstance(table.vocabulary, list):
        return None
    known = backend_of(table.vocabulary).get_vocab()
    ids = np.array([known.get(piece, -1) for piece in pieces], dtype=np.int64)
    places = _places(table, ids)
    held = places >= 0
    if (~held).sum() > max(2, _ADDED_SHARE * len(pieces)):
        return None
    rows = np.zeros((len(pieces), int(table.rows.shape[1])), dtype=np.float32)
    rows[held] = table.take(places[held])
    if table.weights is not None:
        rows[held] *= table.weights[ids[held]].astype(np.float32)[:, None]
    report = VectorReport(table.name, table.format, rows.shape[1], int(table.rows.shape[0]))
    report.notes.append("its tokenizer has the same pieces, so their rows were copied")
    return WordVectors(rows, np.where(held, 0, MISSING).astype(np.int8), report)


def _places(table: Table, ids: np.ndarray) -> np.ndarray:
    """Find the rows of pieces; -1 where a row, a weight or an entry of the mapping is not there."""
    limits = [len(other) for other in (table.mapping, table.weights) if other is not None]
    inside = (ids >= 0) & (ids < min(limits, default=np.iinfo(np.int64).max))
    places = np.where(inside, ids, -1)
    if table.mapping is not None:
        places[inside] = table.mapping[ids[inside]]
    return np.where((places >= 0) & (places < len(table.rows)), places, -1)


def backend_of(place: Path) -> Any:  # noqa: ANN401 - tokenizers ships no types
    """Load the Rust backend of a tokenizer, without truncation, padding or special tokens around a text.

    Args:
        place: a tokenizer.json, or a folder that holds a tokenizer of any kind that transformers converts.

    Returns:
        A `tokenizers.Tokenizer`.

    Raises:
        ModelError: there is none.
    """
    file = place / "tokenizer.json" if place.is_dir() else place
    if file.is_file():
        backend = read_backend(file)
    else:
        from textlstm.text.reused_tokenizer import load_tokenizer

        backend = load_tokenizer(place, max_length=512).backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    return backend


def word_pieces(backend: Any, words: Sequence[str]) -> list[list[int]]:  # noqa: ANN401
    """Cut words into a tokenizer's pieces, as it would inside a text.

    Args:
        backend: a `tokenizers.Tokenizer`.
        words: any.

    Returns:
        Ids of each word; unknown pieces and pieces of blanks alone are left out.
    """
    unknown = _unknown_id(backend)
    blanks = {"\u2581", "\u0120"}  # how Metaspace and byte-level pieces write a blank
    cut = []
    for encoding in backend.encode_batch_fast([f" {word}" for word in words], add_special_tokens=False):
        pairs = zip(encoding.ids, encoding.tokens, strict=True)
        cut.append([piece for piece, token in pairs if piece != unknown and token not in blanks])
    return cut


def _unknown_id(backend: Any) -> int | None:  # noqa: ANN401
    """The id of the unknown token; a Unigram model keeps it under another name."""
    model = json.loads(backend.to_str())["model"]
    if isinstance(model.get("unk_id"), int):
        return int(model["unk_id"])
    token = model.get("unk_token")
    return None if token is None else backend.token_to_id(token)


def whole_words(table: Table, limit: int) -> list[str]:
    """List the words that a vocabulary begins with.

    Args:
        table: with its vocabulary.
        limit: how many.

    Returns:
        Words in the order of the rows; of a tokenizer, the pieces that are a word of their own.
    """
    if isinstance(table.vocabulary, list):
        return table.vocabulary[:limit]
    backend = backend_of(table.vocabulary)
    ids = range(backend.get_vocab_size())
    texts = [backend.decode([piece], skip_special_tokens=True).strip() for piece in ids]
    own = word_pieces(backend, texts)
    words = (text for piece, text, pieces in zip(ids, texts, own, strict=True) if text and pieces == [piece])
    return list(dict.fromkeys(words))[:limit]
