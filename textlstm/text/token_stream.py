"""Texts as one stream of token ids in a file, for language models: memory does not grow with the text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textlstm.errors import DataError
from textlstm.text.encoding import encode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VALIDATION_EVERY = 50
"""Every so manieth text is kept out, until there are enough tokens to tell perplexity by."""
_WHOLE = 2**31 - 1  # texts are not cut


@dataclass(frozen=True, eq=False)
class TokenStream:
    """Texts one after another, each begun by the padding id, which is the mark between two texts.

    Attributes:
        train: (tokens,) int32, mapped from a file.
        validation: (tokens,) int32.
        counts: (vocabulary,) times that each id stands in `train`.
        texts: number of texts, those kept out included.
        digest: hash of all ids.
    """

    train: np.ndarray
    validation: np.ndarray
    counts: np.ndarray
    texts: int
    digest: str


def write_stream(
    batches: Iterable[list[str]], tokenizer: PreTrainedTokenizerFast, path: Path, *, validation_tokens: int
) -> TokenStream:
    """Encode texts into a file.

    Args:
        batches: lists of texts.
        tokenizer: of the encoder; no text is cut.
        path: the file to write, int32.
        validation_tokens: tokens to keep out, at most, and at most a tenth of all.

    Returns:
        The stream.

    Raises:
        DataError: there are too few tokens to train and to validate on.
    """
    kept: list[np.ndarray] = []
    kept_tokens = total = texts = 0
    counts = np.zeros(len(tokenizer), dtype=np.int64)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for batch in batches:
            encoded = encode(tokenizer, batch, max_length=_WHOLE)
            parts = []
            for row in range(len(encoded)):
                ids = np.concatenate([[tokenizer.pad_token_id], encoded[row]]).astype(np.int32)
                if texts % VALIDATION_EVERY == VALIDATION_EVERY - 1 and kept_tokens < validation_tokens:
                    ids = ids[: validation_tokens - kept_tokens]
                    kept.append(ids)
                    kept_tokens += len(ids)
                else:
                    parts.append(ids)
                texts += 1
            ids = np.concatenate(parts) if parts else np.empty(0, np.int32)
            file.write(ids.tobytes())
            digest.update(ids.tobytes())
            counts += np.bincount(ids, minlength=len(counts))
            total += len(ids)
    if not kept or kept_tokens * 100 < min(total, validation_tokens):  # few texts, or all the kept ones short
        rest = np.memmap(path, np.int32, "r", shape=(total,)) if total else np.empty(0, np.int32)
        tail = min(validation_tokens, total // 10)
        kept.append(np.array(rest[total - tail :]))
        total -= tail
        counts -= np.bincount(kept[-1], minlength=len(counts))
    validation = np.concatenate(kept)
    digest.update(validation.tobytes())
    if total < 2 or len(validation) < 2:
        raise DataError(f"A language model learns from running text, and {texts} texts hold {total} tokens; give more.")
    train = np.memmap(path, np.int32, "r", shape=(total,))
    return TokenStream(train, validation, counts, texts, digest.hexdigest()[:16])


def side_by_side(ids: np.ndarray, *, streams: int, offset: int = 0) -> np.ndarray:
    """Cut a stream into equal parts that are read side by side.

    Args:
        ids: (tokens,).
        streams: number of parts.
        offset: tokens left out at the beginning.

    Returns:
        (streams, tokens of each), a view; up to `streams - 1` tokens are left out at the end.
    """
    each = (len(ids) - offset) // streams
    return ids[offset : offset + each * streams].reshape(streams, each)
