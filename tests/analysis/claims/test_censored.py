"""Crossings of a level, with what a ladder leaves open."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.analysis.claims.censored import Crossing, bounded_effect, doublings, falls_below

LADDER = [4, 8, 16, 32]


@given(st.floats(2.1, 4.9))
def test_a_curve_that_is_straight_in_the_logarithm_is_crossed_where_it_crosses(place):
    curve = 0.75 - 0.1 * (np.log2(LADDER) - place)
    half = falls_below(LADDER, curve, level=0.75)
    assert half.low == half.high == pytest.approx(place)


@given(st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4))
def test_the_place_lies_in_its_bounds_and_grows_with_the_curve(curve):
    half = falls_below(LADDER, curve, level=0.75)
    better = falls_below(LADDER, np.minimum(1.0, np.array(curve) + 0.1), level=0.75)
    assert 0.0 <= half.low <= half.high
    assert better.low >= half.low - 1e-9
    assert better.high >= half.high - 1e-9


def test_curves_that_never_cross_are_censored():
    assert falls_below(LADDER, [0.9, 0.9, 0.8, 0.76], level=0.75) == Crossing(5.0, np.inf)
    assert falls_below(LADDER, [0.5, 0.5, 0.5, 0.5], level=0.75) == Crossing(0.0, 2.0)


def test_censoring_opens_the_side_that_is_not_known():
    known, beyond = Crossing(3.0, 3.0), Crossing(5.0, np.inf)
    deep_beyond = bounded_effect("gain", doublings([known] * 3, [beyond] * 3), unit="doublings")
    assert (deep_beyond.low, deep_beyond.high) == (2.0, np.inf)
    both_beyond = bounded_effect("gain", doublings([beyond] * 3, [beyond] * 3), unit="doublings")
    assert (both_beyond.low, both_beyond.high) == (-np.inf, np.inf)
    assert np.isnan(both_beyond.value)


def test_exact_figures_get_the_interval_of_student():
    seeds = [Crossing(value, value) for value in (1.0, 2.0, 4.0)]
    found = bounded_effect("gain", seeds, unit="doublings")
    reach = 4.302653 * np.std([1, 2, 4], ddof=1) / np.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((7 / 3, 7 / 3 - reach, 7 / 3 + reach), rel=1e-5)
