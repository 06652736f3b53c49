"""The offset power law of a learning curve: fitted to means and to draws of seeds, and tested on the size held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_EXPONENTS = (0.02, 3.0)
_GRID = 60
_GOLDEN = (np.sqrt(5.0) - 1) / 2


@dataclass(frozen=True)
class PowerLaw:
    """score(n) = limit - amplitude * n ** -exponent; in errors, offset + amplitude * n ** -exponent.

    Attributes:
        limit: the score with endless data.
        amplitude: how far the score of one row would be under the limit; 0 for a flat curve.
        exponent: how fast the rest falls.
        misfit: root mean square of the mean scores about the law, in score units.
    """

    limit: float
    amplitude: float
    exponent: float
    misfit: float


@dataclass(frozen=True)
class HeldOut:
    """How the law fitted without the largest size predicts it.

    Attributes:
        size: the size held out, in rows.
        measured: its mean score.
        predicted: what the law of the smaller sizes says there.
        low: lower end of the interval in which the measured mean should lie, were the law true.
        high: its upper end.
        passed: whether it does.
    """

    size: float
    measured: float
    predicted: float
    low: float
    high: float
    passed: bool


def fit_power_law(means: Floats, *, sizes: Sequence[float], ceiling: float = 1.0) -> PowerLaw:
    """Fit an offset power law to the mean scores of a learning curve by bounded least squares.

    The law is the one found for test error over training size by Hestness et al. 2017 (arXiv 1712.00409); Viering &
    Loog 2021 (arXiv 2103.10948) review where it fails. Limit and amplitude are linear once the exponent is given, so
    the search is over the exponent alone (variable projection: Golub & Pereyra 1973, SIAM J. Numer. Anal. 10).

    Args:
        means: (sizes,) mean scores; higher is better.
        sizes: (sizes,) training sizes in rows, increasing; three or more.
        ceiling: the best score there is: 1 for shares, 100 for points, 0 for a negated loss.

    Returns:
        The law with limit <= ceiling, amplitude >= 0, exponent from 0.02 to 3.

    Raises:
        ValueError: there are fewer than three sizes, or a score is above the ceiling.
    """
    if len(sizes) < 3 or means.shape != (len(sizes),):
        raise ValueError(f"a power law needs a mean at each of three or more sizes, not {means.shape}, {len(sizes)}")
    if not (means <= ceiling).all():
        raise ValueError(f"scores are at most {ceiling}, the ceiling given, not {float(means.max())}")
    limit, scaled, exponent, misfit = _fit(means[None], np.asarray(sizes, dtype=np.float64), ceiling)
    amplitude = float(scaled[0]) * float(sizes[-1]) ** float(exponent[0])
    return PowerLaw(float(limit[0]), amplitude, float(exponent[0]), float(misfit[0]))


def predict(law: PowerLaw, sizes: Sequence[float] | Floats) -> Floats:
    """Read a law at some sizes.

    Args:
        law: a fitted law.
        sizes: training sizes in rows.

    Returns:
        The score at each.
    """
    rows = np.asarray(sizes, dtype=np.float64)
    return np.asarray(law.limit - law.amplitude * rows**-law.exponent, dtype=np.float64)


def seed_draws(scores: Floats, *, confidence: float, resamples: int, seed: int) -> Floats:
    """Draw seeds with replacement, each with all its depths and sizes, and widen the deviations of their means.

    The widening, sqrt(S / (S - 1)) * t / z, makes the band of S seeds as wide as Student's t interval of a mean;
    without it a few seeds give too narrow a band (Hesterberg 2015, Am. Stat. 69).

    Args:
        scores: (depths, sizes, seeds) one score a run; two or more seeds.
        confidence: the level at which the widening is exact for a mean.
        resamples: number of draws.
        seed: of the draws.

    Returns:
        (depths, resamples, sizes) means, to be given to `refit`.
    """
    from scipy.special import ndtri, stdtrit

    count = scores.shape[2]
    tail = (1 + confidence) / 2
    widening = np.sqrt(count / (count - 1)) * float(stdtrit(count - 1, tail) / ndtri(tail))
    drawn = np.random.default_rng(seed).integers(0, count, size=(resamples, count))
    means = scores[:, :, drawn].mean(axis=3).swapaxes(1, 2)
    center = scores.mean(axis=2)[:, None, :]
    return np.asarray(center + widening * (means - center), dtype=np.float64)


def refit(draws: Floats, *, sizes: Sequence[float], at: Floats, ceiling: float) -> Floats:
    """Fit the law to each draw and read it at some sizes.

    Args:
        draws: (resamples, sizes) means of one depth, of `seed_draws`.
        sizes: (sizes,) training sizes in rows, increasing; three or more.
        at: sizes to read the laws at, in rows.
        ceiling: the best score there is.

    Returns:
        (resamples, sizes to read at) scores.
    """
    limit, amplitude, exponent, _ = _fit(draws, np.asarray(sizes, dtype=np.float64), ceiling)
    return np.asarray(limit[:, None] - amplitude[:, None] * (at / sizes[-1]) ** -exponent[:, None], dtype=np.float64)


def hold_out(
    means: Floats, draws: Floats, *, sizes: Sequence[float], ceiling: float = 1.0, confidence: float = 0.95
) -> HeldOut:
    """Predict the largest size from the others; its interval holds the noise of the refits and of the size itself.

    Args:
        means: (sizes,) mean scores.
        draws: (resamples, sizes) of `seed_draws`.
        sizes: (sizes,) training sizes in rows, increasing; four or more.
        ceiling: the best score there is.
        confidence: level of the test.

    Returns:
        The prediction and whether it stood.
    """
    law = fit_power_law(means[:-1], sizes=sizes[:-1], ceiling=ceiling)
    predicted, measured = float(predict(law, sizes[-1:])[0]), float(means[-1])
    refits = refit(draws[:, :-1], sizes=sizes[:-1], at=np.asarray(sizes[-1:], dtype=np.float64), ceiling=ceiling)[:, 0]
    # Block by block, because a lucky seed is lucky at all sizes and the two deviations partly cancel.
    error = (draws[:, -1] - measured) - (refits - predicted)
    low, high = np.quantile(error, [(1 - confidence) / 2, (1 + confidence) / 2]) + predicted
    return HeldOut(float(sizes[-1]), measured, predicted, float(low), float(high), passed=bool(low <= measured <= high))


def _fit(means: Floats, sizes: Floats, ceiling: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Fit many curves at once: limit, amplitude at the largest size, exponent and misfit, one each a row of `means`."""
    steps = np.log(sizes / sizes[-1])
    low, high = np.log(_EXPONENTS)
    grid = np.linspace(low, high, _GRID)
    squares = np.stack([_project(means, steps, np.full(len(means), g), ceiling)[2] for g in grid])
    best = squares.argmin(axis=0)
    left, right = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, _GRID - 1)]
    for _ in range(40):  # golden section: 40 steps narrow the bracket 2e8 times
        width = _GOLDEN * (right - left)
        a, b = right - width, left + width
        lower = _project(means, steps, a, ceiling)[2] <= _project(means, steps, b, ceiling)[2]
        left, right = np.where(lower, left, a), np.where(lower, b, right)
    exponent = (left + right) / 2
    limit, amplitude, square = _project(means, steps, exponent, ceiling)
    return limit, amplitude, np.exp(exponent), np.sqrt(square / len(sizes))


def _project(means: Floats, steps: Floats, log_exponent: Floats, ceiling: float) -> tuple[Floats, Floats, Floats]:
    """Solve for limit <= ceiling and amplitude >= 0 at a given exponent a curve; also the sum of squares left."""
    basis = np.exp(-np.exp(log_exponent)[:, None] * steps)  # 1 at the largest size, more below it
    offset, mean = basis.mean(axis=1), means.mean(axis=1)
    centered = basis - offset[:, None]
    amplitude = np.maximum(-(centered * means).sum(axis=1) / (centered**2).sum(axis=1), 0.0)
    limit = mean + amplitude * offset
    # Two unknowns and a convex square: where the free limit is above the ceiling, the best one is the ceiling.
    over = limit > ceiling
    bound = np.maximum((basis * (ceiling - means)).sum(axis=1) / (basis**2).sum(axis=1), 0.0)
    limit, amplitude = np.where(over, ceiling, limit), np.where(over, bound, amplitude)
    square = ((means - limit[:, None] + amplitude[:, None] * basis) ** 2).sum(axis=1)
    return limit, amplitude, square
