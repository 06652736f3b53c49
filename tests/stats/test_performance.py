"""Robust summaries over sets and seeds agree with rliable, in their figures and in their bootstrap intervals."""

import dataclasses
import importlib.util
import json
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.stats.performance import (
    interquartile_mean,
    normalized_differences,
    performance_profile,
    probability_of_improvement,
)

shapes = st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))


@pytest.fixture(scope="module")
def rliable():
    """rliable's library without arch's time-series models, which fail to load beside pandas 3; it uses arch.bootstrap.

    What loads under the bare parent package is taken out again, so that no later import finds half of arch.
    """
    before = set(sys.modules)
    found = importlib.util.find_spec("arch")
    assert found is not None
    bare = types.ModuleType("arch")
    bare.__path__ = list(found.submodule_search_locations)
    sys.modules["arch"] = bare
    import rliable.library

    yield rliable.library
    for name in set(sys.modules) - before:
        if name.split(".")[0] in {"arch", "rliable"}:
            del sys.modules[name]


def figures(shape):
    sets, seeds, rng_seed = shape
    return np.random.default_rng(rng_seed).normal(size=(sets, seeds)).round(1)


@given(shapes)
@settings(deadline=None)
def test_interquartile_mean_is_rliables(shape):
    from rliable import metrics

    scores = figures(shape)
    assert interquartile_mean(scores, resamples=2).value == pytest.approx(metrics.aggregate_iqm(scores.T))


@given(shapes, st.integers(1, 9))
@settings(deadline=None)
def test_probability_of_improvement_is_rliables(shape, few):
    from rliable import metrics

    deep, shallow = figures(shape), figures((shape[0], few, 100 + shape[2]))
    found = probability_of_improvement(deep, shallow, resamples=2)
    assert found.value == pytest.approx(metrics.probability_of_improvement(deep.T, shallow.T))
    back = probability_of_improvement(shallow, deep, resamples=2)
    assert found.value + back.value == pytest.approx(1)


def test_profile_is_rliables_with_its_band(rliable):
    scores, steps = figures((5, 10, 1)), np.linspace(-2, 2, 9)
    found = performance_profile(scores, thresholds=steps.tolist(), resamples=4000)
    profiles, bands = rliable.create_performance_profile({"x": scores.T}, steps, reps=4000)
    assert found.share == pytest.approx(profiles["x"])
    # Two bootstraps of 4,000 draws each: the ends lie on a grid of 1 / 50, and may fall to its next point.
    assert found.low == pytest.approx(bands["x"][0], abs=0.021)
    assert found.high == pytest.approx(bands["x"][1], abs=0.021)


def test_an_interval_is_rliables(rliable):
    from rliable import metrics

    deep = figures((4, 10, 2)) + 0.5
    _, middle = rliable.get_interval_estimates({"x": deep.T}, lambda s: np.array([metrics.aggregate_iqm(s)]), reps=4000)
    found = interquartile_mean(deep, resamples=4000)
    width = found.high - found.low
    assert (found.low, found.high) == pytest.approx((middle["x"][0, 0], middle["x"][1, 0]), abs=0.06 * width)


@pytest.mark.slow  # rliable ranks anew for each of its resamples
def test_an_interval_of_improvement_is_rliables(rliable):
    from rliable import metrics

    deep, shallow = figures((4, 10, 2)) + 0.5, figures((4, 8, 3))
    _, improved = rliable.get_interval_estimates(
        {"x": (deep.T, shallow.T)}, lambda a, b: np.array([metrics.probability_of_improvement(a, b)]), reps=2000
    )
    won = probability_of_improvement(deep, shallow, resamples=4000)
    width = won.high - won.low
    assert (won.low, won.high) == pytest.approx((improved["x"][0, 0], improved["x"][1, 0]), abs=0.08 * width)


@given(shapes.filter(lambda s: s[1] > 1))
@settings(deadline=None, max_examples=30)
def test_profile_falls_and_its_area_is_the_mean(shape):
    scores = np.clip(figures(shape), -2, 1.9)
    steps = np.arange(-2.05, 2.05, 0.1)
    found = performance_profile(scores, thresholds=steps.tolist(), resamples=50)
    assert (np.diff(found.share) <= 0).all()
    # Scores are tenths and thresholds lie between them: a score of s is above all those up to s - 0.05.
    assert -2.1 + 0.1 * sum(found.share) == pytest.approx(scores.mean(), abs=1e-9)
    assert all(low <= high for low, high in zip(found.low, found.high, strict=True))


@given(st.permutations(range(5)), st.permutations(range(4)))
@settings(deadline=None, max_examples=20)
def test_one_collapsed_run_moves_the_middle_mean_little(seeds, sets):
    scores = figures((4, 5, 4))[sets][:, seeds]
    before = interquartile_mean(scores, resamples=2).value
    scores[0, 0] = -1000
    assert abs(interquartile_mean(scores, resamples=2).value - before) < 1


def test_normalized_difference_is_the_share_of_error_taken_away():
    shallow = np.array([[0.5, 0.5], [0.98, 0.98]])
    deep = np.array([[0.6, 0.4], [0.99, 0.98]])
    assert normalized_differences(deep, shallow) == pytest.approx(np.array([[0.2, -0.2], [0.5, 0.0]]))
    assert normalized_differences(100 * deep, 100 * shallow, ceiling=100) == pytest.approx(
        normalized_differences(deep, shallow)
    )


def test_results_are_plain_values_and_seeded():
    scores = figures((3, 4, 5))
    found = (
        interquartile_mean(scores),
        performance_profile(scores, thresholds=[0.0, 1.0]),
        probability_of_improvement(scores, scores),
    )
    again = (
        interquartile_mean(scores),
        performance_profile(scores, thresholds=[0.0, 1.0]),
        probability_of_improvement(scores, scores),
    )
    assert found == again
    for one in found:
        assert json.loads(json.dumps(dataclasses.asdict(one))) == dataclasses.asdict(one)
    assert found[2].value == 0.5


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: interquartile_mean(np.ones(3)), r"figures are \(sets, seeds\)"),
        (lambda: interquartile_mean(np.full((2, 2), np.nan)), "finite: a seed that lacks a set"),
        (lambda: interquartile_mean(np.ones((2, 2)), confidence=95), "such as 0.95, not 95"),
        (lambda: performance_profile(np.ones((2, 2)), thresholds=[]), "increasing thresholds"),
        (lambda: performance_profile(np.ones((2, 2)), thresholds=[1, 1]), "increasing thresholds"),
        (
            lambda: probability_of_improvement(np.ones((2, 2)), np.ones((3, 2))),
            "scored on the same sets, not on 2 and 3",
        ),
        (lambda: normalized_differences(np.ones((2, 2)), np.ones((2, 3))), r"both depths have scores \(sets, seeds\)"),
        (lambda: normalized_differences(np.ones((2, 2)), np.ones((2, 2))), "no room for a difference"),
    ],
)
def test_senseless_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
