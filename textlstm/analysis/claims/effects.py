"""From figures of seeds, or of seeds and texts, to effects with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.claims.finding import Effect
from textlstm.stats.families import unseen
from textlstm.stats.intervals import mean_interval
from textlstm.stats.paired import paired_difference

Floats = NDArray[np.float64]
IN_THRESHOLDS = "times its threshold"
"""Unit of an effect that joins effects of different units."""


def effect_over_texts(
    name: str, contrast: Floats, *, unit: str, scale: float = 1.0, largest: float = 1.0, note: str = ""
) -> Effect:
    """Take the mean of a contrast that every seed has on every text, with seeds and texts as two random factors.

    Args:
        name: what is estimated.
        contrast: (seeds, texts) of shares of right answers, such as deep minus shallow; positive as the claim says.
        unit: of the effect.
        scale: the contrast is multiplied by this, such as 100 for points.
        largest: size that the contrast can have on a text: 1 for a gain, 2 for a difference of two gains.
        note: what a reader should know.

    Returns:
        The effect; one seed has no interval. Where hardly any text has a contrast, it is no narrower than the rule of
        three allows (`families.unseen`), so that a handful of texts that all depths answer alike shows nothing.
    """
    found = paired_difference(np.zeros_like(contrast), contrast, pairing="paired")
    low, high = (end * scale for end in (found.low, found.high))
    more = scale * largest * unseen(found, 0.025)
    return Effect(name, found.value * scale, low - more, high + more, unit, len(contrast), note)


def effect_over_seeds(name: str, values: Sequence[float] | Floats, *, unit: str, note: str = "") -> Effect:
    """Take the mean of one figure a seed with Student's t interval.

    Args:
        name: what is estimated.
        values: one a seed, positive as the claim says.
        unit: of the effect.
        note: what a reader should know.

    Returns:
        The effect; one seed has an unbounded interval.
    """
    found = mean_interval(values)
    low = -np.inf if found.low is None else found.low
    high = np.inf if found.high is None else found.high
    return Effect(name, found.value, low, high, unit, len(values), note)


def weaker(effects: Sequence[Effect]) -> Effect:
    """Join effects of one unit and threshold, for a claim that asserts all of them.

    To support all of them at a level, each has to be supported at that level; to rule the claim out, one of them has to
    be ruled out (intersection-union test: Berger 1982, Technometrics 24). So the lowest lower bound and the lowest
    upper bound decide, which need not be of one effect.

    Args:
        effects: in one unit, one or more.

    Returns:
        The effect that has both; where none has, a joint one of the lowest value, lower bound and upper bound.
    """
    weakest = min(effects, key=lambda effect: effect.low)
    high = min(effect.high for effect in effects)
    if weakest.high == high:
        return weakest
    return Effect(
        name=f"the least of: {'; '.join(effect.name for effect in effects)}",
        value=min(effect.value for effect in effects),
        low=weakest.low,
        high=high,
        unit=weakest.unit,
        seeds=min(effect.seeds for effect in effects),
        note="; ".join(f"{effect.name}: {written(effect)}" for effect in effects),
    )


def weakest_link(name: str, links: Mapping[str, Effect], thresholds: Mapping[str, float]) -> Effect:
    """Join effects that a claim asserts all at once, each in multiples of its own threshold.

    All of them lie above their thresholds where the lowest lower bound lies above 1; one of them surely does not where
    the lowest upper bound lies below it. Each bound keeps its own error rate (Berger 1982).

    Args:
        name: of the joint effect.
        links: effects by key.
        thresholds: by the same keys, above 0.

    Returns:
        The lowest value, lower bound and upper bound among the scaled effects.
    """
    scaled = {key: _scaled(effect, thresholds[key]) for key, effect in links.items()}
    value, low, high = (min(ends) for ends in zip(*scaled.values(), strict=True))
    weakest = min(scaled, key=lambda key: scaled[key][0])
    return Effect(
        name=name,
        value=value,
        low=low,
        high=high,
        unit=IN_THRESHOLDS,
        seeds=min(effect.seeds for effect in links.values()),
        note=f"the weakest is: {links[weakest].name}, {written(links[weakest])}",
    )


def in_thresholds(links: Mapping[str, Effect], thresholds: Mapping[str, float]) -> list[Effect]:
    """Put effects of different units on the scale of their joint effect, so that one picture shows them all.

    Args:
        links: effects by key.
        thresholds: by the same keys, above 0.

    Returns:
        The same effects in multiples of their thresholds, in the same order; the name ends with the threshold.
    """
    return [
        Effect(
            f"{effect.name} (by {thresholds[key]:g} {effect.unit})",
            *_scaled(effect, thresholds[key]),
            IN_THRESHOLDS,
            effect.seeds,
        )
        for key, effect in links.items()
    ]


def _scaled(effect: Effect, threshold: float) -> tuple[float, float, float]:
    return effect.value / threshold, effect.low / threshold, effect.high / threshold


def written(effect: Effect) -> str:
    """Write an effect with its interval and unit.

    Args:
        effect: of a claim.

    Returns:
        Such as "+0.42 [−0.10, +0.94] points".
    """
    if not np.isfinite([effect.value, effect.low, effect.high]).any():
        return "not known"
    if not (np.isfinite(effect.low) and np.isfinite(effect.high)):
        ends = " and ".join(
            words
            for end, words in (
                (effect.low, f"at least {number(effect.low)}"),
                (effect.high, f"at most {number(effect.high)}"),
            )
            if np.isfinite(end)
        )
        return f"{number(effect.value)} {effect.unit} ({ends or 'no interval'})"
    return f"{number(effect.value)} [{number(effect.low)}, {number(effect.high)}] {effect.unit}"


def number(value: float) -> str:
    """Write a signed figure with three digits or so.

    Args:
        value: of an effect.

    Returns:
        Such as "+1.2", "−0.031" or "+154".
    """
    if not np.isfinite(value):
        return "not known" if np.isnan(value) else ("−∞" if value < 0 else "∞")
    if abs(value) < 0.0005:
        return "0"
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{'−' if value < 0 else '+'}{abs(value):,.{decimals}f}"
