"""What probes ask: ListOps read against the corpus's own labels, and controls that are no property of the text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.analysis.diagnostics.facts import (
    FEWEST_OF_A_CLASS,
    by_context,
    label_classes,
    listops_facts,
    read_listops,
    text_facts,
    token_facts,
)
from textlstm.analysis.diagnostics.states import sample_tokens
from textlstm.text.corpora import generate, nesting_depth
from textlstm.text.encoding import Encoded


def texts_of(lengths, seed=0, words=30):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Encoded(np.random.default_rng(seed).integers(1, words, offsets[-1]).astype(np.int32), offsets)


@pytest.fixture(scope="module")
def listops():
    splits, names = generate("listops:train=150,validation=1,test=1")
    texts, labels = splits["train"]
    return list(texts), [names[label] for label in labels]


def test_the_last_value_of_a_listops_text_is_its_label(listops):
    for text, label in zip(*listops, strict=True):
        depth, value = read_listops(text.split())
        assert str(value[-1]) == label
        assert max(depth) == nesting_depth(text)


def test_what_is_known_of_a_listops_text_does_not_hang_on_what_follows(listops):
    for text in listops[0][:40]:
        tokens = text.split()
        depth, value = read_listops(tokens)
        for cut in (1, len(tokens) // 2, len(tokens) - 1):
            shorter = read_listops(tokens[:cut])
            np.testing.assert_array_equal(shorter[0], depth[:cut])
            np.testing.assert_array_equal(shorter[1], value[:cut])


@pytest.mark.parametrize("text", ["a good film", "[MAX 1 two ]", "1 2", "[MAX 1 ] 2", "[MAX ]", "[PLUS 1 2 ]"])
def test_other_texts_are_no_listops(text):
    assert read_listops(text.split()) is None


def test_operators_in_one_piece_and_in_two_read_alike():
    whole = read_listops("[SM 7 [MIN 4 9 ] 8 ]".split())
    parts = read_listops("[ SM 7 [ MIN 4 9 ] 8 ]".split())
    assert whole[1][-1] == parts[1][-1] == 9  # 7 + 4 + 8 = 19, of which the last digit stays
    assert read_listops("[MED 1 2 9 ]".split())[1].tolist() == [-1, 1, 1, 2, 2]


def test_listops_facts_are_there_for_listops_alone(listops):
    words = sorted({word for text in listops[0] for word in text.split()})
    ids = [np.array([words.index(word) for word in text.split()], dtype=np.int32) for text in listops[0]]
    encoded = Encoded(np.concatenate(ids), np.concatenate([[0], np.cumsum([len(row) for row in ids])]))
    sample = sample_tokens(encoded, most=600, seed=0)
    depth, value = listops_facts(encoded, sample, words, seed=0)
    assert (depth.name, value.name) == ("nesting depth", "partial value")
    assert depth.abstract and value.abstract
    assert not (value.answers[value.counted] < 0).any()
    assert listops_facts(encoded, sample, [f"word {k}" for k in range(len(words))], seed=0) == []


def test_a_set_of_labels_is_a_class():
    sets = np.array([[1, 0], [0, 1], [1, 0], [1, 1]], dtype=bool)
    classes = label_classes(sets)
    assert classes[0] == classes[2]
    assert len(set(classes)) == 3
    assert label_classes(np.array([2, 0])).tolist() == [2, 0]


@given(st.integers(0, 1000))
def test_controls_of_texts_are_other_texts_answers_and_rare_classes_are_left_out(seed):
    encoded = texts_of(np.random.default_rng(seed).integers(2, 9, 60), seed)
    labels = np.array([0] * 30 + [1] * 25 + [2] * 5)
    label, length = text_facts(encoded, labels, seed=seed)
    assert sorted(label.control) == sorted(labels)
    assert sorted(length.control) == sorted(encoded.lengths)
    assert label.counted.tolist() == [True] * 55 + [False] * 5
    assert FEWEST_OF_A_CLASS == 10
    assert label.abstract and not length.abstract


def test_what_does_not_vary_is_not_asked():
    assert text_facts(texts_of([4] * 30), np.zeros(30, dtype=int), seed=0) == []


def test_the_control_of_a_token_is_another_token_of_its_text():
    encoded = texts_of([6] * 80, words=12)
    sample = sample_tokens(encoded, most=300, seed=1)
    token, position = token_facts(encoded, sample, seed=1)
    assert (token.name, position.name) == ("token", "position")
    frequent = {int(answer): int(word) for answer, word in zip(token.answers, sample.ids, strict=True) if answer >= 0}
    for place, answer in enumerate(token.control):
        others = np.delete(encoded[int(sample.text[place])], sample.position[place])
        assert frequent[int(answer)] in others
    np.testing.assert_array_equal(position.answers, sample.position)


@given(st.integers(0, 1000))
def test_a_control_by_context_is_one_answer_a_context(seed):
    encoded = texts_of([7] * 60, seed, words=200)
    sample = sample_tokens(encoded, most=400, seed=seed)
    answers = sample.position.astype(np.float64)
    control = by_context(answers, encoded, sample, np.random.default_rng(seed))
    assert set(control) <= set(answers)
    by_token = {}
    for word, answer in zip(sample.ids.tolist(), control.tolist(), strict=True):
        by_token.setdefault(word, set()).add(answer)
    assert all(len(found) == 1 for found in by_token.values())  # 100 words and more: the word alone is the context


def test_contexts_reach_back_where_words_are_few():
    encoded = texts_of([9] * 100, words=4)
    sample = sample_tokens(encoded, most=800, seed=0)
    control = by_context(sample.position, encoded, sample, np.random.default_rng(0))
    of_one_word = control[sample.ids == sample.ids[0]]
    assert len(set(of_one_word.tolist())) > 1
