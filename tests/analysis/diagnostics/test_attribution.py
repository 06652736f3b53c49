"""Integrated gradients: completeness, closed forms, whole words, and HTML that stays text."""

import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.analysis.diagnostics import attribution as module
from textlstm.analysis.diagnostics.attribution import (
    Attribution,
    attribute_texts,
    layer_agreement,
    layer_values,
)
from textlstm.analysis.diagnostics.shading import shading_style
from textlstm.analysis.diagnostics.words import Word, merge_words, token_places
from textlstm.errors import MissingExtraError
from textlstm.inference.predictor import Predictor
from textlstm.inference.torch_classifier import TorchClassifier
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.text.tokenization import encode, train_tokenizer

WORDS = "a good bad film plot very not dull bright story ends too soon".split()
TEXTS = [
    "a good film with a bright plot",
    "dull dull story , ends too soon !",
    "not bad",
    "naïve film 東京 👍🏽 not very good",
]


def make_predictor(*, kind="word", max_length=32, multi_label=False, **options):
    tokenizer = train_tokenizer(
        [" ".join(WORDS)] * 3, kind=kind, vocab_size=300, min_frequency=1, lowercase=True, max_length=max_length
    )
    settings = {"num_layers": 2, "embedding_size": 5, "hidden_size": 4, "pooling": "mean", **options}
    config = TextLSTMConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        id2label={0: "neg", 1: "neutral", 2: "pos"},
        label2id={"neg": 0, "neutral": 1, "pos": 2},
        problem_type="multi_label_classification" if multi_label else "single_label_classification",
        **settings,
    )
    torch.manual_seed(1)
    model = TextLSTMForSequenceClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.6)
        model.lstm.embedding.weight[tokenizer.pad_token_id] = 0.0
    return Predictor(TorchClassifier(model, tokenizer))


@pytest.mark.parametrize("options", [{}, {"pooling": "max"}, {"join": "residual"}, {"multi_label": True}], ids=str)
def test_values_add_up_to_what_the_text_changes(options):
    predictor = make_predictor(**options)
    for found in attribute_texts(predictor, TEXTS):
        total = sum(word.value for word in found.words) + found.other
        explained = found.score - found.baseline
        assert abs(total - explained) == pytest.approx(found.gap * abs(explained), rel=1e-3, abs=1e-5)
        assert found.gap <= module.TOLERANCE or found.steps == module.MOST_STEPS


def test_a_bag_of_embeddings_is_explained_exactly():
    """Without layers and with the mean pooled, each word's value is its own logits over the number of words."""
    predictor = make_predictor(num_layers=0)
    text = "a good film ends too soon"
    (found,) = attribute_texts(predictor, [text])
    label = predictor.label_names.index(found.label)
    with torch.no_grad():
        ids = torch.from_numpy(encode(predictor.tokenizer, [text], max_length=32)[0].astype(np.int64))
        logits = predictor.model.lstm.embedding(ids) @ predictor.model.classifier.weight.T
        wanted = (logits[:, label] - logits.mean(dim=1)) / len(ids)
    assert [word.value for word in found.words] == pytest.approx(wanted.tolist(), abs=1e-5)
    assert found.gap < 1e-4
    assert layer_agreement(predictor, TEXTS) is None


def test_the_score_does_not_depend_on_a_constant_in_all_logits():
    predictor = make_predictor()
    before = attribute_texts(predictor, TEXTS[:1])[0]
    with torch.no_grad():
        predictor.model.classifier.weight += 0.3
        predictor.model.classifier.bias += 7.0
    after = attribute_texts(predictor, TEXTS[:1])[0]
    assert [word.value for word in after.words] == pytest.approx([word.value for word in before.words], abs=1e-4)


def test_every_layer_of_a_plain_stack_passes_on_the_whole_score():
    """Each layer of a plain stack cuts all ways from text to logit, so its values add up to the same score."""
    predictor = make_predictor(num_layers=3)
    (found,) = attribute_texts(predictor, TEXTS[:1])
    values = layer_values(predictor, TEXTS[0], steps=128)
    assert values.shape == (4, len(found.words))
    assert values.sum(axis=1) == pytest.approx([found.score - found.baseline] * 4, abs=0.02)


def test_agreement_is_that_of_the_ranks():
    from scipy.stats import spearmanr

    predictor = make_predictor()
    texts = [TEXTS[0], TEXTS[1], "not bad"]  # the last one is too short to say anything
    found = layer_agreement(predictor, texts)
    by_hand = [spearmanr(*layer_values(predictor, text)[[0, 2]]).statistic for text in texts[:2]]
    assert found.names == ["embeddings", "layer 1", "layer 2"]
    assert found.texts == 2
    assert found.first_to_last.value == pytest.approx(np.mean(by_hand))
    assert np.array(found.correlation) == pytest.approx(np.array(found.correlation).T)
    assert np.diag(found.correlation) == pytest.approx(1.0)
    assert layer_agreement(predictor, texts[1:]) is None


