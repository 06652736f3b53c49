"""Encoded: token ids of many texts as two flat arrays, and the chunked way from texts to them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from textlstm.errors import DataError, ModelError, brief, first_line

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

CHUNK_ROWS = 1_000


@dataclass(frozen=True, eq=False)
class Encoded:
    """Token ids of many texts, flat, so that a million rows are two arrays.

    Attributes:
        ids: (tokens,) int32, all rows one after another.
        offsets: (rows + 1,) int64; row i is `ids[offsets[i]:offsets[i + 1]]`.
        truncated: rows that were cut at the maximum length.
        cut_rows: (truncated,) int64, the numbers of these rows.
        owners: (rows,) int64, for rows that are windows of texts the text each is of; None where a row is a text.
            `truncated` and `cut_rows` then tell the texts of several windows.
    """

    ids: np.ndarray
    offsets: np.ndarray
    truncated: int = 0
    cut_rows: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    owners: np.ndarray | None = None

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, (rows,) int64."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        row = range(len(self))[row]  # negative rows, and IndexError so that iteration ends
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def take(self, indices: np.ndarray) -> Encoded:
        """Pick rows, in the order given.

        Args:
            indices: (picked,) row numbers, repetition allowed.

        Returns:
            A new Encoded of the picked rows.
        """
        indices = np.asarray(indices, dtype=np.int64)
        lengths = self.lengths[indices]
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
        source = np.repeat(self.offsets[:-1][indices] - offsets[:-1], lengths) + np.arange(offsets[-1])
        cut_rows = np.flatnonzero(np.isin(indices, self.cut_rows))
        owners = None if self.owners is None else self.owners[indices]
        return Encoded(self.ids[source], offsets, len(cut_rows), cut_rows, owners)

    def followed_by(self, other: Encoded) -> Encoded:
        """Put other rows behind these.

        Args:
            other: rows that are whole texts, as these are.

        Returns:
            A new Encoded of both.
        """
        offsets = np.concatenate([self.offsets, self.offsets[-1] + other.offsets[1:]])
        cut_rows = np.concatenate([self.cut_rows, len(self) + other.cut_rows])
        return Encoded(np.concatenate([self.ids, other.ids]), offsets, len(cut_rows), cut_rows)


def encode(
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str] | pa.Array | pa.ChunkedArray,
    *,
    max_length: int,
) -> Encoded:
    """Encode texts in chunks by the Rust backend, which uses all threads that TOKENIZERS_PARALLELISM leaves it.

    The tokenizer is left as it was. A text without any token (an empty one) becomes one unk token, so that every row
    has a last state to pool. Ids of a row do not depend on the rows around it. A row that is no string is a DataError.

    Args:
        tokenizer: a tokenizer from this module.
        texts: strings, without nulls.
        max_length: tokens after which a row is cut, the tokenizer's own special tokens counted.

    Returns:
        The ids of all rows, and how many rows were cut.

    Raises:
        ModelError: If the tokenizer has no unk token.
    """
    unk = tokenizer.unk_token_id
    if unk is None:
        raise ModelError("The tokenizer has no unk token, which an empty text needs; load it by load_tokenizer.")
    return encode_by(_backend_for_encoding(tokenizer, max_length), texts, unk_id=unk)


def encode_by(
    backend: Tokenizer,
    texts: Sequence[str] | pa.Array | pa.ChunkedArray,
    *,
    unk_id: int,
    windows: bool = False,
) -> Encoded:
    """Encode texts by the Rust backend as it is set, as `encode` does.

    Args:
        backend: truncates where it should, and does not pad.
        texts: strings, without nulls.
        unk_id: the id of which a text without any token is made.
        windows: whether the rest of a long text follows in further rows, each as long as the backend's truncation
            allows, instead of being left out.

    Returns:
        The ids of all rows; with `windows` also whose they are.
    """
    ids: list[np.ndarray] = []
    lengths: list[int] = []
    owners: list[int] = []
    cut: list[int] = []
    done = 0
    for chunk in text_chunks(texts):
        rows: list[list[int]] = []
        for text, encoding in enumerate(backend.encode_batch_fast(chunk), start=done):
            rest = encoding.overflowing  # the backend keeps what truncation cut off
            if rest:
                cut.append(text)
            if windows:
                parts = [encoding.ids or [unk_id], *(part.ids for part in rest)]
                rows += parts
                owners += [text] * len(parts)
            else:
                rows.append(encoding.ids or [unk_id])
        done += len(chunk)
        lengths.extend(map(len, rows))
        ids.append(np.fromiter(chain.from_iterable(rows), dtype=np.int32))
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])
    flat = np.concatenate(ids) if ids else np.empty(0, dtype=np.int32)
    whose = np.asarray(owners, dtype=np.int64) if windows else None
    return Encoded(flat, offsets, len(cut), np.asarray(cut, dtype=np.int64), whose)


def read_backend(path: Path) -> Tokenizer:
    """Read a tokenizer.json, whoever wrote it.

    Args:
        path: of the file.

    Returns:
        The Rust backend as the file sets it.

    Raises:
        ModelError: the file is absent, or no tokenizer.json.
    """
    from tokenizers import Tokenizer

    try:
        content = path.read_text("utf-8")
        json.loads(content)
        return Tokenizer.from_str(content)
    except Exception as error:  # the Rust library raises no narrower ones
        reason = first_line(error)
        raise ModelError(f"{path} should be a tokenizer.json and cannot be read ({reason}); copy it again.") from error


def set_for_encoding(backend: Tokenizer, *, max_length: int, split_special_tokens: bool) -> Tokenizer:
    """Set a backend so that `encode_by` reads texts as the model did in training.

    Args:
        backend: changed in place.
        max_length: tokens after which a text is cut, special tokens counted.
        split_special_tokens: whether a special token's name inside a text is plain text.

    Returns:
        The same backend.
    """
    backend.enable_truncation(max_length)
    backend.no_padding()
    backend.encode_special_tokens = split_special_tokens
    return backend


def text_chunks(texts: Iterable[str] | pa.Array | pa.ChunkedArray) -> Iterator[list[str]]:
    """Go through texts by chunks, as the Rust backend wants them; Arrow arrays become Python strings a chunk at a time.

    Args:
        texts: strings, without nulls.

    Yields:
        Lists of `CHUNK_ROWS` strings that UTF-8 can hold.

    Raises:
        DataError: If a text is not a string.
    """
    chunks: Iterator[list[Any]]
    if isinstance(texts, pa.Array | pa.ChunkedArray):
        chunks = (texts.slice(start, CHUNK_ROWS).to_pylist() for start in range(0, len(texts), CHUNK_ROWS))
    else:
        rows = iter(texts)
        chunks = iter(lambda: list(islice(rows, CHUNK_ROWS)), [])
    for number, chunk in enumerate(chunks):
        for row, text in enumerate(chunk, start=number * CHUNK_ROWS):
            if not isinstance(text, str):
                raise DataError(
                    f"Row {row} was to be a text and is {brief(text)} ({type(text).__name__}); "
                    "fill or drop empty rows before tokenization."
                )
        yield [_utf8(text) for text in chunk]


def _backend_for_encoding(tokenizer: PreTrainedTokenizerFast, max_length: int) -> Tokenizer:
    """The tokenizer's own backend where its settings fit (one text is then encoded at once), else a changed copy."""
    backend = tokenizer.backend_tokenizer
    truncation = backend.truncation or {}
    fits = truncation.get("max_length") == max_length and truncation.get("direction") == "right"
    if fits and backend.padding is None and backend.encode_special_tokens == tokenizer.split_special_tokens:
        return backend
    return set_for_encoding(
        copy.deepcopy(backend), max_length=max_length, split_special_tokens=tokenizer.split_special_tokens
    )


def _utf8(text: str) -> str:
    """Join surrogate pairs and replace half ones, which Python strings may hold and the Rust backend may not."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
