"""Paired differences: the formula against a mixed model and other references, its symmetries and its edges."""

import math
import warnings
from dataclasses import astuple

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.stats.crossed import crossed_variance
from textlstm.stats.paired import fold_difference, paired_difference
from textlstm.stats.planning import forecast


def grid(seed, seeds=6, examples=40, *, correlation=0.7, gain=0.3):
    """Scores of two models with seed, example and residual effects of sizes that all show."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(size=(1, seeds, 1)), rng.normal(size=(2, seeds, 1))
    effect = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    difficulty = rng.normal(size=(1, 1, examples)) + 0.8 * rng.normal(size=(2, 1, examples))
    scores = 0.9 * effect + difficulty + 0.7 * rng.normal(size=(2, seeds, examples))
    scores[1] += gain
    return scores


def answers(seed, seeds=5, examples=30):
    return np.random.default_rng(seed).integers(0, 2, size=(2, seeds, examples)).astype(float)


@pytest.mark.parametrize("seed", range(3))
def test_variance_parts_equal_a_mixed_models(seed):
    """On balanced data REML's components are the mean squares' (where none is negative): statsmodels finds the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pandas' and patsy's, at import
        import pandas as pd
        import statsmodels.formula.api as smf
    a, b = grid(seed, seeds=6, examples=25, correlation=0.0)
    seeds, examples = a.shape
    found = crossed_variance(a, b, pairing="paired")
    by_seed = seeds * float(found.seed_part - found.residual_part)
    by_example = examples * float(found.example_part - found.residual_part)
    residual = seeds * examples * float(found.residual_part)
    frame = pd.DataFrame(
        {
            "difference": (b - a).ravel(),
            "seed": np.repeat(np.arange(seeds), examples),
            "example": np.tile(np.arange(examples), seeds),
            "all": 1,
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its optimizer warns on its way; the figures are what is tested
        model = smf.mixedlm(
            "difference ~ 1", frame, groups="all", vc_formula={"seed": "0 + C(seed)", "example": "0 + C(example)"}
        ).fit(reml=True, method=["lbfgs", "powell"])
    components = dict(zip(model.model.exog_vc.names, model.vcomp, strict=True))
    assert by_seed > 0 and by_example > 0
    assert components["seed"] == pytest.approx(by_seed, rel=0.02)
    assert components["example"] == pytest.approx(by_example, rel=0.02)
    assert model.scale == pytest.approx(residual, rel=0.02)
    assert model.bse_fe["Intercept"] ** 2 == pytest.approx(float(found.variance), rel=0.02)


def test_the_seed_part_is_what_rliable_draws(monkeypatch):
    """rliable resamples runs alone: its spread is our seed part, and it leaves the examples' part out."""
    # rliable wants arch 7, whose import fails on pandas 3, for a decorator got an argument more; nothing here uses it.
    monkeypatch.setattr("pandas.util._decorators.deprecate_kwarg", lambda *_, **__: lambda function: function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries that it imports
        from rliable import library, metrics
    a, b = grid(1, seeds=8)
    by_run = (b - a).mean(axis=1)[:, None]  # one task
    drawn = library.StratifiedBootstrap(by_run, seed=0).apply(metrics.aggregate_mean, 4000)
    found = paired_difference(a, b, pairing="paired")
    parts = crossed_variance(a, b, pairing="paired")
    assert metrics.aggregate_mean(by_run) == pytest.approx(found.value)
    # A bootstrap's variance is smaller by (n - 1) / n; 4,000 draws have an error of 1.1 %.
    assert np.var(drawn) * 8 / 7 == pytest.approx(float(parts.seed_part), rel=0.08)
    assert found.standard_error**2 > 1.3 * float(parts.seed_part)


@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(2, 30))
@settings(deadline=None, max_examples=50)
def test_the_formula_as_written(seed, seeds, examples):
    a, b = grid(seed, seeds, examples)
    d = b - a
    by_seed = d.mean(axis=1).var(ddof=1) / seeds
    by_example = d.mean(axis=0).var(ddof=1) / examples
    left = d - d.mean(axis=1, keepdims=True) - d.mean(axis=0) + d.mean()
    mean_square = (left**2).sum() / ((seeds - 1) * (examples - 1))
    residual = mean_square / (seeds * examples)
    variance = max(by_seed + by_example - residual, by_seed, by_example)
    slack = by_seed**2 / (seeds - 1) + by_example**2 / (examples - 1) + residual**2 / ((seeds - 1) * (examples - 1))
    reach = scipy.stats.t.ppf(0.975, variance**2 / slack) * np.sqrt(variance)
    found = paired_difference(a, b, pairing="paired")
    assert (found.low, found.high) == pytest.approx((d.mean() - reach, d.mean() + reach))
    assert found.seed_share + found.example_share + found.residual_share == pytest.approx(1)
    assert found.p_value == pytest.approx(2 * scipy.stats.t.sf(abs(d.mean()) / np.sqrt(variance), variance**2 / slack))
    assert found.bound("upper", 0.025) == pytest.approx(found.high)
    assert found.bound("lower", 0.025) == pytest.approx(found.low)


def test_one_example_effect_alone_is_the_paired_t_test():
    """Seeds that all agree leave the paired t test over examples, less the seeds' share of its freedom."""
    rng = np.random.default_rng(0)
    a, b = (np.tile(rng.normal(size=50), (5, 1)) for _ in range(2))
    reference = scipy.stats.ttest_rel(b[0], a[0]).confidence_interval(0.95)
    found = paired_difference(a, b)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    assert (found.example_share, found.limit) == pytest.approx((1, found.high - found.value))


def test_independent_seeds_are_welchs_test_where_examples_do_not_differ():
    """Without example effects the unpaired form is a two-sample t test of the seeds' means."""
    rng = np.random.default_rng(4)
    a, b = np.repeat(rng.normal(size=(5, 1)), 400, axis=1), np.repeat(rng.normal(size=(9, 1)), 400, axis=1)
    reference = scipy.stats.ttest_ind(b[:, 0], a[:, 0], equal_var=False).confidence_interval(0.95)
    found = paired_difference(a, b)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), rel=1e-6)
    assert (found.paired, found.seeds) == (False, 5)


