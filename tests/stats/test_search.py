"""The expected best of k trials: equal to counting all subsets, unbiased, and better than the plug-in estimate."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.errors import RunFolderError
from textlstm.stats.search import expected_best, expected_chosen, search_curve

scores = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=8)  # few values, so ties are common


@given(scores)
@settings(deadline=None)
def test_expected_best_is_the_mean_over_all_subsets(values):
    found = expected_best(np.array(values))
    for k in range(1, len(values) + 1):
        expected = np.mean([max(subset) for subset in itertools.combinations(values, k)])
        assert found[k - 1] == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), st.randoms())
@settings(deadline=None)
def test_expected_best_rises_from_the_mean_to_the_maximum_in_any_order(values, random):
    found = expected_best(np.array(values))
    assert found[0] == pytest.approx(np.mean(values), abs=1e-9)
    assert found[-1] == pytest.approx(max(values), abs=1e-9)
    assert (np.diff(found) >= -1e-9).all()
    random.shuffle(values)
    assert expected_best(np.array(values)) == pytest.approx(found, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 99), st.floats(0, 1)), min_size=1, max_size=7, unique_by=lambda pair: pair[0]))
@settings(deadline=None)
def test_what_the_chosen_scores_is_the_mean_over_all_subsets(trials):
    validation, test = (np.array(column, dtype=float) for column in zip(*trials, strict=True))
    found = expected_chosen(validation, test)
    for k in range(1, len(trials) + 1):
        expected = np.mean([max(subset)[1] for subset in itertools.combinations(trials, k)])
        assert found[k - 1] == pytest.approx(expected, abs=1e-12)
    assert expected_chosen(validation, validation) == pytest.approx(expected_best(validation))


def test_searches_are_averaged_side_by_side():
    rng = np.random.default_rng(0)
    validation, test = rng.random((2, 3, 5)), rng.random((2, 3, 5))
    found = expected_chosen(validation, test)
    assert found[1, 2] == pytest.approx(expected_chosen(validation[1, 2], test[1, 2]))
    with pytest.raises(ValueError, match="one finite figure"):
        expected_chosen(validation, test[0])


def test_many_trials_do_not_overflow():
    found = expected_best(np.arange(2000.0))
    # The expected largest of k of 0..n-1 without replacement is k (n + 1) / (k + 1) - 1.
    k = np.arange(1, 2001)
    assert found == pytest.approx(k * 2001 / (k + 1) - 1, rel=1e-10)


def test_estimate_is_unbiased_and_the_plug_in_is_not():
    """Trials uniform on 0 to 1: the best of k is k / (k + 1) on average; the plug-in (Dodge 2019) is less."""
    rng = np.random.default_rng(1)
    n, studies = 10, 4000
    samples = rng.uniform(size=(studies, n))
    found = np.stack([expected_best(sample) for sample in samples])
    k, order = np.arange(1, n + 1), np.arange(1, n + 1)[:, None]
    error = found.std(axis=0) / math.sqrt(studies)
    assert (np.abs(found.mean(axis=0) - k / (k + 1)) < 4 * error).all()
    plug_in = np.sort(samples, axis=1) @ ((order / n) ** k - ((order - 1) / n) ** k)
    assert (plug_in.mean(axis=0)[2:] < (k / (k + 1) - 4 * error)[2:]).all()


def test_curve_has_compute_bands_and_plain_values():
    rng = np.random.default_rng(3)
    validation, costs = rng.uniform(size=8), rng.uniform(1, 3, size=8)
    curve = search_curve(validation, name="2 layers", sampler="random", costs=costs)
    assert curve.budgets == list(range(1, 9))
    assert curve.compute == pytest.approx(costs.mean() * np.arange(1, 9))
    assert curve.low[4:] == curve.high[4:] == [None] * 4
    for k in range(4):
        assert curve.low[k] <= curve.best[k] <= curve.high[k]
    assert json.loads(json.dumps(dataclasses.asdict(curve))) == dataclasses.asdict(curve)


def test_curve_without_costs():
    curve = search_curve(np.array([0.5]), name="1 layer", sampler="random")
    assert (curve.best, curve.low, curve.compute) == ([0.5], [None], None)


@pytest.mark.parametrize("k", [1, 4, 8])
def test_band_is_near_its_aim_for_budgets_well_under_the_trials(k):
    rng = np.random.default_rng(4)
    studies, hits = 300, 0
    for study in range(studies):
        curve = search_curve(rng.uniform(size=40), name="x", sampler="random", resamples=300, seed=study)
        hits += curve.low[k - 1] <= k / (k + 1) <= curve.high[k - 1]
    print(f"best of {k} of 40: band covers {hits / studies:.3f}")
    assert 0.85 <= hits / studies <= 0.99


def test_trials_of_another_sampler_are_refused():
    with pytest.raises(RunFolderError, match="tpe"):
        search_curve(np.ones(3), name="x", sampler="tpe")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: expected_best(np.array([])), "one finite figure a trial"),
        (lambda: expected_chosen(np.ones(0), np.ones(0)), "one trial or more"),
        (lambda: expected_best(np.array([1.0, np.nan])), "one finite figure a trial"),
        (lambda: search_curve(np.ones(3), name="x", sampler="random", costs=np.ones(2)), "costs are 3 figures"),
        (lambda: search_curve(np.ones(3), name="x", sampler="random", costs=-np.ones(3)), "of 0 or more"),
        (lambda: search_curve(np.ones(3), name="x", sampler="random", confidence=95), "such as 0.95, not 95"),
    ],
)
def test_senseless_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
