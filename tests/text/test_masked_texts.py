"""Masked words are unknown words to every tokenizer, and no other text is read otherwise."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from textlstm.text.augmentation import MASK
from textlstm.text.encoding import encode
from textlstm.text.masked_texts import encode_masked
from textlstm.text.tokenization import train_tokenizer

TEXTS = ["this is a good film", "a good film is good"] * 4


def bert():
    """Lower case, control characters and U+FFFD deleted, pieces, and special tokens around a text."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "this", "is", "a", "good", "film"]
    backend = Tokenizer(models.WordPiece({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, split_special_tokens=True, **named)


def tokenizer_of(kind):
    return bert() if kind == "bert" else train_tokenizer(TEXTS, kind=kind, min_frequency=1, vocab_size=300)


def rows_of(encoded):
    return [row.tolist() for row in encoded]


@pytest.mark.parametrize("kind", ["bert", "word", "bpe", "wordpiece", "unigram"])
def test_a_masked_word_is_one_unknown_token_and_the_words_beside_it_stay(kind):
    tokenizer = tokenizer_of(kind)
    before = tokenizer.backend_tokenizer.to_str()
    texts = ["this is a good film", f"this {MASK} {MASK} good film", f"a {MASK}"]
    plain, masked, last = rows_of(encode_masked(tokenizer, texts, np.array([False, True, True]), max_length=20))
    assert plain == rows_of(encode(tokenizer, texts[:1], max_length=20))[0]
    unk, kept = tokenizer.unk_token_id, [id for id in masked if id != tokenizer.unk_token_id]
    assert masked.count(unk) == 2 and last.count(unk) == 1
    here = tokenizer.convert_tokens_to_string(tokenizer.convert_ids_to_tokens(kept, skip_special_tokens=True))
    assert here.replace("##", "").split() == ["this", "good", "film"]
    if kind in ("bert", "bpe"):  # which would read no mask there, or three bytes
        assert rows_of(encode(tokenizer, texts[1:2], max_length=20))[0].count(unk) != 2
        assert masked[: masked.index(unk)] == plain[: masked.index(unk)]
        assert masked[-2:] == plain[-2:]  # with the blanks before them
    assert tokenizer.backend_tokenizer.to_str() == before


@pytest.mark.parametrize("kind", ["bert", "bpe"])
def test_what_could_not_be_read_in_a_text_is_no_mask(kind):
    tokenizer, texts = tokenizer_of(kind), [f"a {MASK} film", f"a good {MASK}", "[UNK] film"]
    ids = encode_masked(tokenizer, texts, np.array([False, True, False]), max_length=3)
    expected = encode(tokenizer, texts, max_length=3)
    assert rows_of(ids)[0] == rows_of(expected)[0] and rows_of(ids)[2] == rows_of(expected)[2]
    assert len(ids[1]) <= 3 and ids.ids.dtype == np.int32
