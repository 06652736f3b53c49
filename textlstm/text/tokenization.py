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
The sister files reuse tokenizers (reused_tokenizer), cut texts (word_pipeline) and run them (encoding);
their names can be imported from here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pyarrow as pa

from textlstm.errors import DataError, RecipeError
from textlstm.recipe_sections import SMALLEST_VOCABULARY
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
from textlstm.text.word_pipeline import SPACELESS_LETTER, add_pipeline, count_words

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

__all__ = [
    "PAD_TOKEN",
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


def train_tokenizer(
    texts: Iterable[str] | pa.Array | pa.ChunkedArray,
    *,
    kind: TokenizerKind = "word",
    vocab_size: int = 30_000,
    min_frequency: int = 2,
    lowercase: bool = True,
    max_length: int = 512,
    extra_words: Sequence[str] = (),
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
        extra_words: words that kind `word` keeps whether the texts hold them or not, behind the words of the texts and
            beyond `vocab_size`; those that the tokenizer would cut are passed over.

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
    add_pipeline(backend, kind, lowercase=lowercase)
    words = backend.pre_tokenizer.pre_tokenize_str
    if not any(words(text) for chunk in text_chunks(rows) for text in chunk):
        raise DataError(f"The {len(rows)} training texts hold no words; a tokenizer needs some text to learn from.")
    if kind == "wordpiece":
        vocabulary = _learn_wordpieces(backend, rows, vocab_size=vocab_size, min_frequency=min_frequency)
        backend.model = models.WordPiece(vocabulary, unk_token=UNK_TOKEN)
    else:
        backend.train_from_iterator(text_chunks(rows), trainer)
    if kind == "word" and extra_words:
        backend.model = models.WordLevel(_with_extra_words(backend, extra_words), unk_token=UNK_TOKEN)
    if kind == "unigram":
        _settle_unigram(backend, rows, min_frequency)
    if backend.get_vocab_size() <= len(SPECIAL_TOKENS):
        raise DataError(
            f"A {kind} vocabulary needs words that occur at least {min_frequency} times, and the training texts hold "
            "none; give more texts, or lower min_frequency to 1."
        )
    return _complete(backend, max_length)


def _with_extra_words(backend: Tokenizer, extra_words: Sequence[str]) -> dict[str, int]:
    """Add words to the vocabulary of a trained word tokenizer, each as its normalizer leaves it."""
    vocabulary: dict[str, int] = backend.get_vocab()
    for word in extra_words:
        text = backend.normalizer.normalize_str(word)
        if text not in vocabulary and [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(text)] == [text]:
            vocabulary[text] = len(vocabulary)
    return vocabulary


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
    # No word goes over white space, so that each different part between is read once, however many texts hold it.
    parts = {part for chunk in text_chunks(texts) for text in chunk for part in text.split()}
    marked.train_from_iterator(
        text_chunks(sorted(parts)), trainers.WordLevelTrainer(vocab_size=2**31, show_progress=False)
    )
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
