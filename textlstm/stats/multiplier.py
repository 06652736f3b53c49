"""What a change of settings is worth in "times the data": the horizontal distance of two learning curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textlstm.stats.power_law import seed_draws

Floats = NDArray[np.float64]

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Multiplier:
    """How many times the labels the base needs to score what the variant scores at one size.

    Attributes:
        size: the variant's labels.
        value: times the data; inf where the base gets there at none of its sizes, 0 where it is there at all of them.
        low: lower end of the interval, inf and 0 as for `value`.
        high: upper end.
        most: what can be told at most: the largest size over `size`.
        least: what can be told at least: the smallest size over `size`.
        seeds: blocks that the interval was drawn from.
        confidence: of the interval.
    """

    size: float
    value: float
    low: float
    high: float
    most: float
    least: float
    seeds: int
    confidence: float

    @property
    def words(self) -> str:
        """The figure in words, such as "3.1 times [1.4 times, more than 9 times]"."""
        if self.seeds == 1:
            return self._one(self.value)
        return f"{self._one(self.value)} [{self._one(self.low)}, {self._one(self.high)}]"

    def _one(self, times: float) -> str:
        if math.isinf(times):
            return f"more than {self.most:.3g} times"
        return f"less than {self.least:.3g} times" if times == 0 else f"{times:.3g} times"


def monotone(means: Floats) -> Floats:
    """Fit the rising curve that is nearest to some means (isotonic regression: Barlow et al. 1972, max-min formula).

    Args:
        means: (..., sizes) of scores that more data should not lower.

    Returns:
        The same shape, nowhere falling along the last axis.
    """
    count = means.shape[-1]
    total = np.concatenate([np.zeros((*means.shape[:-1], 1)), means.cumsum(axis=-1)], axis=-1)
    fitted = np.empty_like(means, dtype=np.float64)
    for place in range(count):
        best = np.full(means.shape[:-1], -np.inf)
        for start in range(place + 1):
            averages = [(total[..., end] - total[..., start]) / (end - start) for end in range(place + 1, count + 1)]
            best = np.maximum(best, np.minimum.reduce(averages))
        fitted[..., place] = best
    return fitted


def size_reached(curve: Floats, *, sizes: Sequence[float], score: Floats) -> Floats:
    """Find the smallest size at which a rising curve, linear in log n between its sizes, reaches a score.

    Args:
        curve: (..., sizes) of `monotone`.
        sizes: increasing, in rows.
        score: (...) to be reached.

    Returns:
        (...) rows; inf where the curve ends below the score, 0 where it begins above it.
    """
    logs = np.log(np.asarray(sizes, dtype=np.float64))
    # Running sums leave rounding in the curve, which must not make equal scores unreachable.
    reached = curve >= score[..., None] - _ROUNDING
    first = reached.argmax(axis=-1)
    right = np.clip(first, 1, len(logs) - 1)
    low = np.take_along_axis(curve, (right - 1)[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(curve, right[..., None], axis=-1)[..., 0]
    rise = high - low
    share = np.divide(score - low, rise, out=np.zeros_like(rise), where=rise > 0)
    inside = np.exp(logs[right - 1] + np.clip(share, 0.0, 1.0) * (logs[right] - logs[right - 1]))
    at_start = np.where(curve[..., 0] > score + _ROUNDING, 0.0, float(sizes[0]))
    found = np.where(first == 0, at_start, inside)
    return np.asarray(np.where(reached.any(axis=-1), found, np.inf), dtype=np.float64)


def data_multipliers(
    base: Floats,
    variant: Floats,
    *,
    sizes: Sequence[float],
    at: Sequence[float] | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[Multiplier]:
    """Measure the horizontal distance of a variant's learning curve from the base's, at each size.

    At the variant's size n with score s, the base needs n* labels for the same score, and the change is worth n* / n
    times the data. The base curve is made rising and read linearly in log n, never beyond the sizes that were run: a
    score that it does not reach is censored ("more than ..."), and so is one below its start. At the smallest size no
    loss can be told and at the largest no gain, so that the sizes between say most.

    The interval is a percentile bootstrap over seeds, each one block with both curves at all sizes, with deviations
    widened for few seeds (`power_law.seed_draws`). Censored draws count as beyond the range, so that an end of the
    interval is censored where the draws there are. It is for these test texts.

    Args:
        base: (sizes, seeds) scores, higher is better.
        variant: (sizes of the variant, seeds) scores, the same seeds in the same order.
        sizes: of the base, increasing, in labeled rows; two or more.
        at: of the variant, each above 0; those of the base when None.
        confidence: of each interval, between 0 and 1.
        resamples: bootstrap draws.
        seed: of the draws.

    Returns:
        One figure a size of the variant.

    Raises:
        ValueError: the shapes do not agree, there are fewer than two sizes, they do not increase, or a score is not
            finite.
    """
    rows = np.asarray(sizes, dtype=np.float64)
    own = rows if at is None else np.asarray(at, dtype=np.float64)
    if base.ndim != 2 or base.shape != (len(rows), base.shape[-1]) or variant.shape != (len(own), base.shape[-1]):
        raise ValueError(f"two curves are (sizes, seeds) over their sizes, not {base.shape} and {variant.shape}")
    if len(rows) < 2 or (np.diff(rows) <= 0).any():
        raise ValueError(f"a horizontal distance needs two or more increasing sizes, not {list(sizes)}")
    if not (np.isfinite(base).all() and np.isfinite(variant).all()):
        raise ValueError("scores are finite numbers, and some here are not; leave out a run without a score")
    seeds = base.shape[1]
    values = _distances(base.mean(axis=1), variant.mean(axis=1), rows, own)
    if seeds > 1:
        both = np.concatenate([base, variant])[None]  # a seed is drawn with all that it made
        draws = seed_draws(both, confidence=confidence, resamples=resamples, seed=seed)[0]
        drawn = np.sort(_distances(draws[:, : len(rows)], draws[:, len(rows) :], rows, own), axis=0)
        tail = (1 - confidence) / 2
        # Order statistics, not interpolated: between a figure and "more than" there is nothing.
        ends = drawn[[int(tail * resamples), resamples - 1 - int(tail * resamples)]]
        lows, highs = np.minimum(ends[0], values), np.maximum(ends[1], values)
    else:
        lows, highs = np.zeros_like(values), np.full_like(values, np.inf)
    return [
        Multiplier(
            size=float(n),
            value=float(value),
            low=float(low),
            high=float(high),
            most=float(rows[-1] / n),
            least=float(rows[0] / n),
            seeds=seeds,
            confidence=confidence,
        )
        for n, value, low, high in zip(own, values, lows, highs, strict=True)
    ]


def _distances(base: Floats, variant: Floats, rows: Floats, own: Floats) -> Floats:
    """Divide the size at which the base reaches each of the variant's scores by the variant's size: (..., sizes)."""
    curve = monotone(base)
    places = [size_reached(curve, sizes=rows.tolist(), score=variant[..., place]) for place in range(len(own))]
    return np.asarray(np.stack(places, axis=-1) / own, dtype=np.float64)
