"""Looking several times: what is spent, how often nothing is taken for something, and how alike redrawn splits are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri, stdtrit

from textlstm.stats.sequential import (
    LOOKS,
    measured_overlap,
    nominal_levels,
    pooled_variance,
    repeated_bounds,
    spent,
    variance_factor,
)


@given(st.floats(0.001, 0.3), st.lists(st.floats(0.01, 1.0), min_size=2, max_size=5))
@settings(deadline=None)
def test_spending_rises_to_alpha_and_is_small_early(alpha, shares):
    used = spent(np.sort(shares), alpha)
    assert np.all(np.diff(used) >= 0)
    assert float(spent(1.0, alpha)) == pytest.approx(alpha)
    assert float(spent(0.25, alpha)) < 0.25 * alpha


def test_one_look_at_the_end_is_the_plain_test_and_an_early_end_spends_less():
    assert nominal_levels((12,), most=12, alpha=0.05) == pytest.approx((0.05,), abs=1e-6)
    assert nominal_levels((6,), most=12, alpha=0.05)[0] == pytest.approx(float(spent(0.5, 0.05)))
    assert nominal_levels(LOOKS, most=12, alpha=0.05)[:2] == nominal_levels((3, 5), most=12, alpha=0.05)


@pytest.mark.parametrize("looks", [(5, 3), (3, 3), (), (3, 13)])
def test_looks_that_do_not_rise_to_the_last_are_refused(looks):
    with pytest.raises(ValueError, match="looks rise"):
        nominal_levels(looks, most=12, alpha=0.05)


@pytest.mark.parametrize("alpha", [0.05, 0.0125])
def test_normal_scores_cross_the_borders_as_often_as_alpha_says(alpha):
    draws = 200_000
    walk = np.random.default_rng(0).standard_normal((draws, 12)).cumsum(axis=1)
    levels = nominal_levels(LOOKS, most=12, alpha=alpha)
    crossed = np.zeros(draws, dtype=bool)
    used = []
    for seeds, level in zip(LOOKS, levels, strict=True):
        crossed |= walk[:, seeds - 1] / seeds**0.5 > -ndtri(level)
        used.append(crossed.mean())
    error = 4 * (alpha / draws) ** 0.5
    assert used == pytest.approx(spent(np.array(LOOKS) / 12, alpha).tolist(), abs=error)


def test_bounds_at_the_only_look_are_a_t_interval_and_wider_with_overlap():
    values = np.array([0.01, 0.03, -0.01, 0.02])
    one = repeated_bounds(values, looks=(4,), most=4, alpha=0.05)
    reach = stdtrit(3, 0.95) * values.std(ddof=1) / 2
    assert (one.low, one.high) == pytest.approx((values.mean() - reach, values.mean() + reach), rel=1e-5)
    inflated = repeated_bounds(values, looks=(4,), most=4, alpha=0.05, overlap=1 / 3)
    assert inflated.error / one.error == pytest.approx((1 + 4 / 3) ** 0.5)
    with pytest.raises(ValueError, match="one of the looks"):
        repeated_bounds(values, looks=(3, 5), most=5)


def test_pooling_one_depth_is_its_own_variance_and_more_depths_bring_freedom_but_not_all_of_it():
    values = np.random.default_rng(0).normal(size=(3, 6))
    assert pooled_variance([values[0]]) == pytest.approx((values[0].var(ddof=1), 5.0))
    variance, freedom = pooled_variance(list(values))
    assert variance == pytest.approx(values.var(axis=1, ddof=1).mean())
    assert 5 < freedom < 15


def _redrawn(rng, *, texts, seeds, text_share, spread=0.15, luck=0.01):
    """Differences of two depths on redrawn quarters; a share of their variance belongs to the texts."""
    own = rng.standard_normal(texts) * (spread * text_share) ** 0.5
    drawn = own + rng.standard_normal((seeds, texts)) * (spread * (1 - text_share)) ** 0.5
    drawn += rng.standard_normal((seeds, 1)) * luck
    held = np.argsort(rng.random((seeds, texts)), axis=1) < texts // 4
    return np.where(held, drawn, np.nan)


def test_overlap_is_at_most_the_ratio_and_falls_to_nothing_where_texts_have_no_say():
    rng = np.random.default_rng(0)
    none = measured_overlap(_redrawn(rng, texts=4000, seeds=12, text_share=0.0), cap=1 / 3)
    much = measured_overlap(_redrawn(rng, texts=4000, seeds=12, text_share=0.8), cap=1 / 3)
    assert none < 0.02 < 0.07 < much <= 1 / 3
    assert measured_overlap(np.where(np.eye(4), 1.0, np.nan), cap=1 / 3) == 1 / 3  # no text is seen twice


@pytest.mark.slow
@pytest.mark.parametrize("text_share", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("seeds", [5, 12])
def test_the_measured_variance_is_near_the_true_one_and_nadeau_and_bengios_above(seeds, text_share):
    rng = np.random.default_rng(1)
    means, measured, inflated = [], [], []
    for _ in range(1500):
        drawn = _redrawn(rng, texts=600, seeds=seeds, text_share=text_share)
        figures = np.nanmean(drawn, axis=1)
        means.append(figures.mean())
        ratio = measured_overlap(drawn, cap=1 / 3)
        measured.append(figures.var(ddof=1) * variance_factor(seeds, ratio))
        inflated.append(figures.var(ddof=1) * variance_factor(seeds, 1 / 3))
    true = np.var(means)
    print(
        f"{seeds} seeds, {text_share}: measured {np.mean(measured) / true:.2f}, inflated {np.mean(inflated) / true:.2f}"
    )
    assert 0.85 < np.mean(measured) / true < 1.4
    assert np.mean(inflated) > 1.15 * true


@pytest.mark.slow
def test_spending_keeps_the_error_of_a_family_where_naive_peeking_multiplies_it():
    """Three deeper stacks, none better; four looks. Peeking takes each at 5 % two-sided, as one does by hand."""
    rng = np.random.default_rng(2)
    draws, deeper = 20_000, 3
    own = rng.standard_normal((draws, deeper + 1, 12))
    gains = own[:, 1:] - own[:, :1]
    levels = nominal_levels(LOOKS, most=12, alpha=0.05 / deeper)
    found = naive = np.zeros(draws, dtype=bool)
    for seeds, level in zip(LOOKS, levels, strict=True):
        part = gains[:, :, :seeds]
        score = part.mean(axis=2) / (part.std(axis=2, ddof=1) / seeds**0.5)
        found = found | (score > -stdtrit(seeds - 1, level)).any(axis=1)
        naive = naive | (score > -stdtrit(seeds - 1, 0.025)).any(axis=1)
    print(f"spending {100 * found.mean():.1f} %, peeking {100 * naive.mean():.1f} %")
    assert found.mean() < 0.05 + 2 * (0.05 * 0.95 / draws) ** 0.5
    assert naive.mean() > 0.12
