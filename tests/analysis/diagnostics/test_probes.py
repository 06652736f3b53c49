"""Probes on planted states, against fits by hand, and their intervals over texts."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from textlstm.analysis.diagnostics.facts import Fact
from textlstm.analysis.diagnostics.probe_fits import CHOOSE, FIT, PENALTIES, SCORE, part_texts, score_fact, scores_from
from textlstm.analysis.diagnostics.probes import center_of_gravity, probe_stack
from textlstm.analysis.diagnostics.states import LayerStates, TokenSample
from textlstm.errors import DataError
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.text.encoding import Encoded

TEXTS = 200


def make_stack(seed=0, **options):
    torch.manual_seed(seed)
    settings = {"vocab_size": 30, "embedding_size": 6, "hidden_size": 5, "num_labels": 2, "embedding_init_std": 1.0}
    return TextLSTMForSequenceClassification(TextLSTMConfig(**{**settings, "num_layers": 2, **options}))


def texts_of(rows, seed=0):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(3, 9, rows))])
    return Encoded(rng.integers(1, 30, offsets[-1]).astype(np.int32), offsets)


def planted_states(answers, *, seed=0):
    """Level 0 knows nothing, level 1 holds the answer in one direction among noise."""
    rng = np.random.default_rng(seed)
    noise = [rng.normal(size=(len(answers), 6)) for _ in range(2)]
    noise[1][:, 0] = 3 * answers + 0.1 * noise[1][:, 0]
    empty = TokenSample(*(np.empty(0, dtype=np.int64) for _ in range(3)))
    pooled = tuple(level.astype(np.float32) for level in noise)
    return LayerStates(empty, (), pooled, np.full(len(answers), 3), np.arange(len(answers)))


def fact_of(answers, *, numbers, seed=0):
    control = np.random.default_rng([seed, 9]).permutation(answers)
    return Fact("planted", True, "text", numbers, answers, control, np.ones(len(answers), dtype=bool))


@given(st.integers(0, 500), st.integers(3, 60))
def test_copies_of_a_text_stand_on_one_side(seed, kinds):
    groups = np.random.default_rng(seed).integers(0, kinds, 4 * kinds)
    _, groups = np.unique(groups, return_inverse=True)
    sides = part_texts(groups, seed=seed)
    assert all(len(set(sides[groups == group])) == 1 for group in np.unique(groups))
    several = np.array([sides[groups == group][0] for group in np.unique(groups)])
    assert abs((several == FIT).sum() - 0.5 * len(several)) <= 1
    assert abs((several == CHOOSE).sum() - 0.2 * len(several)) <= 1


@pytest.mark.parametrize("numbers", [False, True], ids=["classes", "numbers"])
def test_a_planted_fact_is_found_where_it_is_and_its_control_nowhere(numbers):
    answers = np.random.default_rng(1).integers(0, 2, TEXTS)
    answers = answers.astype(np.float64) if numbers else answers
    states = planted_states(answers)
    sides = part_texts(states.groups, seed=0)
    found = score_fact(fact_of(answers, numbers=numbers), states, sides)
    scores = scores_from(found.columns.sum(axis=0, keepdims=True), 2, numbers=numbers)[0]
    chance = 0.0 if numbers else found.baseline
    assert scores[0, 1] > 0.95
    assert scores[0, 0] < chance + 0.15
    assert (scores[1] < chance + 0.2).all()
    assert found.columns[:, 0].sum() == (sides == SCORE).sum()


def test_r_squared_is_that_of_a_ridge_regression_fitted_by_hand():
    answers = np.random.default_rng(2).normal(size=TEXTS)
    states = planted_states(answers)
    sides = part_texts(states.groups, seed=3)
    found = score_fact(fact_of(answers, numbers=True), states, sides)
    scores = scores_from(found.columns.sum(axis=0, keepdims=True), 2, numbers=True)[0, 0]
    for level, states_of in enumerate(states.pooled):
        scaler = StandardScaler().fit(states_of[sides == FIT])
        x = scaler.transform(states_of)
        center, spread = answers[sides == FIT].mean(), answers[sides == FIT].std()
        y = (answers - center) / spread
        fits = [Ridge(alpha=alpha).fit(x[sides == FIT], y[sides == FIT]) for alpha in PENALTIES]
        best = max(fits, key=lambda fit: fit.score(x[sides == CHOOSE], y[sides == CHOOSE]))
        assert scores[level] == pytest.approx(max(0.0, best.score(x[sides == SCORE], y[sides == SCORE])), abs=1e-6)


def test_a_center_of_gravity_lies_where_the_selectivity_is():
    assert center_of_gravity(np.array([0.0, 0.0, 0.9])) == pytest.approx(2 * 0.91 / 0.93 + 0.01 / 0.93)
    assert center_of_gravity(np.array([0.4, 0.4, 0.4])) == pytest.approx(1.0)
    assert center_of_gravity(np.zeros(4)) == pytest.approx(1.5)  # held nowhere: the middle
    assert center_of_gravity(np.array([-0.5, 0.3])) == center_of_gravity(np.array([0.0, 0.3]))


def test_a_stack_beside_itself_has_gained_nothing():
    model, texts = make_stack(), texts_of(150)
    labels = np.random.default_rng(0).integers(0, 2, 150)
    found = probe_stack(model, texts, labels=labels, untrained=model, resamples=50)
    assert [probe.fact for probe in found.trained] == ["label", "length", "token", "position"]
    assert (found.gained.value, found.gained.low, found.gained.high) == (0.0, 0.0, 0.0)
    for own, other in zip(found.trained, found.untrained, strict=True):
        assert own == other
        for level in own.levels:
            assert level.score.low <= level.score.value <= level.score.high
            assert level.selectivity.value == pytest.approx(level.score.value - level.control.value)


def test_labels_that_are_no_property_of_the_text_are_not_found():
    model, texts = make_stack(), texts_of(300)
    labels = np.random.default_rng(5).integers(0, 2, 300)
    label = probe_stack(model, texts, labels=labels, resamples=200).trained[0]
    for level in label.levels:  # 95 % of about 90 texts, for three levels
        assert abs(level.score.value - 0.5) < 0.2
        assert level.selectivity.low < 0.05


def test_the_word_itself_can_be_read_off_its_embedding_and_texts_decide_the_draws():
    model, texts = make_stack(embedding_size=16), texts_of(400)
    found = probe_stack(model, texts, resamples=30, seed=4)
    token = next(probe for probe in found.trained if probe.fact == "token")
    assert token.levels[0].score.value > 0.95
    assert token.levels[0].selectivity.value > 0.5
    assert found == probe_stack(model, texts, resamples=30, seed=4)
    assert found.order is None  # no abstract fact without labels


def test_few_texts_and_rare_classes_are_said():
    model = make_stack()
    with pytest.raises(DataError, match=r"takes 60 different texts or more, and 40 were found"):
        probe_stack(model, texts_of(40))
    labels = np.array([0] * 95 + [1] * 5)
    found = probe_stack(model, texts_of(100), labels=labels, resamples=20)
    assert "label" not in [probe.fact for probe in found.trained]
    assert "no two classes have ten" in found.notes[0]
