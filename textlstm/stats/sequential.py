"""Looking at a comparison several times while seeds come in, without finding too often what is not there.

Looking after 3, 5, 8 and 12 seeds with a 5 % test each time finds a difference where there is none in well over 5 % of
studies. An error-spending function (Lan & DeMets 1983, Biometrika 70) says how much of the 5 % may be used up at which
share of the information; the one here is shaped like O'Brien & Fleming's bounds (1979, Biometrics 35), which spend
little early. The nominal levels that follow are put on Student's t, whose freedom is that of the seeds at hand
(quantile substitution: Pocock 1977, Biometrika 64; Jennison & Turnbull 2000, Group Sequential Methods, section 4.4).

Seeds that redraw the hold-out rows from one pool are not independent: the variance of their mean is not s^2 / J, and
Nadeau & Bengio (2003, Machine Learning 52) take s^2 (1/J + n_test/n_train). That ratio stands for a correlation which
one figure a seed cannot give. Where single texts are known, `measured_overlap` measures it, and the ratio is its limit:
in simulations of redrawn quarters their variance was 1.4 to 5 times the true one, s^2 / J 0.3 to 1, the measured one
0.9 to 1.3 (`tests/stats/test_sequential.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LOOKS = (3, 5, 8, 12)
"""Seeds a depth at which a study is looked at."""

_NODES = 1201  # of the grid on which the score's density is carried from look to look
_SPAN = 9.0  # standard deviations on each side


@dataclass(frozen=True)
class RepeatedBounds:
    """The mean of a difference with bounds that hold at all looks together.

    Attributes:
        value: mean over seeds, in the scores' unit.
        low: lower bound; with chance 1 - alpha no look's lower bound lies above the truth.
        high: upper bound, likewise.
        error: standard error of the mean, with the inflation for redrawn splits.
        freedom: degrees of freedom of the t quantile.
        level: one-sided nominal level of this look.
        seeds: number of seeds.
    """

    value: float
    low: float
    high: float
    error: float
    freedom: float
    level: float
    seeds: int


def spent(share: ArrayLike, alpha: float) -> Floats:
    """Say how much of a one-sided error is used up at a share of the information.

    Args:
        share: of the information at the last look, above 0 and at most 1.
        alpha: chance of a false finding over all looks, between 0 and one half.

    Returns:
        2 - 2 Phi(z / sqrt(share)) with z the upper alpha / 2 quantile: O'Brien & Fleming's shape, alpha at share 1.
    """
    from scipy.special import ndtr, ndtri

    return np.asarray(2 * ndtr(ndtri(alpha / 2) / np.sqrt(np.asarray(share, dtype=np.float64))))


def variance_factor(seeds: int, overlap: float) -> float:
    """Give the variance of a mean over seeds that redraw their hold-out rows, over that of one seed's figure.

    Args:
        seeds: number of redrawn splits, J.
        overlap: hold-out rows over training rows, n_test / n_train; 0 for independent seeds.

    Returns:
        1 / J + n_test / n_train (Nadeau & Bengio 2003, equation 10).

    Raises:
        ValueError: there are no seeds, or the ratio is negative.
    """
    if seeds < 1 or not overlap >= 0:
        raise ValueError(f"a mean is over one seed or more and the ratio is not negative, not {seeds} and {overlap}")
    return 1 / seeds + overlap


@lru_cache(maxsize=4096)
def nominal_levels(looks: tuple[int, ...], *, most: int, alpha: float) -> tuple[float, ...]:
    """Find the one-sided nominal level of each look, so that no more than what may be spent is spent.

    The looks need not be those that were planned (a budget may end a study early): that is what spending functions are
    for, as long as the data do not choose the moments. The recursion carries the density of the score process from look
    to look (Armitage, McPherson & Rowe 1969, J. R. Stat. Soc. A 132). Seeds count as independent here: looks at redrawn
    splits are more alike than that, and the more alike they are, the less often one of them goes wrong (Slepian 1962).

    Args:
        looks: numbers of seeds at the looks so far, rising.
        most: seeds at the last planned look.
        alpha: chance of a false finding over all looks, on one side, between 0 and one half.

    Returns:
        One level a look.

    Raises:
        ValueError: looks do not rise, or go beyond the last one.
    """
    if not looks or list(looks) != sorted(set(looks)) or looks[-1] > most:
        raise ValueError(f"looks rise and end at {most} seeds or before, not {looks}")
    from scipy.special import ndtr, ndtri

    shares = np.array(looks) / most
    steps = np.diff(spent(shares, alpha), prepend=0.0)
    levels: list[float] = []
    grid = density = None
    for number, share in enumerate(shares):
        deviation = math.sqrt(share)
        if grid is None or density is None:
            level = float(steps[0])
            border = -float(ndtri(level)) * deviation
            grid = np.linspace(-_SPAN * deviation, border, _NODES)
            density = np.exp(-0.5 * (grid / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
        else:
            weights = np.full(_NODES, grid[1] - grid[0])  # Simpson's rule, since the density is smooth up to the border
            weights[1:-1:2] *= 4 / 3
            weights[2:-1:2] *= 2 / 3
            weights[[0, -1]] /= 3
            step = math.sqrt(share - shares[number - 1])
            low, high = 0.0, _SPAN * deviation + step
            for _ in range(60):
                middle = (low + high) / 2
                beyond = float((weights * density) @ ndtr((grid - middle) / step))
                low, high = (middle, high) if beyond > steps[number] else (low, middle)
            border = (low + high) / 2
            level = float(ndtr(-border / deviation))
            new = np.linspace(-_SPAN * deviation, border, _NODES)
            kernel = np.exp(-0.5 * ((new[:, None] - grid) / step) ** 2) / (step * math.sqrt(2 * math.pi))
            grid, density = new, kernel @ (weights * density)
        levels.append(level)
    return tuple(levels)


def repeated_bounds(
    values: Sequence[float] | Floats,
    *,
    looks: tuple[int, ...] = LOOKS,
    most: int = LOOKS[-1],
    alpha: float = 0.05,
    overlap: float = 0.0,
    variance: float | None = None,
    freedom: float | None = None,
) -> RepeatedBounds:
    """Bound a mean difference at one of several looks (repeated bounds: Jennison & Turnbull 1989, JRSS B 51).

    Args:
        values: one difference a seed, of all seeds so far; two or more.
        looks: numbers of seeds at the looks up to this one and, if wanted, later; this one is among them.
        most: seeds at the last planned look.
        alpha: chance over all looks that the lower bound is wrong; the same for the upper bound.
        overlap: hold-out rows over training rows.
        variance: of one seed's difference, where it is known better than from these values alone.
        freedom: of `variance`; the number of seeds less 1 when None.

    Returns:
        The bounds.

    Raises:
        ValueError: fewer than two values, or their number is no look.
    """
    from scipy.special import stdtrit

    figures = np.asarray(values, dtype=np.float64)
    seeds = figures.size
    if seeds < 2 or seeds not in looks:
        raise ValueError(f"bounds are for one of the looks at {looks} seeds, and there are {seeds}")
    level = nominal_levels(looks[: looks.index(seeds) + 1], most=most, alpha=alpha)[-1]
    own = float(figures.var(ddof=1)) if variance is None else variance
    free = float(seeds - 1) if freedom is None else freedom
    error = math.sqrt(own * variance_factor(seeds, overlap))
    reach = -float(stdtrit(free, level)) * error
    value = float(figures.mean())
    return RepeatedBounds(value, value - reach, value + reach, error, free, level, seeds)


def pooled_variance(values: Sequence[Floats], *, correlation: float = 0.5) -> tuple[float, float]:
    """Estimate one variance of a seed's difference from the differences of several depths over the same first depth.

    Args:
        values: by depth, one difference a seed; each of two seeds or more. Numbers of seeds may differ.
        correlation: of two depths' differences; one half where they share the first depth's scores and nothing else.

    Returns:
        The variance, and Satterthwaite's degrees of freedom: fewer than the sum, since the depths' estimates go
        together.
    """
    parts = [np.asarray(part, dtype=np.float64) for part in values]
    frees = np.array([part.size - 1 for part in parts], dtype=np.float64)
    pooled = sum(free * float(part.var(ddof=1)) for free, part in zip(frees, parts, strict=True)) / frees.sum()
    # Two sample variances of normal figures correlate by the square of the figures' correlation.
    together = np.minimum.outer(frees, frees) * correlation**2
    np.fill_diagonal(together, frees)
    return float(pooled), float(frees.sum() ** 2 / together.sum())


def measured_overlap(differences: Floats, *, cap: float) -> float:
    """Measure how much redrawn splits have in common, in place of Nadeau & Bengio's n_test / n_train.

    Their ratio takes two splits' figures for as alike as can be. What splits share are texts: the part of a difference
    that belongs to a text, whoever is trained on the others, comes back in every split that holds the text, and no
    number of redraws averages it out. That part is the mean product of one text's differences under two seeds. The
    estimate is taken one standard error too high, and never above their ratio.

    Args:
        differences: (seeds, texts) difference of two depths on each text that a seed has held out, nan on the others.
        cap: hold-out rows over training rows.

    Returns:
        The ratio to take in place of n_test / n_train: s^2 (1 / J + ratio) is the variance of the mean.
    """
    held = np.isfinite(differences)
    times = held.sum(axis=0)
    pairs = float((times * (times - 1)).sum() / 2)
    sizes = held.sum(axis=1)
    if pairs < 2 or sizes.min() < 2:
        return cap
    means = np.nansum(differences, axis=1) / sizes
    centered = np.where(held, differences - means[:, None], 0.0)
    squares = (centered**2).sum()
    spread = squares / (held.sum() - len(sizes))
    products = (centered.sum(axis=0) ** 2).sum() - squares
    of_texts = max(0.0, products / (2 * pairs)) + spread / math.sqrt(pairs)
    seeds = max(float(means.var(ddof=1)), spread / float(sizes.mean()))
    return min(cap, float(of_texts / (times > 0).sum() / seeds)) if seeds > 0 else cap
