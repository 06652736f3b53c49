"""Learning curves beyond the largest size, no farther than the fitted law has earned: curves and their crossings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textlstm.stats.crossings import Crossing, Stretch, describe, reserves, show, stretches
from textlstm.stats.curves import Curve, difference_band
from textlstm.stats.power_law import HeldOut, PowerLaw, fit_power_law, hold_out, predict, refit, seed_draws

Floats = NDArray[np.float64]

FARTHEST = 4.0  # times the largest size: farther out, fitted curves of this kind are guesses
FEWEST_SIZES = 5  # three parameters, one size held out, and one more than fits exactly
_POINTS = 17  # sizes at which an extrapolated band is worked out


@dataclass(frozen=True)
class Extrapolation:
    """A learning curve drawn out beyond its largest size, or the reason why not.

    Attributes:
        name: what the curve is of.
        law: the law fitted to all sizes; None with fewer than five.
        held_out: the test on the largest size; None with fewer than five sizes.
        identified: whether the law may be used beyond the largest size.
        sizes: sizes from the smallest measured to the farthest drawn; empty unless identified.
        mean: the law there.
        low: lower end of the band at each size.
        high: upper end of the band at each size.
        sentence: the finding in plain words.
    """

    name: str
    law: PowerLaw | None
    held_out: HeldOut | None
    identified: bool
    sizes: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]
    sentence: str


def extrapolate(
    scores: Floats,
    *,
    sizes: Sequence[float],
    name: str,
    factor: float = FARTHEST,
    ceiling: float = 1.0,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Extrapolation:
    """Draw one depth's learning curve out beyond its largest size, where the law has earned it.

    The law is first fitted without the largest size, and must predict that size within its interval. The band is of
    refits to `seed_draws`, for this test set. It holds what the seeds leave open, not that the law itself may bend.

    Args:
        scores: (sizes, seeds) one score a run; seed k is the same random numbers at all sizes.
        sizes: (sizes,) training sizes in rows, increasing.
        name: what the curve is of.
        factor: how far to go, as a multiple of the largest size; 1 to 4.
        ceiling: the best score there is.
        confidence: pointwise coverage of the band, and the level of the test on the held-out size.
        resamples: number of refits.
        seed: of the draws.

    Returns:
        The curve, or the words "not identified" and why.

    Raises:
        ValueError: the input is not as described, or there are fewer than two seeds.
    """
    _check(scores, sizes, factor, ceiling)
    if len(sizes) < FEWEST_SIZES:
        return Extrapolation(name, None, None, False, [], [], [], [], _too_few(sizes))
    draws = seed_draws(scores[None], confidence=confidence, resamples=resamples, seed=seed)[0]
    held_out = hold_out(scores.mean(axis=1), draws, sizes=sizes, ceiling=ceiling, confidence=confidence)
    law = fit_power_law(scores.mean(axis=1), sizes=sizes, ceiling=ceiling)
    if not held_out.passed:
        return Extrapolation(name, law, held_out, False, [], [], [], [], _missed(name, held_out))
    reach = np.geomspace(sizes[0], factor * sizes[-1], 2 * _POINTS)
    low, high = np.quantile(
        refit(draws, sizes=sizes, at=reach, ceiling=ceiling), [(1 - confidence) / 2, (1 + confidence) / 2], axis=0
    )
    mean = predict(law, reach)
    sentence = (
        f"{name}: {mean[-1]:.4g} at {show(float(reach[-1]))} rows ({low[-1]:.4g} to {high[-1]:.4g}), extrapolated"
    )
    return Extrapolation(
        name, law, held_out, True, reach.tolist(), mean.tolist(), low.tolist(), high.tolist(), sentence
    )


def extrapolated_crossing(
    deep: Floats,
    shallow: Floats,
    *,
    sizes: Sequence[float],
    names: tuple[str, str],
    text_covariance: Floats | None = None,
    factor: float = FARTHEST,
    ceiling: float = 1.0,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Crossing:
    """Look for a crossing of two depths from the largest size up to four times it.

    Both laws must predict the held-out largest size, and the measured band of the difference must show one depth ahead
    there. Then the difference of the two laws, refitted to the same draws of seeds, is given a band over all the sizes
    ahead (deviations in units of their spread, by the quantile of the largest: sup-t as in `difference_band`).

    Args:
        deep: (sizes, seeds) scores of the deeper stack.
        shallow: (sizes, seeds) scores of the shallower one, same seeds in the same order.
        sizes: (sizes,) training sizes in rows, increasing.
        names: what the deeper and the shallower stack are called.
        text_covariance: (sizes, sizes) of `curves.text_covariance`; the part of the largest size is carried on.
        factor: how far to go, as a multiple of the largest size; 1 to 4.
        ceiling: the best score there is.
        confidence: coverage of the band as a whole.
        resamples: number of refits.
        seed: of the draws.

    Returns:
        The set of sizes beyond the measured range at which the two may be equal; one open stretch over all of them,
        with a sentence that begins "not identified", where the laws cannot tell.

    Raises:
        ValueError: the input is not as described, or there are fewer than two seeds.
    """
    if deep.shape != shallow.shape:
        raise ValueError(f"two depths are compared on the same sizes and seeds, not {deep.shape} and {shallow.shape}")
    for scores in (deep, shallow):
        _check(scores, sizes, factor, ceiling)
    last = float(sizes[-1])
    unknown = Stretch(last, factor * last, None, True, True)

    def refused(reason: str) -> Crossing:
        return Crossing([unknown], [], False, reason, confidence)

    if len(sizes) < FEWEST_SIZES:
        return refused(_too_few(sizes))
    measured = difference_band(
        deep, shallow, sizes=sizes, name="", text_covariance=text_covariance, confidence=confidence, seed=seed
    )
    leader = _leader(measured, names)
    if leader is None:
        return refused(f"not identified: at {show(last)} rows neither {names[0]} nor {names[1]} is shown ahead")
    draws = seed_draws(np.stack([deep, shallow]), confidence=confidence, resamples=resamples, seed=seed)
    for scores, drawn, name in zip((deep, shallow), draws, names, strict=True):
        held_out = hold_out(scores.mean(axis=1), drawn, sizes=sizes, ceiling=ceiling, confidence=confidence)
        if not held_out.passed:
            return refused(_missed(name, held_out))
    reach = np.geomspace(last, factor * last, _POINTS)
    center = np.subtract(
        *(predict(fit_power_law(s.mean(axis=1), sizes=sizes, ceiling=ceiling), reach) for s in (deep, shallow))
    )
    spread = np.subtract(*(refit(drawn, sizes=sizes, at=reach, ceiling=ceiling) for drawn in draws)) - center
    if text_covariance is not None:
        # Other test texts would shift the whole difference, as they do at the largest size.
        shift = np.random.default_rng((seed, 1)).standard_normal((resamples, 1))
        spread = spread + np.sqrt(max(float(text_covariance[-1, -1]), 0.0)) * shift
    # The middle 68 % as the unit: a few refits that run off to the exponent's bound would blow up a standard deviation.
    unit = (np.quantile(spread, 0.84, axis=0) - np.quantile(spread, 0.16, axis=0)) / 2
    largest = np.divide(np.abs(spread), unit, out=np.zeros_like(spread), where=unit > 0).max(axis=1)
    half = float(np.quantile(largest, confidence)) * unit
    found = stretches(reach.tolist(), center - half, center + half, deep=names[0], shallow=names[1])
    if found[0].ahead != leader:
        return refused(f"not identified: beyond {show(last)} rows the laws do not tell {names[0]} from {names[1]}")
    sentence = describe(found, confidence=confidence, further=not _led_throughout(measured, leader, names))
    return Crossing(
        intervals=[s for s in found if s.ahead is None],
        leads=[s for s in found if s.ahead is not None],
        crossed=len({s.ahead for s in found if s.ahead is not None}) == 2,
        sentence="; ".join([sentence, f"extrapolated beyond {show(last)}", *reserves(measured)]),
        confidence=confidence,
    )


def _leader(measured: Curve, names: tuple[str, str]) -> str | None:
    if measured.band_low is None or measured.band_high is None:
        return None
    if measured.band_low[-1] > 0:
        return names[0]
    return names[1] if measured.band_high[-1] < 0 else None


def _led_throughout(measured: Curve, leader: str, names: tuple[str, str]) -> bool:
    """Whether the leader at the largest size is ahead at all measured sizes."""
    ends = measured.band_low if leader == names[0] else measured.band_high
    return ends is not None and all((end > 0) == (leader == names[0]) and end != 0 for end in ends)


def _too_few(sizes: Sequence[float]) -> str:
    return f"not identified: {len(sizes)} sizes, where a law and its test need {FEWEST_SIZES} or more"


def _missed(name: str, held_out: HeldOut) -> str:
    return (
        f"not identified: fitted without {show(held_out.size)} rows, the law of {name} expects {held_out.low:.4g} to "
        f"{held_out.high:.4g} there, and {held_out.measured:.4g} was measured"
    )


def _check(scores: Floats, sizes: Sequence[float], factor: float, ceiling: float) -> None:
    if scores.ndim != 2 or scores.shape[0] != len(sizes) or scores.shape[1] < 2:
        raise ValueError(f"scores are (sizes, 2 or more seeds) with {len(sizes)} sizes, not {scores.shape}")
    if not np.isfinite(scores).all() or not (scores <= ceiling).all():
        raise ValueError(f"scores are finite and at most {ceiling}, the ceiling given")
    if not 1 < factor <= FARTHEST:
        raise ValueError(f"an extrapolation goes over 1 to {FARTHEST:g} times the largest size, not {factor:g}")
    if sizes[0] <= 0 or not (np.diff(np.asarray(sizes, dtype=np.float64)) > 0).all():
        raise ValueError(f"sizes are rows, above 0 and increasing, not {list(sizes)}")