@given(st.integers(0, 10_000), st.integers(-3, 3))
@settings(deadline=None, max_examples=50)
def test_symmetries(seed, constant):
    """Order of seeds and of examples, a constant added to both, and the direction of the difference."""
    a, b = answers(seed)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(a.shape[0]), rng.permutation(a.shape[1])
    found = paired_difference(a, b)
    assert astuple(paired_difference(a[rows][:, columns], b[rows][:, columns])) == pytest.approx(astuple(found))
    assert astuple(paired_difference(a + constant, b + constant)) == pytest.approx(astuple(found))
    assert astuple(paired_difference(b, a)) == pytest.approx(astuple(found.reversed()))
    moved = paired_difference(a, b + 1)
    assert (moved.value, moved.standard_error) == pytest.approx((found.value + 1, found.standard_error))


def test_pairs_are_taken_where_seeds_go_together():
    a, b = grid(2, seeds=30, correlation=0.9)
    assert paired_difference(a, b).paired
    a, b = grid(2, seeds=30, correlation=0.0)
    alone = paired_difference(a, b)
    assert not alone.paired and alone.seed_correlation < 0.2
    assert alone.standard_error == max(
        paired_difference(a, b, pairing=form).standard_error for form in ("paired", "unpaired")
    )
    assert alone.freedom == paired_difference(a, b, pairing="unpaired").freedom


def test_studies_on_leading_axes_are_worked_out_one_by_one():
    studies = np.stack([answers(seed) for seed in range(20)])
    together = crossed_variance(studies[:, 0], studies[:, 1])
    for k, (a, b) in enumerate(studies):
        alone = crossed_variance(a, b)
        assert [float(v) for v in astuple(alone)] == pytest.approx([float(v[k]) for v in astuple(together)])


def test_identical_models_differ_by_nothing():
    a = answers(1)[0]
    found = paired_difference(a, a)
    assert (found.value, found.low, found.high, found.standard_error, found.p_value) == (0, 0, 0, 0, 1)
    assert np.isfinite(forecast(found, 0.05, seeds=[2, 20], examples=50)).all()


@pytest.mark.parametrize("form", ["auto", "paired", "unpaired"])
def test_scores_without_spread(form):
    """All right against all wrong, some examples without variance, and seeds that differ in rounding only."""
    zeros, ones = np.zeros((4, 6)), np.ones((4, 6))
    sure = paired_difference(zeros, ones, pairing=form)
    assert (sure.value, sure.low, sure.high, sure.p_value) == (1, 1, 1, 0)
    some = ones.copy()
    some[:, :2] = answers(3, 4, 2)[0]
    found = paired_difference(some, ones, pairing=form)
    assert 0 < found.value < 1 and math.isfinite(found.standard_error)
    rounding = np.tile(np.random.default_rng(1).normal(size=6), (4, 1)) * (1 + 1e-16 * np.arange(4))[:, None]
    assert paired_difference(rounding, rounding[::-1] + 0.1).seed_correlation == 0


def test_one_seed_says_nothing():
    a, b = answers(2, seeds=1)
    for found in (paired_difference(a, b), paired_difference(a.T, b.T)):
        assert (found.low, found.high, found.limit, found.p_value) == (-math.inf, math.inf, math.inf, 1)
        assert found.bound("upper", 0.05) == math.inf and math.isnan(found.seed_share)
        assert found.value == pytest.approx(b.mean() - a.mean())


def test_forecast_starts_at_the_present_and_ends_at_the_limit():
    a, b = grid(3)
    found = paired_difference(a, b)
    now = float(forecast(found, 0.025, seeds=found.seeds, examples=found.examples))
    assert now == pytest.approx(found.high - found.value, rel=1e-9)
    path = forecast(found, 0.025, seeds=[6, 12, 100, 10_000, math.inf], examples=found.examples)
    assert (np.diff(path) < 0).all() and path[-1] <= found.limit
    assert float(forecast(found, 0.025, seeds=math.inf, examples=math.inf)) == 0


