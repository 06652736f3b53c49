"""Texts to token ids: train a tokenizer on the training split, or reuse one, always as a complete fast tokenizer.

Four kinds are trained here, all with `<pad>` as id 0 and `<unk>` as id 1:

- `word`: one id a word. Punctuation is split off, English contractions as in the Penn Treebank ("do" + "n't", "it" +
  "'s", so that raw text, pre-tokenized text and GloVe's vocabulary meet), digits are cut into runs of at most four
  (years stay whole), repeated punctuation into runs of at most three. A Chinese or Japanese character is a token.
  Thai, Lao, Khmer and Burmese, which write no spaces either, become one token a letter with its marks: no dictionary
  is used, so the network must find the words. An emoji is a token; its joiners are dropped, its skin tone is a token.
- `wordpiece`: the same pre-tokenization, then pieces (Schuster and Nakajima 2012; "##" marks a continuation).
- `bpe`: byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019); no text is ever unknown.
- `unigram`: the Unigram language model of SentencePiece (Kudo 2018).

Words, WordPiece and Unigram read NFKC-normalized text, byte-level BPE reads NFC; curly quotes become straight ones.
Every kind pre-tokenizes, with a cap on the length of a piece: without it, training eats memory on text without spaces.
The sister files reuse tokenizers (reused_tokenizer) and run them (encoding); their names can be imported from here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textlstm.errors import DataError, RecipeError
from textlstm.text.encoding import Encoded, encode, text_chunks
from textlstm.text.reused_tokenizer import (
    MODEL_INPUT_NAMES,
    PAD_TOKEN,
    SPECIAL_TOKENS,
    UNK_TOKEN,
    bake_truncation,
    load_tokenizer,
    save_tokenizer,
    vocabulary_size,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

__all__ = [
    "PAD_TOKEN",
    "SMALLEST_VOCABULARY",
    "SPACELESS_LETTER",
    "UNK_TOKEN",
    "Encoded",
    "TokenizerKind",
    "count_words",
    "encode",
    "load_tokenizer",
    "save_tokenizer",
    "train_tokenizer",
    "vocabulary_size",
]

TokenizerKind = Literal["word", "bpe", "wordpiece", "unigram"]

SMALLEST_VOCABULARY: dict[str, int] = {"word": 3, "bpe": 258, "wordpiece": 3, "unigram": 3}
"""The smallest `vocab_size` of each kind: the two special tokens and one more; for byte-level BPE all 256 bytes."""

# Characters of scripts written without spaces: Thai and Lao, Burmese, Khmer, Kana, Han. Literal ranges, not \p{Han}:
# the tokenizers of JavaScript read the same file, and their regular expressions spell scripts otherwise.
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
SPACELESS_LETTER = rf"[{_SPACELESS}]\p{{M}}*"
"""A letter that is a token of its own, with its marks, as a regular expression (RE2 reads it too)."""

_CONTRACTIONS = r"[nN]'[tT](?!\p{L})|'(?:[sSdDmM]|[rR][eE]|[vV][eE]|[lL]{2})(?!\p{L})"
_ISOLATED = rf"{_CONTRACTIONS}|{SPACELESS_LETTER}"
_WORD = r"\p{L}[\p{L}\p{M}\u200c\u200d]{0,99}"  # the joiners are spelling in Persian and in Indic scripts
_WORDS = rf"{_CONTRACTIONS}|{_WORD}|\p{{N}}{{1,4}}|([^\s\p{{L}}\p{{M}}\p{{N}}\p{{Cc}}\p{{Cf}}])\1{{0,2}}"
_COUNTED_ROWS = 20_000
_LETTER_END = r"([\x{3041}-\x{3096}\x{30a1}-\x{30fa}\x{3400}-\x{4dbf}\x{4e00}-\x{9fff}]\p{M}*)"  # for RE2
_PIECES = r"{0}?[\p{{L}}\p{{M}}]{{1,64}}|{0}?\p{{N}}{{1,4}}|{0}?[^\s{0}\p{{L}}\p{{M}}\p{{N}}]{{1,16}}|{0}"


def train_tokenizer(
    texts: Iterable[str] | pa.Array | pa.ChunkedArray,
    *,
    kind: TokenizerKind = "word",
    vocab_size: int = 30_000,
    min_frequency: int = 2,
    lowercase: bool = True,
    max_length: int = 512,
) -> PreTrainedTokenizerFast:
    """Train a tokenizer on texts; give it the training split only.

    Args:
        texts: strings, or an Arrow array of them.
        kind: `word`, `bpe`, `wordpiece` or `unigram`.
        vocab_size: cap on the number of ids, `<pad>` and `<unk>` included. The vocabulary is smaller where the texts
            need less.
        min_frequency: a word (or a merged piece) seen fewer times than this gets no id of its own.
        lowercase: whether case is dropped.
        max_length: tokens after which a text is cut, at its end.

    Returns:
        A complete fast tokenizer: pad id 0, unk id 1, truncation, right padding.

    Raises:
        RecipeError: If an option is out of its range.
        DataError: If the texts hold nothing to make a vocabulary of.
    """
    problems = _wrong_options(kind, vocab_size=vocab_size, min_frequency=min_frequency, max_length=max_length)
    if problems:
        raise RecipeError(" ".join(problems))
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    rows = texts if isinstance(texts, Sequence | pa.Array | pa.ChunkedArray) else list(texts)
    common: dict[str, Any] = {"vocab_size": vocab_size, "special_tokens": list(SPECIAL_TOKENS), "show_progress": False}
    if kind == "word":
        backend = Tokenizer(models.WordLevel(unk_token=UNK_TOKEN))
        trainer: Any = trainers.WordLevelTrainer(min_frequency=min_frequency, **common)
    elif kind == "bpe":
        backend = Tokenizer(models.BPE())
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(min_frequency=min_frequency, initial_alphabet=alphabet, **common)
    elif kind == "unigram":
        backend = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(unk_token=UNK_TOKEN, **common)
    else:
        backend = Tokenizer(models.WordPiece(unk_token=UNK_TOKEN))
    _add_pipeline(backend, kind, lowercase=lowercase)
    words = backend.pre_tokenizer.pre_tokenize_str
    if not any(words(text) for chunk in text_chunks(rows) for text in chunk):
        raise DataError(f"The {len(rows)} training texts hold no words; a tokenizer needs some text to learn from.")
    if kind == "wordpiece":
        vocabulary = _learn_wordpieces(backend, rows, vocab_size=vocab_size, min_frequency=min_frequency)
        backend.model = models.WordPiece(vocabulary, unk_token=UNK_TOKEN)
    else:
        backend.train_from_iterator(text_chunks(rows), trainer)
    if kind == "unigram":
        _settle_unigram(backend, rows, min_frequency)
    if backend.get_vocab_size() <= len(SPECIAL_TOKENS):
        raise DataError(
            f"A {kind} vocabulary needs words that occur at least {min_frequency} times, and the training texts hold "
            "none; give more texts, or lower min_frequency to 1."
        )
    return _complete(backend, max_length)


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
    _add_pipeline(backend, "word", lowercase=True)
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


def _wrong_options(kind: str, *, vocab_size: int, min_frequency: int, max_length: int) -> list[str]:
    """One sentence for each option out of its range."""
    problems = []
    if kind not in get_args(TokenizerKind):
        problems.append(f"The tokenizer kind must be one of {', '.join(get_args(TokenizerKind))}; found {kind!r}.")
    smallest = SMALLEST_VOCABULARY.get(kind, 1 + len(SPECIAL_TOKENS))
    if vocab_size < smallest:
        problems.append(f"vocab_size must be at least {smallest} for a {kind} tokenizer; found {vocab_size}.")
    if min_frequency < 1:
        problems.append(f"min_frequency must be at least 1; found {min_frequency}.")
    if max_length < 1:
        problems.append(f"max_length must be at least 1 token; found {max_length}.")
    return problems


def _add_pipeline(backend: Tokenizer, kind: TokenizerKind, *, lowercase: bool) -> None:
    """Give a backend its normalizer, pre-tokenizer and decoder."""
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


def _learn_wordpieces(
    backend: Tokenizer, texts: Sequence[str] | pa.Array | pa.ChunkedArray, *, vocab_size: int, min_frequency: int
) -> dict[str, int]:
    """Learn the vocabulary of WordPiece by byte-pair merges over words that begin with a mark.

    The trainer of the Rust backend numbers its "##" letters in the order of a randomly seeded hash map and breaks ties
    by these numbers, so that two processes learn different pieces from the same texts. Merges over marked words are
    what it computes, and come in one order.

    Args:
        backend: has the normalizer and the pre-tokenizer.
        texts: the training texts.
        vocab_size: cap on the number of pieces.
        min_frequency: a merged piece seen fewer times is left out.

    Returns:
        Pieces with their ids: the special tokens, letters that begin a word, "##" letters, then merges by frequency.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    marked = Tokenizer(models.WordLevel(unk_token=UNK_TOKEN))
    marked.normalizer = backend.normalizer
    marked.pre_tokenizer = backend.pre_tokenizer
    marked.train_from_iterator(text_chunks(texts), trainers.WordLevelTrainer(vocab_size=2**31, show_progress=False))
    seen: Counter[str] = Counter()  # letters by the number of different words that hold them
    for word in marked.get_vocab():
        seen.update({word[0], *("##" + letter for letter in word[1:])})
    letters = sorted(seen, key=lambda letter: (-seen[letter], letter))[: max(1_000, vocab_size // 2)]
    pieces = dict.fromkeys([*SPECIAL_TOKENS, *sorted(letters, key=lambda letter: (len(letter), letter))])

    mark = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    marked.pre_tokenizer = pre_tokenizers.Sequence([backend.pre_tokenizer, mark])
    marked.model = models.BPE()
    # Room for the merges that only join the mark to a letter.
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size + 2 * len(seen), min_frequency=min_frequency, show_progress=False
    )
    marked.train_from_iterator(text_chunks(texts), trainer)
    for left, right in json.loads(marked.to_str())["model"]["merges"]:
        joined = left + right
        pieces[joined[1:] if joined.startswith(mark.replacement) else "##" + joined] = None
    return {piece: index for index, piece in enumerate(islice(filter(None, pieces), vocab_size))}


def _settle_unigram(backend: Tokenizer, texts: Sequence[str] | pa.Array | pa.ChunkedArray, min_frequency: int) -> None:
    """Put a trained Unigram model into one order, and take rare pieces out of it.

    Its trainer goes through a randomly seeded hash map, so that the order of pieces, the last digits of their scores
    (1e-10) and the scores of single characters that the model does not need (1e-4 apart, at the low end) differ between
    processes: pieces are sorted, scores rounded, and those characters all get the lowest score. And the trainer has no
    `min_frequency`: pieces that the model's own best segmentation of the texts uses too rarely to learn from go; single
    characters stay, so that no known text becomes unknown.
    """
    from tokenizers import models

    vocabulary = [(piece, score) for piece, score in json.loads(backend.to_str())["model"]["vocab"]]
    special, learned = vocabulary[: len(SPECIAL_TOKENS)], sorted(vocabulary[len(SPECIAL_TOKENS) :])
    singles = sorted(score for piece, score in learned if len(piece) == 1)
    needless = singles[0]
    for score in singles:
        if score - needless > 1.5e-4:
            break
        needless = score
    learned = [
        (piece, round(singles[0] if len(piece) == 1 and score <= needless else score, 4)) for piece, score in learned
    ]
    backend.model = models.Unigram([*special, *learned], unk_id=SPECIAL_TOKENS.index(UNK_TOKEN), byte_fallback=False)
    counts = np.zeros(len(vocabulary), dtype=np.int64)
    for chunk in text_chunks(texts):
        ids = [encoding.ids for encoding in backend.encode_batch_fast(chunk)]
        counts += np.bincount(np.fromiter(chain.from_iterable(ids), dtype=np.int64), minlength=len(counts))
    kept = [
        entry
        for entry, count in zip(learned, counts[len(special) :], strict=True)
        if len(entry[0]) == 1 or count >= min_frequency
    ]
    backend.model = models.Unigram([*special, *kept], unk_id=SPECIAL_TOKENS.index(UNK_TOKEN), byte_fallback=False)


def _complete(backend: Tokenizer, max_length: int) -> PreTrainedTokenizerFast:
    """Wrap a trained backend as transformers wants it."""
    from transformers import PreTrainedTokenizerFast

    untyped: Any = PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerFast = untyped(
        tokenizer_object=backend,
        pad_token=PAD_TOKEN,
        unk_token=UNK_TOKEN,
        model_max_length=max_length,
        padding_side="right",
        truncation_side="right",
        model_input_names=list(MODEL_INPUT_NAMES),
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,  # a text that says "<pad>" is a text
    )
    bake_truncation(tokenizer)
    return tokenizer
