"""Robust summaries over data sets and seeds: interquartile mean, performance profile, probability of improvement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CHUNK_CELLS = 4_000_000  # resampled figures held at a time: 32 MB


@dataclass(frozen=True)
class Summary:
    """A figure over sets and seeds, with a bootstrap interval for the drawing.

    Attributes:
        value: the figure.
        low: lower end of the interval.
        high: upper end of the interval.
        confidence: coverage aimed at.
    """

    value: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class Profile:
    """The share of runs, over all sets, whose figure is above each threshold.

    Attributes:
        thresholds: the thresholds, increasing.
        share: share of runs above each.
        low: lower end of the pointwise bootstrap band.
        high: upper end of the band.
        confidence: coverage aimed at.
    """

    thresholds: list[float]
    share: list[float]
    low: list[float]
    high: list[float]
    confidence: float


def normalized_differences(deep: Floats, shallow: Floats, *, ceiling: float = 1.0) -> Floats:
    """Divide each run's difference by the error that the shallower stack makes on that set, seeds averaged.

    A point means more at 98 than at 50: 0.1 says that a tenth of the shallower stack's error went away, on any set.

    Args:
        deep: (sets, seeds) scores of the deeper stack.
        shallow: (sets, seeds) scores of the shallower one, same seeds in the same order.
        ceiling: the best score there is.

    Returns:
        (sets, seeds) shares of the error taken away; negative where the deeper stack is worse.

    Raises:
        ValueError: the shapes differ, or the shallower stack leaves no error on a set.
    """
    if deep.ndim != 2 or deep.shape != shallow.shape:
        raise ValueError(f"both depths have scores (sets, seeds), not {deep.shape} and {shallow.shape}")
    room = ceiling - shallow.mean(axis=1, keepdims=True)
    if not (room > 0).all():
        raise ValueError("a set on which the shallower stack makes no error has no room for a difference")
    return np.asarray((deep - shallow) / room, dtype=np.float64)


def interquartile_mean(figures: Floats, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0) -> Summary:
    """Average the middle half of all runs over all sets (Agarwal et al. 2021, NeurIPS, arXiv 2108.13264).

    It heeds single sets and collapsed runs less than the mean, and is steadier than the median. The bootstrap draws
    seeds within each set, so its interval is for these sets.

    Args:
        figures: (sets, seeds) such as normalized differences.
        confidence: coverage aimed at, between 0 and 1.
        resamples: number of draws.
        seed: of the draws.

    Returns:
        The interquartile mean and its interval.

    Raises:
        ValueError: a figure is missing.
    """
    _check_figures(figures, confidence)
    return _resampled_middle(figures, confidence=confidence, resamples=resamples, seed=seed)


def performance_profile(
    figures: Floats,
    *,
    thresholds: Sequence[float],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Profile:
    """Take the share of runs above each threshold, over all sets (Agarwal et al. 2021, arXiv 2108.13264).

    Args:
        figures: (sets, seeds) such as normalized differences.
        thresholds: increasing.
        confidence: pointwise coverage aimed at, between 0 and 1.
        resamples: number of draws of seeds within sets.
        seed: of the draws.

    Returns:
        The profile with its band.

    Raises:
        ValueError: a figure is missing, or the thresholds do not increase.
    """
    _check_figures(figures, confidence)
    steps = np.asarray(thresholds, dtype=np.float64)
    if steps.size == 0 or not (np.diff(steps) > 0).all():
        raise ValueError("a profile needs increasing thresholds")
    # Which thresholds a run is above is counted once; a draw then only adds up counts.
    above = (figures[:, :, None] > steps).astype(np.float64)
    share = above.mean(axis=(0, 1))
    sets, seeds = figures.shape
    rng = np.random.default_rng(seed)
    times = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=(resamples, sets))
    drawn = times.reshape(resamples, sets * seeds) @ above.reshape(sets * seeds, -1) / (sets * seeds)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return Profile(steps.tolist(), share.tolist(), low.tolist(), high.tolist(), confidence)


def probability_of_improvement(
    deep: Floats, shallow: Floats, *, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Summary:
    """Take the chance that a run of the deeper stack beats one of the shallower on a random set; ties count half.

    Runs are compared across seeds, as for two people who train one stack each: the mean over sets of Mann & Whitney's
    U / (seeds * seeds) (Agarwal et al. 2021, arXiv 2108.13264). Above 0.5 is no statement on how much is won.

    Args:
        deep: (sets, seeds) scores of the deeper stack.
        shallow: (sets, seeds) scores of the shallower one; the number of seeds may differ.
        confidence: coverage aimed at, between 0 and 1.
        resamples: number of draws of seeds within sets, apart for the two.
        seed: of the draws.

    Returns:
        The probability and its interval.

    Raises:
        ValueError: a score is missing, or the numbers of sets differ.
    """
    _check_figures(deep, confidence)
    _check_figures(shallow, confidence)
    if len(deep) != len(shallow):
        raise ValueError(f"both depths are scored on the same sets, not on {len(deep)} and {len(shallow)}")
    sign = np.sign(deep[:, :, None] - shallow[:, None, :])
    wins = (sign + 1) / 2
    rng = np.random.default_rng(seed)
    sets, many, few = wins.shape
    left = rng.multinomial(many, np.full(many, 1 / many), size=(resamples, sets)) / many
    right = rng.multinomial(few, np.full(few, 1 / few), size=(resamples, sets)) / few
    drawn = np.einsum("rsi,sij,rsj->r", left, wins, right, optimize=True) / sets
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Summary(float(wins.mean()), float(low), float(high), confidence)


def _middle_mean(flat: Floats) -> Floats:
    """Average each row without its lowest and highest quarter, whole runs only, as rliable and scipy's trim_mean do."""
    cut = flat.shape[1] // 4
    return np.asarray(np.sort(flat, axis=1)[:, cut : flat.shape[1] - cut].mean(axis=1), dtype=np.float64)


def _resampled_middle(figures: Floats, *, confidence: float, resamples: int, seed: int) -> Summary:
    """Resample seeds within sets, and take percentiles of the middle mean."""
    rng = np.random.default_rng(seed)
    sets, seeds = figures.shape
    drawn = np.empty(resamples)
    step = max(1, _CHUNK_CELLS // figures.size)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        which = rng.integers(0, seeds, size=(count, sets, seeds))
        picked = np.take_along_axis(figures[None], which, axis=2)
        drawn[start : start + count] = _middle_mean(picked.reshape(count, -1))
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Summary(float(_middle_mean(figures.reshape(1, -1))[0]), float(low), float(high), confidence)


def _check_figures(figures: Floats, confidence: float) -> None:
    _check_confidence(confidence)
    if figures.ndim != 2 or figures.size == 0 or not np.isfinite(figures).all():
        raise ValueError("figures are (sets, seeds) and finite: a seed that lacks a set is left out of all sets")


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share between 0 and 1, such as 0.95, not {confidence}")