def test_forecast_starts_at_the_present_where_one_side_varies_more():
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(6, 60)) + noise * rng.normal(size=(6, 1)) for noise in (0.02, 1.0))
    found = paired_difference(a, b, pairing="unpaired")
    for alpha in (0.05, 0.005):
        now = float(forecast(found, alpha, seeds=found.seeds, examples=found.examples))
        assert now == pytest.approx(found.bound("upper", alpha) - found.value, rel=1e-9)
    assert (np.diff(forecast(found, 0.05, seeds=[6, 7, 20, 500], examples=60)) < 0).all()


def test_a_test_set_never_resolves_perfectly_where_texts_vary():
    """Noise alone floors the texts' part at 0; what it leaves open is still said."""
    for seed in range(20):
        scores = np.random.default_rng(seed).integers(0, 2, (2, 5, 40))
        found = paired_difference(scores[0], scores[1], pairing="paired")
        assert 0 < found.limit <= (found.high - found.low) / 2 + 1e-12
        assert found.resolution(0.025) == pytest.approx(found.limit)


def test_forecast_tells_what_more_seeds_bring():
    """From 400 studies of 5 seeds the mean forecast for 20 seeds is near the mean width that 20 seeds have."""
    now = [paired_difference(*grid(seed, 5, 30)) for seed in range(400)]
    later = [paired_difference(*grid(seed, 20, 30)) for seed in range(400)]
    foretold = np.median([float(forecast(found, 0.025, seeds=20, examples=30)) for found in now])
    assert foretold == pytest.approx(np.median([found.high - found.value for found in later]), rel=0.12)


def folds(seed, count=10, seeds=4, gain=0.2):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(15, 25, size=count)
    sides = [[rng.normal(size=(seeds, n)) + rng.normal(0, 0.2, size=(seeds, 1)) for n in sizes] for _ in range(2)]
    return sides[0], [fold + gain for fold in sides[1]]


def test_folds_follow_nadeau_and_bengio():
    a, b = folds(0)
    differences = np.array([(y.mean(axis=1) - x.mean(axis=1)).mean() for x, y in zip(a, b, strict=True)])
    rows = sum(fold.shape[1] for fold in a)
    variance = differences.var(ddof=1) * (1 / 10 + (rows / 10) / (rows * 9 / 10))
    found = fold_difference(a, b)
    reach = scipy.stats.t.ppf(0.975, 9) * np.sqrt(variance)
    assert (found.low, found.high) == pytest.approx((differences.mean() - reach, differences.mean() + reach))
    assert (found.freedom, found.folds, found.examples) == (9, 10, rows)
    smaller = fold_difference(a, b, train_rows=50)
    assert smaller.standard_error**2 == pytest.approx(differences.var(ddof=1) * (0.1 + rows / 10 / 50))
    assert 0 <= found.seed_share <= 1 and found.limit <= reach
    assert astuple(fold_difference(b, a)) == pytest.approx(astuple(found.reversed()))


def test_folds_at_the_edge():
    a, b = folds(1, seeds=1)
    single = fold_difference(a, b)
    assert math.isfinite(single.high) and math.isnan(single.seed_share) and single.limit == math.inf
    same = fold_difference(a, a)
    assert (same.value, same.low, same.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda a, b: paired_difference(a, b[:, :-1]), "over the same examples"),
        (lambda a, b: paired_difference(a[:-1], b, pairing="paired"), "as many on both sides, not 4 and 5"),
        (lambda a, b: paired_difference(a[0], b[0]), "over the same examples"),
        (lambda a, b: paired_difference(a * np.nan, b), "finite numbers, and some here are not"),
        (lambda a, b: paired_difference(a, b, confidence=95), "such as 0.95, not 95"),
        (lambda a, b: paired_difference(a[:0], b[:0]), "at least one seed and one example"),
        (lambda a, b: paired_difference(a[None], b[None]), "scores of one model are"),
        (lambda a, b: paired_difference(a, b).bound("upper", 0.6), "alpha lies between 0 and 0.5, not 0.6"),
        (lambda a, b: crossed_variance(a[:1], b[:1]), "at least two seeds and two examples"),
        (lambda a, b: fold_difference([a], [b]), "two folds or more on both sides, not 1 and 1"),
        (lambda a, b: fold_difference([a, a], [b]), "two folds or more on both sides, not 2 and 1"),
        (lambda a, b: fold_difference([a, a], [b, b], train_rows=0), "at least one row, not 0"),
        (lambda a, b: fold_difference([a, a], [b, b], confidence=1), "such as 0.95, not 1"),
        (lambda a, b: fold_difference([a, a], [b, b[:-1]]), "as many on both sides"),
    ],
)
def test_senseless_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(*answers(0))
