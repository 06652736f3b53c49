"""The offset power law is found where there is one, as well as scipy finds it, and its test can fail."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.stats.power_law import fit_power_law, hold_out, predict, refit, seed_draws

SIZES = [100.0 * 2**k for k in range(7)]


def law(n, limit=0.92, amplitude=1.5, exponent=0.35):
    return limit - amplitude * np.asarray(n) ** -exponent


@given(st.floats(0.6, 0.99), st.floats(0.05, 0.5), st.floats(0.1, 1.5))
@settings(deadline=None, max_examples=60)
def test_a_law_without_noise_is_found(limit, drop, exponent):
    means = law(SIZES, limit, drop * SIZES[0] ** exponent, exponent)
    found = fit_power_law(means, sizes=SIZES)
    assert found.misfit < 1e-6
    assert predict(found, SIZES) == pytest.approx(means, abs=1e-5)
    assert (found.limit, found.exponent) == pytest.approx((limit, exponent), abs=5e-3)


@given(st.integers(0, 1000), st.sampled_from([0.002, 0.02, 0.1]))
@settings(deadline=None, max_examples=40)
def test_fit_is_at_least_as_good_as_scipys(rng_seed, noise):
    means = np.minimum(law(SIZES) + np.random.default_rng(rng_seed).normal(scale=noise, size=7), 1.0)
    found = fit_power_law(means, sizes=SIZES)
    steps = np.array(SIZES) / SIZES[-1]

    def residuals(p):
        return p[0] - p[1] * steps ** -p[2] - means

    starts = [(0.9, 0.05, 0.1), (0.9, 0.05, 0.5), (0.9, 0.001, 2.0)]
    bounds = ([-np.inf, 0, 0.02], [1.0, np.inf, 3.0])
    best = min(scipy.optimize.least_squares(residuals, s, bounds=bounds, max_nfev=2000).cost for s in starts)
    assert 7 * found.misfit**2 / 2 <= best * (1 + 1e-6) + 1e-12
    assert found.limit <= 1
    assert found.amplitude >= 0
    assert 0.02 <= found.exponent <= 3.0


@given(st.floats(0.01, 100), st.floats(0.1, 1000))
@settings(deadline=None, max_examples=30)
def test_units_of_rows_and_of_scores_do_not_matter(rows, points):
    means = law(SIZES) + np.random.default_rng(1).normal(scale=0.003, size=7)
    base = predict(fit_power_law(means, sizes=SIZES), [12_800.0])
    other = fit_power_law(points * means, sizes=[rows * n for n in SIZES], ceiling=points)
    assert predict(other, [rows * 12_800.0]) / points == pytest.approx(base, rel=1e-6)


def test_a_falling_curve_gets_a_flat_law():
    found = fit_power_law(np.linspace(0.8, 0.6, 7), sizes=SIZES)
    assert found.amplitude == 0
    assert found.limit == pytest.approx(0.7)


def test_limit_stays_under_the_ceiling():
    # Still rising steeply: the free limit would be above 1.
    means = 0.5 + 0.07 * np.arange(7)
    assert fit_power_law(means, sizes=SIZES).limit <= 1.0
    assert fit_power_law(means, sizes=SIZES, ceiling=10.0).limit > 1.0


def test_negated_losses_have_the_ceiling_zero():
    means = -(0.3 + 2 * np.array(SIZES) ** -0.4)
    found = fit_power_law(means, sizes=SIZES, ceiling=0.0)
    assert found.limit == pytest.approx(-0.3, abs=1e-3)
    assert json.loads(json.dumps(dataclasses.asdict(found))) == dataclasses.asdict(found)


def test_draws_of_a_mean_are_as_wide_as_students_interval():
    """On average over studies; and all depths and sizes of a seed are drawn together."""
    rng = np.random.default_rng(2)
    hits = 0
    for study in range(300):
        scores = rng.normal(size=(1, 1, 6))
        low, high = np.quantile(seed_draws(scores, confidence=0.95, resamples=300, seed=study), [0.025, 0.975])
        hits += low <= 0 <= high
    assert hits / 300 == pytest.approx(0.95, abs=0.04)
    seeds = rng.normal(size=6)
    draws = seed_draws(seeds + np.arange(6).reshape(2, 3, 1), confidence=0.95, resamples=50, seed=0)
    assert draws.shape == (2, 50, 3)
    assert draws - draws[:1, :, :1] == pytest.approx(np.broadcast_to(np.arange(6).reshape(2, 1, 3), (2, 50, 3)))


def test_refits_of_equal_draws_are_the_fit():
    means = law(SIZES) + np.random.default_rng(3).normal(scale=0.01, size=7)
    at = np.array([50.0, 25_600.0])
    read = refit(np.stack([means, means]), sizes=SIZES, at=at, ceiling=1.0)
    assert read == pytest.approx(np.stack([predict(fit_power_law(means, sizes=SIZES), at)] * 2), rel=1e-9)


def held_out(scores, **keywords):
    draws = seed_draws(scores[None], confidence=0.95, resamples=300, seed=0)[0]
    return hold_out(scores.mean(axis=1), draws, sizes=SIZES, **keywords)


def test_held_out_size_is_mostly_predicted_where_the_law_holds():
    rng = np.random.default_rng(4)
    passed = [held_out(law(SIZES)[:, None] + rng.normal(scale=0.005, size=(7, 10))).passed for _ in range(100)]
    assert np.mean(passed) >= 0.88


@pytest.mark.parametrize("jump", [-0.1, 0.08])
def test_held_out_size_that_leaves_the_law_is_noticed(jump):
    scores = law(SIZES)[:, None] + np.random.default_rng(5).normal(scale=0.005, size=(7, 10))
    scores[-1] += jump
    found = held_out(scores)
    assert not found.passed
    assert (found.measured < found.low) == (jump < 0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fit_power_law(np.ones(2), sizes=[1, 2]), "three or more sizes"),
        (lambda: fit_power_law(np.ones(3), sizes=[1, 2]), "three or more sizes"),
        (
            lambda: fit_power_law(np.array([50.0, 60.0, 70.0]), sizes=[1, 2, 4]),
            "at most 1.0, the ceiling given, not 70",
        ),
    ],
)
def test_senseless_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
