"""Where a curve falls below a level, as far as a ladder of measured places tells, and means of such figures.

A curve that is still above the level at the end of the ladder is censored there: the place is further up, nobody knows
how far; one that is below it at the first place already is known to lie under that. Effects keep what is left open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.claims.effects import effect_over_seeds
from textlstm.analysis.claims.finding import Effect

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Crossing:
    """Where a curve falls below a level, or the bounds that are known of that.

    Attributes:
        low: base-2 logarithm of the least place that it can be.
        high: of the greatest; infinite where the ladder ended first.
    """

    low: float
    high: float

    @property
    def censored(self) -> bool:
        """Whether the ladder ended first."""
        return bool(np.isinf(self.high))


def falls_below(ladder: Sequence[int], figures: Sequence[float] | Floats, *, level: float) -> Crossing:
    """Find where a curve falls below a level.

    Args:
        ladder: rising places, at least 1: distances in words, or numbers of texts.
        figures: at each place.
        level: in the unit of the figures.

    Returns:
        The crossing of the isotonic fit, linear in the logarithm of the place. From 1 to the first place where already
        that one is below the level; from the last place on where none is.
    """
    from scipy.optimize import isotonic_regression

    places = np.log2(np.asarray(ladder, dtype=np.float64))
    fit = np.asarray(isotonic_regression(np.asarray(figures, dtype=np.float64), increasing=False).x)
    below = np.flatnonzero(fit < level)
    if len(below) == 0:
        return Crossing(float(places[-1]), np.inf)
    first = int(below[0])
    if first == 0:
        return Crossing(0.0, float(places[0]))
    share = (fit[first - 1] - level) / (fit[first - 1] - fit[first])
    crossing = float(places[first - 1] + share * (places[first] - places[first - 1]))
    return Crossing(crossing, crossing)


def doublings(shallow: Sequence[Crossing], deep: Sequence[Crossing]) -> list[Crossing]:
    """Take the difference of the logarithms, seed by seed, with what censoring leaves open.

    Args:
        shallow: one a seed.
        deep: of the same seeds.

    Returns:
        Bounds on each seed's difference, in doublings of the place.
    """
    return [Crossing(b.low - a.high, b.high - a.low) for a, b in zip(shallow, deep, strict=True)]


def bounded_effect(name: str, bounds: Sequence[Crossing], *, unit: str) -> Effect:
    """Estimate a mean of figures that are known within bounds only.

    The interval reaches from the lower end of the t interval of the lower bounds to the upper end of that of the upper
    bounds, which holds the mean whatever the figures are inside their bounds (Horowitz & Manski 2000, J. Am. Stat.
    Assoc. 95).

    Args:
        name: of the effect.
        bounds: one pair a seed; an end may be infinite.
        unit: of the effect.

    Returns:
        The effect; its value is the middle of the mean bounds, or the one that is finite.
    """
    lows, highs = (np.array([getattr(bound, end) for bound in bounds]) for end in ("low", "high"))
    ends = []
    for values, sign in ((lows, -1), (highs, 1)):
        if np.isfinite(values).all():
            found = effect_over_seeds(name, values, unit=unit)
            ends.append((found.value, found.low if sign < 0 else found.high))
        else:
            ends.append((sign * np.inf, sign * np.inf))
    means = [mean for mean, _ in ends if np.isfinite(mean)]
    open_ended = int((lows != highs).sum())
    note = f"{open_ended} of {len(bounds)} seeds known within bounds only" if open_ended else ""
    value = float(np.mean(means)) if means else float("nan")
    return Effect(name, value, ends[0][1], ends[1][1], unit, len(bounds), note)
