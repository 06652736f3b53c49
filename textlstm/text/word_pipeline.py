"""How each kind of tokenizer cuts texts before its model sees them, and the lengths that follow from that alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textlstm.text.reused_tokenizer import UNK_TOKEN

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Characters of scripts written without spaces: Thai and Lao, Burmese, Khmer, Kana, Han. Literal ranges, not \p{Han}:
# the tokenizers of JavaScript read the same file, and their regular expressions spell scripts otherwise.
SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
SPACELESS_LETTER = rf"[{SPACELESS}]\p{{M}}*"
"""A letter that is a token of its own, with its marks, as a regular expression (RE2 reads it too)."""

_CONTRACTIONS = r"[nN]'[tT](?!\p{L})|'(?:[sSdDmM]|[rR][eE]|[vV][eE]|[lL]{2})(?!\p{L})"
_ISOLATED = rf"{_CONTRACTIONS}|{SPACELESS_LETTER}"
_WORD = r"\p{L}[\p{L}\p{M}\u200c\u200d]{0,99}"  # the joiners are spelling in Persian and in Indic scripts
_WORDS = rf"{_CONTRACTIONS}|{_WORD}|\p{{N}}{{1,4}}|([^\s\p{{L}}\p{{M}}\p{{N}}\p{{Cc}}\p{{Cf}}])\1{{0,2}}"
_COUNTED_ROWS = 20_000
_LETTER_END = r"([\x{3041}-\x{3096}\x{30a1}-\x{30fa}\x{3400}-\x{4dbf}\x{4e00}-\x{9fff}]\p{M}*)"  # for RE2
_PIECES = r"{0}?[\p{{L}}\p{{M}}]{{1,64}}|{0}?\p{{N}}{{1,4}}|{0}?[^\s{0}\p{{L}}\p{{M}}\p{{N}}]{{1,16}}|{0}"


def add_pipeline(backend: Tokenizer, kind: str, *, lowercase: bool) -> None:
    """Give a backend its normalizer, pre-tokenizer and decoder.

    Args:
        backend: is changed.
        kind: `word`, `bpe`, `wordpiece` or `unigram`.
        lowercase: whether case is dropped.
    """
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers

    steps: list[Any] = [normalizers.NFC() if kind == "bpe" else normalizers.NFKC()]
    steps += [normalizers.Replace(Regex("[\u2018\u2019]"), "'"), normalizers.Replace(Regex("[\u201c\u201d]"), '"')]
    if lowercase:
        steps.append(normalizers.Lowercase())
    splits: list[Any]
    if kind in ("word", "wordpiece"):
        splits = [
            pre_tokenizers.Split(Regex(_ISOLATED), "isolated"),
            pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True),
        ]
    else:
        # Runs of spaces tell a classifier nothing, and would cost tokens.
        steps += [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    if kind == "wordpiece":
        backend.decoder = decoders.WordPiece(prefix="##")
    elif kind == "bpe":
        steps.append(normalizers.Prepend(" "))  # so that a first word is the same token as an inner one
        splits = [
            pre_tokenizers.Split(Regex(_PIECES.format(" ")), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
        backend.decoder = decoders.ByteLevel()
    elif kind == "unigram":
        splits = [
            pre_tokenizers.Metaspace(prepend_scheme="always", split=False),
            pre_tokenizers.Split(Regex(_PIECES.format("\u2581")), "isolated"),
        ]
        backend.decoder = decoders.Metaspace(prepend_scheme="always")
    backend.pre_tokenizer = pre_tokenizers.Sequence(splits)
    backend.normalizer = normalizers.Sequence(steps)


def count_words(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Count the tokens that the `word` tokenizer makes of each text, without training one.

    No token goes over a blank or the end of a Han or Kana letter, so that each different part between them is counted
    once, however many rows hold it.

    Args:
        texts: (rows,) strings, without nulls.

    Returns:
        (rows,) int64; an empty text counts 1, as in `encode`.
    """
    from tokenizers import Tokenizer, models

    backend = Tokenizer(models.WordLevel({UNK_TOKEN: 0}, unk_token=UNK_TOKEN))
    add_pipeline(backend, "word", lowercase=True)
    known: dict[str, int] = {}
    counts = []
    for start in range(0, len(texts), _COUNTED_ROWS):
        rows = texts.slice(start, _COUNTED_ROWS)
        rows = pc.replace_substring_regex(rows, _LETTER_END, r"\1 ")
        rows = pc.split_pattern(rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows, " ")
        parts = pc.list_flatten(rows).dictionary_encode()
        different = parts.dictionary.to_pylist()
        new = [part for part in different if part not in known]
        known.update(zip(new, map(len, backend.encode_batch_fast(new)), strict=True))
        tokens = np.fromiter(map(known.__getitem__, different), dtype=np.int64)
        ends = np.cumsum(pc.list_value_length(rows).to_numpy())
        running = np.concatenate([np.zeros(1, np.int64), np.cumsum(tokens[parts.indices.to_numpy()])])
        counts.append(np.diff(running[ends], prepend=0))
    return np.maximum(np.concatenate(counts), 1) if counts else np.zeros(0, dtype=np.int64)
