"""From figures to effects: what a handful of texts can show, and what decides a claim that asserts several things."""

import math

import numpy as np
import pytest

from textlstm.analysis.claims.effects import effect_over_texts, weaker
from textlstm.analysis.claims.finding import Effect, verdict


@pytest.mark.parametrize(("texts", "word"), [(30, "undecided"), (2000, "no effect")])
def test_the_same_answers_on_a_handful_of_texts_show_nothing(texts, word):
    found = effect_over_texts("gain", np.zeros((10, texts)), unit="points", scale=100)
    assert found.high == -found.low > 0
    assert verdict(found, 1.0, preview=False).startswith(word)


def test_the_rule_of_three_knows_how_large_a_contrast_can_be():
    plain, double = (effect_over_texts("gain", np.zeros((10, 99)), unit="", largest=largest).high for largest in (1, 2))
    assert double == 2 * plain


def test_an_effect_is_scaled_and_left_alone_where_texts_differ():
    contrast = np.random.default_rng(0).integers(-1, 2, (6, 300)).astype(float)
    plain, points = (effect_over_texts("gain", contrast, unit="points", scale=scale) for scale in (1, 100))
    assert (points.value, points.low, points.high) == pytest.approx(
        (100 * plain.value, 100 * plain.low, 100 * plain.high)
    )
    assert 0.01 < plain.high - plain.low < 0.2


def effect(low, high):
    return Effect(f"from {low}", (max(low, -9) + min(high, 9)) / 2, low, high, "points", 5)


def test_a_claim_of_several_things_falls_with_any_of_them():
    wide, fallen = effect(-1.6, 2.6), effect(-1.5, -0.6)
    assert verdict(weaker([wide]), 0.25, preview=False) == "undecided"
    assert (
        verdict(weaker([wide, fallen]), 0.25, preview=False) == verdict(fallen, 0.25, preview=False) == "contradicted"
    )
    assert (weaker([wide, fallen]).low, weaker([wide, fallen]).high) == (-1.6, -0.6)
    censored = effect(-math.inf, math.inf)
    assert verdict(weaker([censored, fallen]), 0.25, preview=False) == "contradicted"
    assert weaker([effect(1, 2), effect(0.5, 1.5)]).name == "from 0.5"  # one that has both bounds stands for itself
