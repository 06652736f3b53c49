"""What the seeds so far say of one depth against one layer: bounds, what to expect, what more seeds would bring."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from textlstm.stats.planning import MOST_TIMES, POWER
from textlstm.stats.sequential import (
    LOOKS,
    RepeatedBounds,
    nominal_levels,
    pooled_variance,
    repeated_bounds,
    variance_factor,
)

Floats = NDArray[np.float64]

State = Literal["deeper", "not worth a layer", "open"]
"""How a comparison stands: `not worth a layer` gains less than delta, if anything; `deeper` scores higher than the
shallowest and may gain delta; `open` is neither of the two."""


@dataclass(frozen=True)
class Prior:
    """What a layer more is expected to bring before anything is run.

    The figures are a judgment, not an estimate: published comparisons lie within half a point of zero for each layer
    (Tai et al. 2015 on SST, Zhang et al. 2018 on MR), and the TREC runs of `benchmarks/evidence` between -1.6 and +0.2
    for the first three more. `benchmarks/advice_tables.py` replays a bank of runs with those of the other data sets.
    They move the choice where the data say little, and no bound and no finding.

    Attributes:
        gain: expected difference for each layer beyond the first, a share of the score.
        spread: standard deviation of the true difference from data set to data set.
    """

    gain: float = -0.0025
    spread: float = 0.012


@dataclass(frozen=True)
class LookRules:
    """The plan of looks, fixed before the first run.

    Attributes:
        looks: seeds a depth at which findings are allowed; rising.
        delta: smallest difference worth a layer, a share.
        alpha: chance of a false finding of each kind over all looks and depths.
        overlap: hold-out rows over training rows (Nadeau & Bengio's n_test / n_train).
        grain: what one hold-out row is to a seed's score, a share: a difference is known no finer than that, however
            alike the seeds are.
        least_better: chance that the last look finds a depth better, from which on it gets more seeds.
        least_enough: chance that the last look finds all depths not worth a layer, likewise. Higher than the other,
            since this finding does not change the choice.
        least_value: expected gain of score by choosing after the last look instead of now, a share, likewise.
        worth: share of delta that a deeper stack must be expected to gain to be advised without a finding; its time is
            certain, its gain is not.
        prior: of the differences.
    """

    looks: tuple[int, ...] = LOOKS
    delta: float = 0.01
    alpha: float = 0.05
    overlap: float = 1 / 3
    grain: float = 1e-5
    least_better: float = 0.05
    least_enough: float = 0.95
    least_value: float = 0.0015
    worth: float = 0.5
    prior: Prior = Prior()


@dataclass(frozen=True)
class Comparison:
    """One depth against the shallowest, at one look. Differences are shares of the score; above 0, deeper is better.

    Attributes:
        depth: layers.
        seeds: pairs of runs at this look.
        gain: mean difference over the seeds.
        span: two-sided interval at 1 - alpha over all depths, at this look alone: what to show where nothing is found.
        low: lower bound; with chance 1 - alpha none is wrong at any depth and any look. Findings rest on it.
        high: upper bound; with chance 1 - alpha that of this depth is right at every look. Likewise.
        error: standard error of the mean, inflated for redrawn splits.
        floor: the standard error that no number of seeds brings it under, since they share the rows.
        expected: mean of the difference after prior and data, by which to choose where nothing is found.
        unsure: standard deviation around `expected`.
        learned: standard deviation of what `expected` will have moved by at the last look.
        better: chance that the last look finds this depth better; 0 at the last look.
        enough: chance that it finds it not worth a layer, likewise.
        state: how it stands.
    """

    depth: int
    seeds: int
    gain: float
    span: tuple[float, float]
    low: float
    high: float
    error: float
    floor: float
    expected: float
    unsure: float
    learned: float
    better: float
    enough: float
    state: State

    @property
    def shown(self) -> tuple[float, float]:
        """The interval to show: the bounds of all looks where they made a finding, else that of this look."""
        return self.span if self.state == "open" else (self.low, self.high)


def compare_depths(
    scores: Mapping[int, Sequence[float] | Floats], rules: LookRules, *, overlaps: Mapping[int, float] | None = None
) -> dict[int, Comparison]:
    """Compare each depth with the shallowest at the last look that its seeds reach.

    A depth is found better by a one-sided test at alpha / (depths - 1), since any of them could be found so by chance
    (Bonferroni). "Not worth a layer" needs no such correction: one layer is called enough only if this holds of all
    depths, and one that is worth its layers must be missed by its own bound for that.

    Args:
        scores: by depth, one score a seed, in the same order of seeds at every depth; a depth may have fewer.
        rules: of the looks.
        overlaps: by depth, what redrawn splits were measured to have in common (`sequential.measured_overlap`); the
            rules' own ratio where None or absent.

    Returns:
        By depth; depths with fewer seeds than the first look are left out.
    """
    shallowest, *deeper = sorted(scores)
    base = np.asarray(scores[shallowest], dtype=np.float64)
    gains: dict[int, Floats] = {}
    for depth in deeper:
        own = np.asarray(scores[depth], dtype=np.float64)
        reached = [look for look in rules.looks if look <= min(len(own), len(base))]
        if reached:
            gains[depth] = own[: reached[-1]] - base[: reached[-1]]
    if not gains:
        return {}
    variance, freedom = pooled_variance(list(gains.values()))
    if variance < rules.grain**2:
        variance, freedom = rules.grain**2, 1e6  # a bound that is known, not estimated
    alphas = rules.alpha / len(deeper), rules.alpha
    given = overlaps or {}
    return {
        depth: _compare(
            depth,
            gain,
            variance=variance,
            freedom=freedom,
            overlap=min(given.get(depth, rules.overlap), rules.overlap),
            prior_gain=rules.prior.gain * (depth - shallowest),
            alphas=alphas,
            rules=rules,
        )
        for depth, gain in gains.items()
    }


def seeds_to_tell(one: Comparison, rules: LookRules, *, alpha: float) -> int | None:
    """Say how many seeds would likely tell an open comparison, if its gain is what it seems.

    Args:
        one: of `compare_depths`.
        rules: of the looks.
        alpha: chance of a false finding that its bounds allow.

    Returns:
        Seeds, those at hand included, at which one of its bounds, those of the last look, passes its border with a
        chance of `POWER`; None where the rows that seeds share leave too much doubt for any number of them.
    """
    from scipy.special import ndtri

    level = nominal_levels(rules.looks, most=rules.looks[-1], alpha=alpha)[-1]
    room = max(one.gain, rules.delta - one.gain)
    of_seeds = (one.error**2 - one.floor**2) * one.seeds
    seeds = np.arange(one.seeds + 1, MOST_TIMES * one.seeds)
    reach = -ndtri(level) * np.sqrt(of_seeds / seeds + one.floor**2)
    luck = -ndtri(1 - POWER) * np.sqrt(of_seeds / seeds * (1 - one.seeds / seeds))  # by how much the gain may move
    would = reach + luck < room
    return int(seeds[would.argmax()]) if would.any() else None


def _compare(
    depth: int,
    gain: Floats,
    *,
    variance: float,
    freedom: float,
    overlap: float,
    prior_gain: float,
    alphas: tuple[float, float],
    rules: LookRules,
) -> Comparison:
    """Put bounds and forecasts of one depth together; `alphas` are those of the lower and the upper bound."""
    from scipy.special import stdtrit

    lower, upper = (
        repeated_bounds(
            gain,
            looks=rules.looks,
            most=rules.looks[-1],
            alpha=alpha,
            overlap=overlap,
            variance=variance,
            freedom=freedom,
        )
        for alpha in alphas
    )
    weight, now = rules.prior.spread**-2, lower.error**-2
    final = 1 / (variance * variance_factor(rules.looks[-1], overlap))
    expected = (now * lower.value + weight * prior_gain) / (now + weight)
    reach = -float(stdtrit(freedom, alphas[0] / 2)) * lower.error
    better = enough = 0.0
    if lower.seeds < rules.looks[-1]:
        better, enough = _hopes(lower, expected, 1 / (now + weight), final, alphas, rules)
    return Comparison(
        depth=depth,
        seeds=lower.seeds,
        gain=lower.value,
        span=(lower.value - reach, lower.value + reach),
        low=lower.low,
        high=upper.high,
        error=lower.error,
        floor=math.sqrt(variance * overlap),
        expected=expected,
        unsure=(now + weight) ** -0.5,
        learned=math.sqrt(max(0.0, 1 / (now + weight) - 1 / (final + weight))),
        better=better,
        enough=enough,
        state="not worth a layer" if upper.high < rules.delta else "deeper" if lower.low > 0 else "open",
    )


def _hopes(
    now: RepeatedBounds, expected: float, doubt: float, final: float, alphas: tuple[float, float], rules: LookRules
) -> tuple[float, float]:
    """Chances of either finding at the last look, the difference being as likely as prior and data say.

    Predictive power (Spiegelhalter, Freedman & Blackburn 1986, Control. Clin. Trials 7): the mean at the last look is
    that of now and of what is still to come, weighed by their information.
    """
    from scipy.special import ndtr, stdtrit

    known = now.error**-2
    ahead = final - known
    center = (known * now.value + ahead * expected) / final
    width = ahead / final * math.sqrt(doubt + 1 / ahead)
    freedom = now.freedom * (rules.looks[-1] - 1) / (now.seeds - 1)  # it grows with the seeds
    levels = [nominal_levels(rules.looks, most=rules.looks[-1], alpha=alpha)[-1] for alpha in alphas]
    below, above = (-float(stdtrit(freedom, level)) * final**-0.5 for level in levels)
    return float(ndtr((center - below) / width)), float(ndtr((rules.delta - above - center) / width))
