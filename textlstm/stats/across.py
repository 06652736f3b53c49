"""One answer over several data sets: the mean difference, and the range in which a new set's would lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RandomEffects:
    """The mean of a difference over data sets that are taken as draws from all such sets.

    Attributes:
        sets: number of data sets.
        mean: the mean difference.
        low: lower end of its Hartung-Knapp interval; None with one set.
        high: upper end of its interval; None with one set.
        error: standard error of the mean; None with one set.
        tau: standard deviation of the true difference from set to set; None with one set.
        q: Cochran's Q, about sets - 1 where all sets have one true difference.
        i2: share of the spread that is between sets rather than noise (Higgins & Thompson 2002).
        prediction_low: lower end of the interval for the difference on a new set; None with fewer than three sets.
        prediction_high: upper end of that interval.
        weights: share of each set in the mean.
        confidence: coverage of both intervals.
    """

    sets: int
    mean: float
    low: float | None
    high: float | None
    error: float | None
    tau: float | None
    q: float
    i2: float
    prediction_low: float | None
    prediction_high: float | None
    weights: list[float]
    confidence: float


def random_effects(differences: Floats, variances: Floats, *, confidence: float = 0.95) -> RandomEffects:
    """Average a difference over data sets, with what it would be on a new one.

    The variance between sets is Paule & Mandel's (1982, J. Res. NBS 87; recommended by Veroniki et al. 2016, Res.
    Synth. Methods 7). The interval of the mean is Hartung & Knapp's and Sidik & Jonkman's (2001/2002, Stat. Med.): t
    with sets - 1 degrees of freedom, the scale never under 1, so that sets that agree by luck do not narrow it (Rover,
    Knapp & Friede 2015, BMC Med. Res. Methodol. 15). The prediction interval has sets - 2 degrees of freedom (Higgins,
    Thompson & Spiegelhalter 2009, J. R. Stat. Soc. A 172), with that same standard error. Sets that share texts, as
    SST-2 and MR do, are not independent: keep one of them.

    In simulations with 3 to 20 sets the interval of the mean covered 94 to 100 %. The prediction interval covered 81 to
    100 %: it is too narrow where the spread between sets is no larger than their noise, since an estimate of 0 for that
    spread is then common and is taken as known; `new_set_interval` allows for it.

    Args:
        differences: (sets,) estimated difference of two depths on each set.
        variances: (sets,) squared standard error of each; above 0.
        confidence: coverage of both intervals, between 0 and 1.

    Returns:
        The mean and its intervals, in the unit of the differences.

    Raises:
        ValueError: there are no sets, lengths differ, or a variance is not above 0.
    """
    from scipy.special import stdtrit

    _check(differences, variances, confidence)
    sets = differences.size
    if sets == 1:
        return RandomEffects(1, float(differences[0]), None, None, None, None, 0.0, 0.0, None, None, [1.0], confidence)
    fixed = _spread(differences, variances, 0.0)
    tau2 = _between(differences, variances)
    weights = 1 / (variances + tau2)
    total = float(weights.sum())
    mean = float(weights @ differences) / total
    error = math.sqrt(max(1.0, _spread(differences, variances, tau2) / (sets - 1)) / total)
    tail = (1 + confidence) / 2
    reach = float(stdtrit(sets - 1, tail)) * error
    ahead = float(stdtrit(sets - 2, tail)) * math.sqrt(tau2 + error**2) if sets > 2 else None
    return RandomEffects(
        sets=sets,
        mean=mean,
        low=mean - reach,
        high=mean + reach,
        error=error,
        tau=math.sqrt(tau2),
        q=fixed,
        i2=max(0.0, 1 - (sets - 1) / fixed) if fixed > 0 else 0.0,
        prediction_low=None if ahead is None else mean - ahead,
        prediction_high=None if ahead is None else mean + ahead,
        weights=(weights / total).tolist(),
        confidence=confidence,
    )


def new_set_interval(
    differences: Floats, variances: Floats, *, confidence: float = 0.95, draws: int = 4000, seed: int = 0
) -> tuple[float, float]:
    """Say in what range the difference on a new set would lie, the spread between sets not being known.

    At the true spread, the weighted sum of squares is chi-square with sets - 1 degrees of freedom. Solving it for draws
    of that chi-square gives the confidence distribution of the spread (Viechtbauer 2007, Stat. Med. 26); each draw of
    it gives a mean with its error and a new set around that (Nagashima, Noma & Furukawa 2019, Stat. Methods Med. Res.
    28, build theirs in the same way). In simulations with 3 to 20 sets it covered 92 to 100 %.

    Args:
        differences: (sets,) estimated difference of two depths on each set; three or more.
        variances: (sets,) squared standard error of each; above 0.
        confidence: coverage, between 0 and 1.
        draws: number of draws.
        seed: of the draws.

    Returns:
        The interval's two ends.

    Raises:
        ValueError: there are fewer than three sets, or the input is not as for `random_effects`.
    """
    _check(differences, variances, confidence)
    if differences.size < 3:
        raise ValueError("an interval for a new set needs three or more sets")
    rng = np.random.default_rng(seed)
    target = rng.chisquare(differences.size - 1, size=draws)

    def weigh(tau2: Floats) -> tuple[Floats, Floats, Floats]:
        weights = 1 / (variances + tau2[:, None])
        total = weights.sum(axis=1)
        mean = weights @ differences / total
        return (weights * (differences - mean[:, None]) ** 2).sum(axis=1), mean, total

    low, high = np.zeros(draws), ((differences - differences.mean()) ** 2).sum() / target
    for _ in range(50):  # bisection; where no spread is large enough, it ends at 0
        middle = (low + high) / 2
        above = weigh(middle)[0] > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    _, mean, total = weigh(low)
    new = mean + rng.standard_normal(draws) * np.sqrt(low + 1 / total)
    bottom, top = np.quantile(new, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(bottom), float(top)


def _spread(differences: Floats, variances: Floats, tau2: float) -> float:
    """Take the weighted sum of squares about the weighted mean, with tau2 added to each set's variance."""
    weights = 1 / (variances + tau2)
    mean = weights @ differences / weights.sum()
    return float(weights @ (differences - mean) ** 2)


def _between(differences: Floats, variances: Floats) -> float:
    """Find the tau2 at which the weighted sum of squares is what it should be on average, sets - 1; 0 if none is."""
    from scipy.optimize import brentq

    target = differences.size - 1
    if _spread(differences, variances, 0.0) <= target:
        return 0.0
    # With tau2 above the plain sum of squares over its expectation, the weighted one is below it.
    top = float(((differences - differences.mean()) ** 2).sum()) / target
    return float(brentq(lambda tau2: _spread(differences, variances, tau2) - target, 0.0, top, xtol=1e-15, rtol=1e-12))


def _check(differences: Floats, variances: Floats, confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share between 0 and 1, such as 0.95, not {confidence}")
    if differences.size == 0 or differences.ndim != 1 or differences.shape != variances.shape:
        raise ValueError(f"each set has a difference and a variance, not {differences.shape} and {variances.shape}")
    if not (np.isfinite(differences).all() and np.isfinite(variances).all() and (variances > 0).all()):
        raise ValueError("differences are finite, and variances are finite and above 0")
