"""How many more seeds or test texts would bring a verdict, from the parts of the variance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textlstm.stats.families import Pair, unseen
from textlstm.stats.paired import Difference, quantiles

POWER = 0.8
"""Chance with which what is planned brings each bound within its room, if the present differences are the true ones."""

MOST_TIMES = 1000
"""A plan goes no further than this multiple of the present seeds or texts: more is out of reach in any case."""


@dataclass(frozen=True)
class Plan:
    """What is missing for a verdict.

    Attributes:
        by_seeds: whether seeds are what stands in the way; otherwise test texts.
        more_seeds: runs a depth to add; None where texts alone would do.
        more_texts: test texts to add; None where seeds alone would do.
        resolution: half-width that this test set leaves with infinitely many seeds, at most, for the pair in the way.
        suffices: whether the numbers would do; otherwise they are `MOST_TIMES` times the present ones, and too few.
    """

    by_seeds: bool
    more_seeds: int | None
    more_texts: int | None
    resolution: float
    suffices: bool = True

    @property
    def needed(self) -> str:
        """What to add in words, such as "about 12 more seeds a depth"; "more than" where even that would not do."""
        about = "about" if self.suffices else "more than"
        parts = []
        if self.more_seeds:
            parts.append(f"{about} {self.more_seeds:,} more seed{'s' if self.more_seeds != 1 else ''} a depth")
        if self.more_texts:
            parts.append(f"{about} {self.more_texts:,} more test text{'s' if self.more_texts != 1 else ''}")
        return " and ".join(parts)

    @classmethod
    def nothing(cls) -> Plan:
        """Plan nothing, where no verdict is given in any case.

        Returns:
            A plan without numbers.
        """
        return cls(by_seeds=True, more_seeds=None, more_texts=None, resolution=math.inf)


def forecast(difference: Difference, alpha: float, *, seeds: ArrayLike, examples: ArrayLike) -> NDArray[np.float64]:
    """Foretell how far a one-sided bound would lie from the value with other numbers of seeds and examples.

    The present shares of the variance are taken as they are, and divided by the new numbers; at the present numbers
    it is the distance of `bound`. With folds the degrees of freedom stay, as the folds do.

    Args:
        difference: of two models.
        alpha: of the bound, between 0 and one half.
        seeds: numbers of runs a side, at least 2; inf is allowed.
        examples: numbers of texts, at least 2; inf is allowed. Broadcast against `seeds`.

    Returns:
        The distance of the bound, in the scores' units; nan where the shares are unknown.
    """
    runs, texts = np.broadcast_arrays(np.asarray(seeds, dtype=np.float64), np.asarray(examples, dtype=np.float64))
    by_seed, by_example = difference.seeds / runs, difference.examples / texts
    both = difference.residual_share * by_seed * by_example
    seed_part, example_part = difference.seed_share * by_seed + both, difference.example_share * by_example + both
    whole = np.asarray(seed_part + example_part - both)
    if difference.folds:
        freedom = np.full_like(whole, difference.folds - 1.0)
    else:
        slack = seed_part**2 / np.maximum(runs - 1, 1) + example_part**2 / (texts - 1)
        freedom = np.divide(whole**2, slack, out=np.full_like(whole, np.inf), where=slack > 0)
        # The present freedom knows of both sides what the shares do not; what it is beside theirs is kept.
        now = (difference.seed_share + difference.residual_share) ** 2 / max(difference.seeds - 1, 1)
        now += (difference.example_share + difference.residual_share) ** 2 / max(difference.examples - 1, 1)
        freedom = freedom * (difference.freedom * now)
    return np.asarray(quantiles(freedom, alpha) * difference.standard_error * np.sqrt(whole))


def movement(difference: Difference, *, seeds: ArrayLike, examples: ArrayLike) -> NDArray[np.float64]:
    """Foretell how far the value would move when seeds and examples are added to the present ones.

    What is there stays part of the mean: of n numbers of variance v that grow to N, the mean moves by a standard
    deviation of sqrt(v / N * (1 - n / N)) if the new ones have the present mean for their true one.

    Args:
        difference: of two models.
        seeds: numbers of runs a side, the present ones included; inf is allowed.
        examples: numbers of texts, the present ones included; inf is allowed. Broadcast against `seeds`.

    Returns:
        The standard deviation of the move, in the scores' units; nan where the shares are unknown.
    """
    runs, texts = np.broadcast_arrays(np.asarray(seeds, dtype=np.float64), np.asarray(examples, dtype=np.float64))
    by_seed, by_example = difference.seeds / runs, difference.examples / texts
    both = by_seed * by_example
    moved = difference.seed_share * by_seed * (1 - by_seed) + difference.example_share * by_example * (1 - by_example)
    moved += difference.residual_share * both * (1 - both)
    return np.asarray(difference.standard_error * np.sqrt(moved))


def plan_more(differences: Mapping[Pair, Difference], depths: Sequence[int], *, delta: float, alpha: float) -> Plan:
    """Take the present differences for the true ones, and see when the nearest verdict's bounds would likely hold.

    A verdict "d is enough" needs each other depth's bound to come within delta minus its difference, "d is better" each
    shallower depth's within the difference. The nearest verdict is the one whose worst pair exceeds its room by the
    smallest factor; there always is one, for the depth that scores highest has room delta at least. The larger part of
    that pair's variance says what to add, as long as adding it alone can do; otherwise the other, or both together. So
    much is added that each bound comes within its room with a chance of `POWER`, what is there being kept: where the
    bound was only expected there, every other addition would fall short.

    Args:
        differences: of every ordered pair.
        depths: in rising order.
        delta: smallest difference worth a layer.
        alpha: of each one-sided bound.

    Returns:
        The plan.
    """
    routes = []
    for d in depths:
        routes.append([(differences[d, k], delta - differences[d, k].value) for k in depths if k != d])
        shallower = [(differences[j, d], differences[j, d].value) for j in depths if j < d]
        if shallower:
            routes.append(shallower)
    open_routes = [route for route in routes if all(room > 0 for _, room in route)]
    now = [max(_reach(pair, alpha) / room for pair, room in route) for route in open_routes]
    route = open_routes[int(np.argmin(now))]
    worst, _ = max(route, key=lambda entry: _reach(entry[0], alpha) / entry[1])
    resolution = worst.resolution(alpha) + unseen(worst, alpha)
    by_seeds = worst.seed_share >= worst.example_share

    seeds = _first(route, alpha, more_seeds=True, more_texts=False)
    texts = _first(route, alpha, more_seeds=False, more_texts=True)
    alone = math.isfinite(seeds) or math.isfinite(texts)
    if not alone:
        both = _first(route, alpha, more_seeds=True, more_texts=True)
        times = min(both, MOST_TIMES)
        more = _added(worst.seeds, times), _added(worst.examples, times)
        return Plan(by_seeds, *more, resolution, suffices=math.isfinite(both))
    if math.isinf(texts) or (by_seeds and math.isfinite(seeds)):
        return Plan(True, _added(worst.seeds, seeds), None, resolution)
    return Plan(False, None, _added(worst.examples, texts), resolution)


def _reach(pair: Difference, alpha: float) -> float:
    """Distance of the present one-sided bound."""
    return pair.bound("upper", alpha) - pair.value + unseen(pair, alpha)


def _first(route: list[tuple[Difference, float]], alpha: float, *, more_seeds: bool, more_texts: bool) -> float:
    """Find the smallest multiple of the present numbers that brings every bound within its room; inf if none does."""
    from scipy.special import ndtri

    pair = route[0][0]
    least = 1 + 1 / (pair.seeds if more_seeds else pair.examples)  # nothing added brings nothing
    multiples = np.geomspace(least, MOST_TIMES, 33)
    for _ in range(2):  # the second time between the last multiple that failed and the first that holds: steps of 0.7 %
        holds = np.ones_like(multiples, dtype=bool)
        for pair, room in route:
            seeds = pair.seeds * multiples if more_seeds else pair.seeds
            texts = pair.examples * multiples if more_texts else pair.examples
            seen_alike = unseen(pair, alpha) * pair.examples / texts
            luck = -float(ndtri(1 - POWER)) * movement(pair, seeds=seeds, examples=texts)
            holds &= forecast(pair, alpha, seeds=seeds, examples=texts) + seen_alike + luck < room
        if not holds.any():
            return math.inf
        first = int(holds.argmax())
        multiples = np.geomspace(multiples[max(first - 1, 0)], multiples[first], 33)
    return float(multiples[-1])


def _added(present: int, times: float) -> int:
    """Numbers to add to the present ones: at least 1, and above 20 rounded up to two digits."""
    more = max(1, math.ceil(present * (times - 1) - 0.01))
    if more <= 20:
        return more
    step = int(10 ** (math.floor(math.log10(more)) - 1))
    return -(-more // step) * step
