"""Where the learning curves of two depths cross, as far as the band of their difference can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textlstm.stats.curves import Curve
from textlstm.stats.rules import PREVIEW_SEEDS

Floats = NDArray[np.float64]

ASKED_SIZES = 6  # a learning curve is asked for at six sizes, each at least twice the one before


@dataclass(frozen=True)
class Stretch:
    """A range of training sizes on which the band says one thing.

    Attributes:
        low: first size, in rows.
        high: last size, in rows.
        ahead: the name of the depth that is ahead; None where the band holds 0.
        open_low: the stretch begins where the measured range does, so it may reach further down.
        open_high: the stretch ends where the measured range does, so it may reach further up.
    """

    low: float
    high: float
    ahead: str | None
    open_low: bool
    open_high: bool


@dataclass(frozen=True)
class Crossing:
    """Where two curves may cross.

    Attributes:
        intervals: the stretches on which the band of the difference holds 0: none, one or several.
        leads: the stretches on which one depth is ahead.
        crossed: whether each of the two is ahead somewhere, so that the curves do cross.
        sentence: the finding in plain words.
        confidence: coverage of the band.
    """

    intervals: list[Stretch]
    leads: list[Stretch]
    crossed: bool
    sentence: str
    confidence: float


def crossing(difference: Curve, *, deep: str, shallow: str) -> Crossing:
    """Find the training sizes at which two depths may score the same, inside the measured range.

    The set is {n: the simultaneous band of the difference holds 0}, with the band interpolated linearly in log n. It
    covers every true crossing with the band's confidence, wherever the true difference is linear in log n between two
    neighboring sizes (inversion of a simultaneous test: Scheffe 1953, Biometrika 40; Liu 2010, Simultaneous Inference
    in Regression, chapter 3).

    Args:
        difference: deep minus shallow, of `difference_band`; two or more sizes.
        deep: what the deeper stack is called, such as "2 layers".
        shallow: what the shallower one is called.

    Returns:
        The set, and what it says.

    Raises:
        ValueError: there are fewer than two sizes.
    """
    if len(difference.sizes) < 2:
        raise ValueError("a crossing needs two or more sizes")
    first, last = difference.sizes[0], difference.sizes[-1]
    if difference.band_low is None or difference.band_high is None:
        whole = Stretch(first, last, None, True, True)
        return Crossing([whole], [], False, "not identified: one seed has no band", difference.confidence)
    low, high = np.asarray(difference.band_low), np.asarray(difference.band_high)
    found = stretches(difference.sizes, low, high, deep=deep, shallow=shallow)
    sentence = describe(found, confidence=difference.confidence)
    notes = [sentence, *reserves(difference)]
    return Crossing(
        intervals=[s for s in found if s.ahead is None],
        leads=[s for s in found if s.ahead is not None],
        crossed=len({s.ahead for s in found if s.ahead is not None}) == 2,
        sentence="; ".join(notes),
        confidence=difference.confidence,
    )


def stretches(sizes: Sequence[float], low: Floats, high: Floats, *, deep: str, shallow: str) -> list[Stretch]:
    """Cut a range of sizes where a band, linear in log n between the sizes, begins or ceases to hold 0.

    Args:
        sizes: (sizes,) increasing, in rows.
        low: (sizes,) lower end of the band of deep minus shallow.
        high: (sizes,) its upper end, nowhere below `low`.
        deep: what is ahead where the band is above 0.
        shallow: what is ahead where it is below 0.

    Returns:
        Neighboring stretches that fill the range, in order; two that are ahead never meet without one between them
        that holds 0, if only at one point.
    """
    knots = np.log(np.asarray(sizes, dtype=np.float64))
    roots = np.concatenate([_roots(knots, low), _roots(knots, high)])
    points = np.unique(np.concatenate([knots, roots]))
    middles = (points[:-1] + points[1:]) / 2
    # Points and the gaps between them in turn; a root holds 0 by definition, whatever rounding makes of it.
    where = np.empty(2 * len(points) - 1)
    where[::2], where[1::2] = points, middles
    sign = (np.interp(where, knots, low) > 0).astype(np.int64) - (np.interp(where, knots, high) < 0)
    sign[::2][np.isin(points, roots)] = 0
    cuts = np.flatnonzero(np.diff(sign)) + 1
    found = []
    for start, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(where)], strict=True):
        # A stretch that begins or ends in a gap reaches to the point beside the gap.
        left, right = where[start - start % 2], where[(stop - 1) + (stop - 1) % 2]
        ahead = {1: deep, -1: shallow, 0: None}[int(sign[start])]
        ends = _rows(left, knots, sizes), _rows(right, knots, sizes)
        found.append(Stretch(*ends, ahead, start == 0, stop == len(where)))
    return found


def describe(found: Sequence[Stretch], *, confidence: float, further: bool = False) -> str:
    """Say in one sentence what the stretches mean for the crossing.

    Args:
        found: neighboring stretches of `stretches`.
        confidence: coverage of the band behind them.
        further: whether the curves may already have crossed below the first stretch.

    Returns:
        The sentence, without a full stop.
    """
    first, last, sure = show(found[0].low), show(found[-1].high), f"({confidence * 100:g} %)"
    none = "no further crossing" if further else "no crossing"
    apart = [s for s in found if s.ahead is None]
    ahead = [s for s in found if s.ahead is not None]
    if not ahead:
        return f"not identified: the band of the difference holds 0 all the way from {first} to {last} {sure}"
    if not apart:
        return f"{none} below {last} {sure}: {ahead[0].ahead} ahead all the way from {first}"
    start, end = show(apart[0].low), show(apart[0].high)
    if len(apart) == 1 and len(ahead) == 1:
        if apart[0].open_high:
            return f"{none} below {start} {sure}: {ahead[0].ahead} ahead from {first}, then not told apart"
        return f"{none} above {end} {sure}: {ahead[0].ahead} ahead to {last}, not told apart below"
    if len(apart) == 1 and ahead[0].ahead != ahead[1].ahead:
        return f"crossing between {start} and {end} {sure}: {ahead[0].ahead} ahead below, {ahead[1].ahead} ahead above"
    ranges = " and ".join(f"from {show(s.low)} to {show(s.high)}" for s in apart)
    leads = ", ".join(f"{s.ahead} ahead from {show(s.low)} to {show(s.high)}" for s in ahead)
    if len({s.ahead for s in ahead}) == 1:
        return f"{none} shown {sure}: {leads}; not told apart {ranges}"
    return f"the curves cross {sure}: {leads}; not told apart {ranges}"


def show(rows: float) -> str:
    """Write a number of rows to three figures, or in full where it is whole.

    Args:
        rows: a training size.

    Returns:
        Such as "1,821" or "1,230".
    """
    if rows == round(rows):
        return f"{rows:,.0f}"
    return f"{float(f'{rows:.3g}'):,g}" if rows < 1000 else f"{float(f'{rows:.3g}'):,.0f}"


def spaced_sizes(sizes: Sequence[float]) -> int:
    """Count the sizes of which each is at least twice the one counted before.

    Args:
        sizes: increasing, in rows.

    Returns:
        The count.
    """
    counted, last = 0, 0.0
    for size in sizes:
        if size >= 2 * last:
            counted, last = counted + 1, size
    return counted


def reserves(curve: Curve) -> list[str]:
    """Say what a band of a difference falls short of.

    Args:
        curve: of `difference_band`.

    Returns:
        Up to three remarks without a full stop.
    """
    notes = [] if curve.over_texts else ["for this test set alone"]
    spaced = spaced_sizes(curve.sizes)
    if spaced < ASKED_SIZES:
        notes.append(f"few sizes: {spaced} at a factor of 2 or more, of {ASKED_SIZES} asked for")
    if curve.seeds <= PREVIEW_SEEDS:
        notes.append(f"a preview: {curve.seeds} seeds, of {PREVIEW_SEEDS + 1} asked for")
    return notes


def _roots(x: Floats, y: Floats) -> Floats:
    """Find where a broken line is 0 between or at its knots; flat parts at 0 give their two ends."""
    here, there = y[:-1], y[1:]
    change = here * there < 0
    inside = x[:-1][change] + (x[1:] - x[:-1])[change] * here[change] / (here - there)[change]
    return np.asarray(np.concatenate([inside, x[y == 0]]), dtype=np.float64)


def _rows(x: float, knots: Floats, sizes: Sequence[float]) -> float:
    """Turn log rows to rows; at a measured size to that size itself, without rounding."""
    at = np.flatnonzero(knots == x)
    return float(sizes[int(at[0])]) if at.size else float(np.exp(x))
