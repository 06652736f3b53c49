"""The intervals hold what they promise: references, coverage by simulation, and edges."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from textlstm.stats.intervals import bootstrap_sums, mean_interval, percentile_interval, wilson_interval


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=12).filter(lambda v: np.std(v) > 1e-6), st.floats(0.5, 0.99))
@settings(deadline=None)
def test_mean_interval_equals_scipy(values, confidence):
    estimate = mean_interval(values, confidence=confidence)
    reference = scipy.stats.ttest_1samp(values, 0).confidence_interval(confidence)
    assert estimate.value == pytest.approx(np.mean(values))
    assert (estimate.low, estimate.high) == pytest.approx((reference.low, reference.high))


@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0.5, 0.999))
@settings(deadline=None)
def test_wilson_interval_equals_scipy(n, share, confidence):
    successes = round(share * n)
    estimate = wilson_interval(successes, n, confidence=confidence)
    reference = scipy.stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx((reference.low, reference.high), abs=1e-12)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.low < estimate.high


@pytest.mark.parametrize("rows", [300, 12_000])  # singly, and in groups
def test_sparse_columns_are_summed_as_dense_ones_are(rows):
    """Exact for counts, to the last bits for figures."""
    rng = np.random.default_rng(0)
    columns = np.zeros((rows, 40))
    columns[np.arange(rows), rng.integers(2, 40, rows)] = 1
    columns[:, 0], columns[:, 1] = 1, rng.normal(size=rows)
    thin, whole = bootstrap_sums(csr_array(columns), resamples=50), bootstrap_sums(columns, resamples=50)
    np.testing.assert_array_equal(np.delete(thin, 1, axis=1), np.delete(whole, 1, axis=1))
    np.testing.assert_allclose(thin[:, 1], whole[:, 1], atol=1e-10)


def test_one_value_has_no_interval():
    assert mean_interval([0.5]).low is None
    sums = bootstrap_sums(np.ones((3, 1)), resamples=1)
    assert percentile_interval(1.0, sums[:, 0]).low is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mean_interval([]), "at least one value"),
        (lambda: mean_interval([1.0, 2.0], confidence=95), "such as 0.95, not 95"),
        (lambda: wilson_interval(3, 2), "not 3 of 2"),
        (lambda: wilson_interval(0, 0), "not 0 of 0"),
        (lambda: bootstrap_sums(np.ones((0, 1))), "at least one row"),
    ],
)
def test_senseless_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_intervals_cover_as_often_as_they_say():
    """2,000 simulated studies each; the bounds are three binomial standard errors (1.5 points) around 95 %."""
    rng = np.random.default_rng(1)
    seeds = rng.normal(0.8, 0.02, size=(2000, 4))
    t_hits = [e.low <= 0.8 <= e.high for e in map(mean_interval, seeds)]
    assert np.mean(t_hits) == pytest.approx(0.95, abs=0.015)
    # Averaged over the share, Wilson's coverage is near nominal; at single shares it swings by design.
    shares = rng.uniform(0.5, 1.0, size=2000)
    w_hits = [e.low <= p <= e.high for p, e in ((p, wilson_interval(int(rng.binomial(80, p)), 80)) for p in shares)]
    assert np.mean(w_hits) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("rows", "studies"), [(300, 400), (12_000, 60)])
def test_bootstrap_covers_the_mean(rows, studies):
    """An exponential's mean is 1; above 10,000 rows groups are drawn, and the coverage stays."""
    rng = np.random.default_rng(2)
    hits = []
    for study in range(studies):
        losses = rng.exponential(size=(rows, 1))
        sums = bootstrap_sums(np.hstack([losses, np.ones((rows, 1))]), resamples=200, seed=study)
        estimate = percentile_interval(losses.mean(), sums[:, 0] / sums[:, 1])
        hits.append(estimate.low <= 1 <= estimate.high)
    error = np.sqrt(0.95 * 0.05 / studies)
    # 200 draws and skewed rows cost about a point.
    assert 0.94 - 3 * error <= np.mean(hits) <= 0.95 + 3 * error


def test_bootstrap_equals_scipy():
    values = np.random.default_rng(3).gamma(2.0, size=500)
    sums = bootstrap_sums(np.column_stack([values, np.ones(500)]), resamples=4000, seed=0)
    ours = percentile_interval(values.mean(), sums[:, 0] / sums[:, 1])
    reference = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    width = reference.high - reference.low
    assert abs(ours.low - reference.low) < 0.05 * width
    assert abs(ours.high - reference.high) < 0.05 * width


def test_groups_keep_the_spread():
    """The sums' spread over 25,000 rows is sd * sqrt(n) within the error of 2,000 draws (4.7 % at 3 sd)."""
    values = np.random.default_rng(4).normal(5, 2, size=(25_000, 1))
    columns = np.hstack([values - values.mean(), np.ones((25_000, 1))])
    sums = bootstrap_sums(columns, resamples=2000, seed=0)
    assert np.std(sums[:, 0]) == pytest.approx(values.std() * np.sqrt(25_000), rel=0.055)
    assert sums[:, 1].mean() == pytest.approx(25_000, rel=1e-3)


@given(st.integers(1, 50), st.integers(1, 30), st.integers(0, 5))
@settings(deadline=None)
def test_bootstrap_is_seeded_and_draws_every_time_n_rows(rows, resamples, seed):
    columns = np.column_stack([np.ones(rows), np.arange(rows)])
    sums = bootstrap_sums(columns, resamples=resamples, seed=seed)
    assert np.array_equal(sums, bootstrap_sums(columns, resamples=resamples, seed=seed))
    assert (sums[:, 0] == rows).all()
    assert (sums[:, 1] <= rows * (rows - 1)).all()


def test_undefined_draws_are_left_out():
    estimate = percentile_interval(0.5, np.array([np.nan, 0.0, 1.0]), confidence=0.5)
    assert (estimate.low, estimate.high) == (0.25, 0.75)
