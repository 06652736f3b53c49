"""Times the data: known horizontal distances are found, intervals hold them, and what is out of range is censored."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from textlstm.stats.multiplier import data_multipliers, monotone, size_reached

SIZES = [100, 200, 400, 800, 1600]
LOGS = np.log2(np.array(SIZES, dtype=float))


def line(shift=0.0):
    """A curve that rises by 0.05 a doubling, moved by some doublings."""
    return 0.05 * (LOGS + shift)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_the_rising_curve_is_the_isotonic_fit(means):
    assert np.allclose(monotone(np.array(means)), isotonic_regression(means).x, atol=1e-9)


@pytest.mark.parametrize("times", [0.5, 1.0, 1.7, 4.0])
def test_a_shift_is_found_where_it_lies_inside_the_sizes(times):
    base, variant = line()[:, None], line(math.log2(times))[:, None]
    for found in data_multipliers(base, variant, sizes=SIZES):
        if found.least <= times <= found.most:
            assert found.value == pytest.approx(times)
        else:
            assert found.value == (math.inf if times > found.most else 0.0)


def test_a_variant_at_some_sizes_is_held_against_the_whole_base():
    rng = np.random.default_rng(3)
    base = line()[:, None] + rng.normal(0, 0.004, (5, 6))
    variant = line(2.0)[:, None] + rng.normal(0, 0.004, (5, 6))
    every = data_multipliers(base, variant, sizes=SIZES)
    some = data_multipliers(base, variant[[0, 1]], sizes=SIZES, at=SIZES[:2])
    assert some == every[:2]  # alone, at two sizes, the base would end where the variant begins
    assert some[0].value == pytest.approx(4.0, rel=0.2)
    between = data_multipliers(line()[:, None], line(1.0)[[1]][:, None], sizes=SIZES, at=[200.0])
    assert between[0].value == pytest.approx(2.0)


def test_what_the_base_never_reaches_is_said_to_be_more_than_the_range():
    base = np.repeat(line()[:, None], 5, axis=1) + np.random.default_rng(0).normal(0, 1e-4, (5, 5))
    found = data_multipliers(base, base + 1.0, sizes=SIZES)
    assert found[0].words == "more than 16 times [more than 16 times, more than 16 times]"
    assert [one.value for one in found] == [math.inf] * 5
    worse = data_multipliers(base, base - 1.0, sizes=SIZES)
    assert [one.value for one in worse] == [0.0] * 5
    assert worse[-1].words == "less than 0.0625 times [less than 0.0625 times, less than 0.0625 times]"


def test_a_flat_stretch_counts_from_where_it_begins():
    flat = np.array([[0.1, 0.5, 0.5, 0.5, 0.9]])
    assert size_reached(flat, sizes=SIZES, score=np.array([0.5]))[0] == pytest.approx(200)


def test_one_seed_has_a_figure_and_no_interval():
    found = data_multipliers(line()[:, None], line(1.0)[:, None], sizes=SIZES)[1]
    assert found.value == pytest.approx(2.0)
    assert (found.low, found.high) == (0.0, math.inf)
    assert found.words == "2 times"


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Seeds shift both curves together and each size on its own; the truth is two times, read at inner sizes."""
    rng = np.random.default_rng(1)
    held = []
    for trial in range(250):
        lucky = rng.normal(0, 0.01, 6)
        base = line()[:, None] + lucky + rng.normal(0, 0.012, (5, 6))
        variant = line(1.0)[:, None] + lucky + rng.normal(0, 0.012, (5, 6))
        found = data_multipliers(base, variant, sizes=SIZES, resamples=500, seed=trial)[1:3]
        held += [one.low <= 2.0 <= one.high for one in found]
    assert np.mean(held) >= 0.93


def test_a_better_variant_is_worth_more():
    rng = np.random.default_rng(2)
    base = line()[:, None] + rng.normal(0, 0.005, (5, 4))
    worth = [data_multipliers(base, base + gain, sizes=SIZES)[0].value for gain in (0.0, 0.02, 0.05, 0.1)]
    assert worth == sorted(worth)


@pytest.mark.parametrize(
    ("base", "variant", "sizes", "words"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), SIZES, "two curves"),
        (np.zeros((2, 2)), np.zeros((2, 2)), [200, 100], "increasing"),
        (np.zeros((1, 2)), np.zeros((1, 2)), [100], "two or more"),
        (np.full((2, 2), np.nan), np.zeros((2, 2)), [100, 200], "finite"),
    ],
)
def test_curves_that_do_not_fit_are_refused(base, variant, sizes, words):
    with pytest.raises(ValueError, match=words):
        data_multipliers(base, variant, sizes=sizes)
