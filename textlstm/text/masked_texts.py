"""Masked words of augmented copies as unknown words, for tokenizers that would delete the mask or read it as bytes.

`augmentation.MASK` is U+FFFD. A vocabulary of words, or of pieces of them, does not have it, so that it is the unknown
token. BERT's normalizer deletes it, and byte-level pieces spell it. There, masks are written as `MARK` and read as the
unknown token.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textlstm.errors import ModelError
from textlstm.text.augmentation import MASK
from textlstm.text.encoding import Encoded, encode, encode_by, set_for_encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerFast

MARK = "\ue000"
"""Stands for MASK where a tokenizer must be told of it: a character that is nobody's, which texts lack."""


@dataclass(frozen=True)
class MarkReader:
    """Turns marks into unknown tokens.

    Attributes:
        mark_id: id of MARK in a backend that was told of it.
        unk_id: of the unknown token.
    """

    mark_id: int
    unk_id: int

    def read(self, encoded: Encoded) -> Encoded:
        """Put the unknown token in the place of marks."""
        return replace(encoded, ids=np.where(encoded.ids == self.mark_id, np.int32(self.unk_id), encoded.ids))


def reads_masks(backend: Any, unk_id: int) -> bool:  # noqa: ANN401 - tokenizers ships no types
    """Say whether a tokenizer reads a masked word as an unknown one without being told.

    Args:
        backend: a `tokenizers.Tokenizer`.
        unk_id: of its unknown token.

    Returns:
        Whether the unknown token is among what it makes of MASK.
    """
    return unk_id in backend.encode(MASK, add_special_tokens=False).ids


def teach_mark(backend: Any, unk_id: int) -> MarkReader:  # noqa: ANN401
    """Tell a tokenizer of MARK, which it then takes out of a text before all else, with the blanks on its left.

    Args:
        backend: a `tokenizers.Tokenizer`, changed in place; other texts stay what they were.
        unk_id: of its unknown token.

    Returns:
        What makes unknown tokens of the marks.
    """
    from tokenizers import AddedToken

    backend.add_tokens([AddedToken(MARK, normalized=False, lstrip=True)])
    return MarkReader(backend.token_to_id(MARK), unk_id)


def encode_masked(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], masked: NDArray[np.bool_], *, max_length: int
) -> Encoded:
    """Encode texts as `encoding.encode` does, and masked words among them as unknown ones.

    Args:
        tokenizer: of the run.
        texts: any number.
        masked: (texts,) whether MASK stands for masked words in a text.
        max_length: tokens after which a text is cut.

    Returns:
        Their ids.

    Raises:
        ModelError: the tokenizer has no unk token.
    """
    unk = tokenizer.unk_token_id
    if unk is None:
        raise ModelError("The tokenizer has no unk token, which a masked word needs; load it by load_tokenizer.")
    if not masked.any() or reads_masks(tokenizer.backend_tokenizer, unk):
        return encode(tokenizer, texts, max_length=max_length)
    backend = set_for_encoding(
        copy.deepcopy(tokenizer.backend_tokenizer),
        max_length=max_length,
        split_special_tokens=tokenizer.split_special_tokens,
    )
    reader = teach_mark(backend, unk)
    pairs = list(zip(texts, masked.tolist(), strict=True))
    plain = encode(tokenizer, [text for text, inside in pairs if not inside], max_length=max_length)
    marked = reader.read(encode_by(backend, [text.replace(MASK, MARK) for text, inside in pairs if inside], unk_id=unk))
    places = np.concatenate([np.flatnonzero(~masked), np.flatnonzero(masked)])
    return plain.followed_by(marked).take(np.argsort(places))
