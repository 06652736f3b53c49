"""The random-effects mean agrees with statsmodels, and both its intervals hold what they promise."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from textlstm.stats.across import new_set_interval, random_effects

sets = st.integers(2, 12).flatmap(
    lambda k: st.tuples(
        st.lists(st.floats(-5, 5), min_size=k, max_size=k), st.lists(st.floats(0.05, 4), min_size=k, max_size=k)
    )
)


@given(sets)
@settings(deadline=None)
def test_mean_agrees_with_statsmodels(data):
    from statsmodels.stats.meta_analysis import combine_effects

    differences, variances = map(np.array, data)
    found = random_effects(differences, variances)
    assume(found.q > 1e-6)  # it divides by Q
    # A tolerance nearer to rounding makes its iteration step over the root and fall back to 0.
    reference = combine_effects(differences, variances, method_re="iterated", use_t=True, atol=1e-7, maxiter=500)
    # Where it still did, its 0 is no root of the equation that the next test holds ours to.
    assume(reference.tau2 > 0 or found.q <= len(differences) - 1 + 1e-4)
    assert found.q == pytest.approx(reference.q, rel=1e-9, abs=1e-9)
    assert found.i2 == pytest.approx(max(0.0, reference.i2), abs=1e-9)
    assert found.tau**2 == pytest.approx(max(reference.tau2, 0.0), abs=1e-5)
    assert found.mean == pytest.approx(reference.mean_effect_re, abs=1e-5)
    assert found.weights == pytest.approx(reference.weights_rel_re, abs=1e-5)
    if reference.scale_hksj_re > 1 + 1e-4:
        assert found.error == pytest.approx(reference.sd_eff_w_re_hksj, abs=1e-5)
        _, _, _, (low, high) = reference.conf_int(use_t=True)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-3)
    elif reference.scale_hksj_re < 1 - 1e-4:
        assert found.error == pytest.approx(reference.sd_eff_w_re, abs=1e-5)  # the floor of 1


@given(sets)
@settings(deadline=None)
def test_tau_solves_paule_and_mandels_equation(data):
    differences, variances = map(np.array, data)
    found = random_effects(differences, variances)
    weights = 1 / (variances + found.tau**2)
    mean = weights @ differences / weights.sum()
    left = weights @ (differences - mean) ** 2
    if found.tau == 0:
        assert left <= len(differences) - 1 + 1e-9
    else:
        assert left == pytest.approx(len(differences) - 1, rel=1e-6)
    assert found.low <= found.mean <= found.high
    if len(differences) > 2:
        assert found.prediction_low <= found.low
        assert found.prediction_high >= found.high
    else:
        assert found.prediction_low is None
    assert json.loads(json.dumps(dataclasses.asdict(found))) == dataclasses.asdict(found)


@given(sets, st.floats(-3, 3), st.floats(0.1, 10))
@settings(deadline=None, max_examples=40)
def test_mean_moves_and_scales_with_the_differences(data, shift, scale):
    differences, variances = map(np.array, data)
    base = random_effects(differences, variances)
    moved = random_effects(shift + scale * differences, scale**2 * variances)
    for end in ("mean", "low", "high"):
        assert getattr(moved, end) == pytest.approx(shift + scale * getattr(base, end), abs=1e-4 * scale)


def coverage(count, between, *, studies, rng_seed=1):
    """Shares of studies in which the mean, and a new set by Higgins' interval and by ours, lie inside."""
    rng = np.random.default_rng(rng_seed)
    hits = np.zeros(3)
    for study in range(studies):
        variances = rng.uniform(0.3, 2, size=count)
        truths, new = rng.normal(1, between, size=count), rng.normal(1, between)
        differences = rng.normal(truths, np.sqrt(variances))
        found = random_effects(differences, variances)
        low, high = new_set_interval(differences, variances, draws=500, seed=study)
        ends = [(found.low, found.high, 1), (found.prediction_low, found.prediction_high, new), (low, high, new)]
        hits += [bottom <= value <= top for bottom, top, value in ends]
    return hits / studies


@pytest.mark.parametrize(("count", "between"), [(5, 0.5), (12, 1.0), (8, 3.0)])
def test_intervals_cover(count, between):
    mean, higgins, new = coverage(count, between, studies=400)
    print(f"{count} sets, tau {between}: mean {mean:.3f}, new set by Higgins {higgins:.3f}, by draws {new:.3f}")
    assert mean >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400)
    assert new >= 0.92 - 3 * np.sqrt(0.92 * 0.08 / 400)
    assert higgins >= 0.82


@pytest.mark.slow
@pytest.mark.parametrize("between", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("count", [3, 5, 8, 12, 20])
def test_intervals_cover_widely(count, between):
    mean, higgins, new = coverage(count, between, studies=1000)
    print(f"{count} sets, tau {between}: mean {mean:.3f}, new set by Higgins {higgins:.3f}, by draws {new:.3f}")
    assert mean >= 0.93
    assert new >= 0.91
    assert higgins >= 0.80


def test_a_new_set_lies_where_the_sets_lie_when_these_are_exact():
    """Forty sets known exactly: the interval is nearly that of Student's t for one more draw."""
    differences = np.random.default_rng(3).normal(2, 1, size=40)
    low, high = new_set_interval(differences, np.full(40, 1e-8), draws=20_000)
    reach = 2.023 * differences.std(ddof=1) * np.sqrt(1 + 1 / 40)
    assert (low, high) == pytest.approx((differences.mean() - reach, differences.mean() + reach), abs=0.1)
    assert (low, high) == new_set_interval(differences, np.full(40, 1e-8), draws=20_000)


def test_sets_that_agree_by_luck_do_not_narrow_the_interval():
    agreeing = random_effects(np.full(5, 1.0), np.ones(5))
    assert agreeing.tau == 0
    assert agreeing.error == pytest.approx(np.sqrt(1 / 5))


def test_one_set_has_no_interval():
    alone = random_effects(np.array([0.3]), np.array([0.1]))
    assert (alone.mean, alone.low, alone.prediction_high, alone.weights) == (0.3, None, None, [1.0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: random_effects(np.array([]), np.array([])), "a difference and a variance"),
        (lambda: random_effects(np.ones(2), np.ones(3)), "a difference and a variance"),
        (lambda: random_effects(np.ones(2), np.zeros(2)), "variances are finite and above 0"),
        (lambda: random_effects(np.array([1.0, np.nan]), np.ones(2)), "differences are finite"),
        (lambda: random_effects(np.ones(2), np.ones(2), confidence=95), "such as 0.95, not 95"),
        (lambda: new_set_interval(np.ones(2), np.ones(2)), "three or more sets"),
        (lambda: new_set_interval(np.ones(3), np.zeros(3)), "variances are finite and above 0"),
    ],
)
def test_senseless_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