@pytest.mark.parametrize("kind", ["word", "bpe", "wordpiece", "unigram"])
def test_pieces_of_a_word_are_one_word_again(kind):
    predictor = make_predictor(kind=kind)
    (found,) = attribute_texts(predictor, ["a brightest filmplot , not-good 👍🏽"])
    words = [word.text for word in found.words]
    assert words[:4] == ["a", "brightest", "filmplot", ","]
    assert all(found.text[word.start : word.end] == word.text for word in found.words)
    assert "".join(words) == "".join(found.text.split())


def test_a_cut_text_ends_where_the_model_stopped_reading():
    predictor = make_predictor(max_length=3)
    (found,) = attribute_texts(predictor, ["a good film with a bright plot"])
    assert [word.text for word in found.words] == ["a", "good", "film"]
    assert '<span class="unread"> with a bright plot</span>' in found.to_html()


@pytest.mark.parametrize("text", ["", "   "])
def test_a_text_without_words_is_explained_by_none(text):
    (found,) = attribute_texts(make_predictor(), [text])
    assert found.words == []
    assert found.other == pytest.approx(found.score - found.baseline, abs=0.02)
    assert "span" not in found.to_html()


@given(st.lists(st.tuples(st.text("ab ", min_size=1, max_size=4), st.integers(0, 2), st.floats(-2, 2)), max_size=12))
def test_merging_loses_no_value_and_no_letter(pieces):
    text, places, values, number = "", [], [], 0
    for piece, step, value in pieces:
        number += step
        places.append((len(text), len(text) + len(piece), number))
        values.append(value)
        text += piece
    words, other = merge_words(text, places, np.array(values, dtype=np.float64))
    assert sum(word.value for word in words) + other == pytest.approx(sum(values), abs=1e-9)
    # A token with a blank inside is one token to its tokenizer; nothing else may join what blanks part.
    assert "".join(word.text for word in words).replace(" ", "") == text.replace(" ", "")
    assert all(left.end <= right.start for left, right in itertools.pairwise(words))


class _Plain(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.words = [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.words += data


@settings(max_examples=60)
@given(
    st.text(
        st.characters(
            exclude_categories=["Cc", "Cs"], exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        ),
        max_size=40,
    ),
    st.randoms(),
)
def test_any_text_stays_text(text, random):
    cuts = sorted(random.choices(range(len(text) + 1), k=4))
    words = [
        Word(text[start:end], start, end, random.uniform(-1, 1))
        for start, end in itertools.pairwise(cuts)
        if start < end
    ]
    page = Attribution(text, "<b>", 0.5, words, 0.0, 1.0, 0.0, 0.0, 32).to_html()
    read = _Plain(page)
    assert read.words == text
    assert set(read.tags) <= {"p", "span"}


def test_shades_keep_the_text_readable_for_every_theme():
    """Contrast of the text with the strongest shade, as WCAG 2.2 counts it (1.4.3 asks for 4.5)."""
    style = shading_style()
    share = float(re.search(r"var\(--share\) \* (\d+)%", style)[1]) / 100
    light, dark = re.findall(r"--for: (#\w+); --against: (#\w+)", style)
    for colors, paper, ink in ((light, "#ffffff", "#1f2328"), (dark, "#15181c", "#e6e8eb")):
        for color in colors:
            mixed = share * _rgb(color) + (1 - share) * _rgb(paper)
            bright, dim = sorted([_luminance(mixed), _luminance(_rgb(ink))], reverse=True)
            assert (bright + 0.05) / (dim + 0.05) >= 4.5
    assert "solid" in style and "dotted" in style  # not by color alone


def _rgb(color):
    return np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)]) / 255


def _luminance(rgb):
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_places_are_those_of_the_ids():
    for kind in ("word", "bpe", "wordpiece", "unigram"):
        predictor = make_predictor(kind=kind, max_length=6)
        for text in [*TEXTS, ""]:
            places = token_places(predictor, text)
            assert len(places) == len(predictor.encode(text)[0])


def test_without_captum_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    for call in (attribute_texts, layer_agreement):
        with pytest.raises(MissingExtraError, match=r"captum .* pip install 'textlstm\[inspect\]'"):
            call(make_predictor(), TEXTS[:1])
