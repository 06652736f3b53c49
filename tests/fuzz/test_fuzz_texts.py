"""Texts of any kind through every tokenizer, a tiny model and the predictor give finite scores, in order."""

import numpy as np
import pytest
import torch
from fuzz_cases import CASES, NASTY, halves, many
from hypothesis import given
from hypothesis import strategies as st

from textlstm.inference.predictor import Predictor
from textlstm.inference.torch_classifier import TorchClassifier
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.text.tokenization import train_tokenizer

LEARNED = [
    "a good film",
    "a bad film",
    "不好看的电影",
    "ภาพยนตร์",
    "שלום עולם",
    "e\u0301galite\u0301",
    "👩\u200d👧 42 !!!",
]
KINDS = ["word", "bpe", "wordpiece", "unigram"]
SPECIAL = ["<pad>", "<unk>", "<pad><unk>", "[CLS] film [SEP]", "</s>", "##ing", "\u2581", "\u0120"]


@pytest.fixture(scope="module", params=KINDS)
def predictor(request):
    """A model with random weights on a tokenizer of each kind."""
    tokenizer = train_tokenizer(LEARNED * 3, kind=request.param, vocab_size=300, min_frequency=1, max_length=16)
    torch.manual_seed(0)
    config = TextLSTMConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        embedding_size=4,
        hidden_size=4,
        id2label={0: "neg", 1: "pos"},
    )
    return Predictor(TorchClassifier(TextLSTMForSequenceClassification(config), tokenizer))


def check(predictor, texts):
    """One row a text, each a distribution, the same as for the text alone."""
    encoded = predictor.encode(texts)
    assert len(encoded) == len(texts)
    assert (encoded.lengths >= 1).all()
    assert (encoded.lengths <= 16).all()
    chances = predictor.probabilities_of(encoded)
    assert np.isfinite(chances).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(chances[-1:], predictor.probabilities([texts[-1]]), atol=1e-5)
    return chances


@CASES
def test_any_texts(predictor, cases):
    text = st.one_of(
        halves, st.sampled_from(SPECIAL), st.lists(st.sampled_from([*NASTY, *LEARNED]), max_size=4).map("".join)
    )

    @many(cases)
    @given(st.lists(text, min_size=1, max_size=5))
    def each(texts):
        check(predictor, texts)

    each()


@pytest.mark.parametrize("letters", ["x", "film ", "\u0301", "漢", "\x00", "!"], ids=ascii)
@pytest.mark.parametrize("size", [100_000, pytest.param(10_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_giant_texts_count_as_long(kind, size, letters):
    """Ten million characters in one text: one word, words, marks alone, no spaces, NUL, punctuation."""
    tokenizer = train_tokenizer(LEARNED * 3, kind=kind, vocab_size=300, min_frequency=1, max_length=16)
    config = TextLSTMConfig(vocab_size=len(tokenizer), embedding_size=4, hidden_size=4, id2label={0: "neg", 1: "pos"})
    predictor = Predictor(TorchClassifier(TextLSTMForSequenceClassification(config), tokenizer))
    check(predictor, ["film", letters * (size // len(letters))])
