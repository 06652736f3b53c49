"""From the comparisons to a choice: what to take now, whether that is found or guessed, where the next seeds go.

The loop of a study, live or replayed:

    standing = decide(scores, rules)            # what it would say now
    while (step := next_step(standing, seconds, rules)) is not None:
        ...                                     # run step.depths up to step.seeds, add their scores
        standing = decide(scores, rules, given_up=standing.given_up)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.advice.looks import Comparison, LookRules, compare_depths

Floats = NDArray[np.float64]

Certainty = Literal["found", "enough", "undecided"]
"""`found`: a deeper stack scores higher, by its lower bound; `enough`: no depth gains delta, by their upper bounds;
`undecided`: neither, and the choice is the best guess."""


@dataclass(frozen=True)
class Standing:
    """What a study would say now.

    Attributes:
        depth: layers to take.
        certainty: whether that is found or guessed.
        shallowest: the depth that the others are compared with.
        seeds: by depth, seeds so far.
        scores: by depth, mean score over its seeds.
        comparisons: by depth, against the shallowest.
        active: depths that more seeds should go to, the most promising first.
        given_up: depths whose comparison was stopped without a finding; they stay so.
    """

    depth: int
    certainty: Certainty
    shallowest: int
    seeds: dict[int, int]
    scores: dict[int, float]
    comparisons: dict[int, Comparison]
    active: tuple[int, ...]
    given_up: frozenset[int]

    @property
    def gain(self) -> Comparison | None:
        """The chosen depth against the shallowest; None where the shallowest is the choice."""
        return self.comparisons.get(self.depth)


@dataclass(frozen=True)
class Step:
    """The next runs.

    Attributes:
        depths: which, the shallowest among them.
        seeds: up to how many seeds each.
    """

    depths: tuple[int, ...]
    seeds: int


def decide(
    scores: Mapping[int, Sequence[float] | Floats],
    rules: LookRules,
    *,
    overlaps: Mapping[int, float] | None = None,
    given_up: frozenset[int] = frozenset(),
) -> Standing:
    """Say what to take now, how sure that is, and which comparisons deserve more seeds.

    Where a deeper stack is found to score higher, or all are found not worth a layer, the choice follows (one that is
    found to score higher is still not taken where it is expected to gain less than a part of delta). Else it is
    the depth with the highest expected score after shrinking the differences to what is usual, or the shallowest where
    that gains less than a part of delta: to wait for significance would cost more score than it saves.

    A comparison gets more seeds as long as it is open and a finding by the last look is likely enough, or the choice
    could still gain by what is learned (the expected value of the information: Raiffa & Schlaifer 1961, Applied
    Statistical Decision Theory, chapter 5). Stopping on lack of hope spends no error: it can only miss findings.

    Args:
        scores: by depth, one score a seed, as for `compare_depths`; may be empty of seeds.
        rules: of the looks.
        overlaps: by depth, what redrawn splits have in common, as for `compare_depths`.
        given_up: depths whose comparison an earlier look has stopped.

    Returns:
        The standing.
    """
    depths = sorted(scores)
    found = compare_depths(scores, rules, overlaps=overlaps)
    expected = {depths[0]: rules.worth * rules.delta, **{depth: one.expected for depth, one in found.items()}}
    deeper = [depth for depth, one in found.items() if one.state == "deeper"]
    all_compared = len(found) == len(depths) - 1
    certainty: Certainty = "undecided"
    if all_compared and all(one.state == "not worth a layer" for one in found.values()):
        certainty = "enough"
    unsettled = [depth for depth, one in found.items() if one.state != "not worth a layer"]
    pool = [depths[0]] if certainty == "enough" else [depths[0], *(deeper or unsettled)]
    choice = max(pool, key=lambda depth: (expected[depth], -depth))
    if choice in deeper:
        certainty = "found"
    # One layer is enough only if every depth is shown not worth it; one that was given up stands in the way of that.
    enough = 0.0
    if (
        all_compared
        and not deeper
        and not any(one.state == "open" and depth in given_up for depth, one in found.items())
    ):
        enough = math.prod(one.enough for one in found.values() if one.state == "open")
    stopped, active = set(given_up), []
    for depth, one in found.items():
        if one.state != "open" or depth in stopped:
            continue
        value = _value(one, max(figure for other, figure in expected.items() if other != depth))
        # Once a depth is found better, all that is left to learn is which of them to take.
        better = 0.0 if deeper else one.better
        promise = max(better / rules.least_better, enough / rules.least_enough, value / rules.least_value)
        if promise >= 1 and one.seeds < rules.looks[-1]:
            active.append((promise, depth))
        else:
            stopped.add(depth)
    return Standing(
        depth=choice,
        certainty=certainty,
        shallowest=depths[0],
        seeds={depth: len(scores[depth]) for depth in depths},
        scores={depth: float(np.mean(scores[depth])) for depth in depths if len(scores[depth])},
        comparisons=found,
        active=tuple(depth for _, depth in sorted(active, reverse=True)),
        given_up=frozenset(stopped),
    )


def next_step(standing: Standing, rules: LookRules) -> Step | None:
    """Say which runs come next.

    Args:
        standing: of `decide`.
        rules: of the looks.

    Returns:
        All depths up to the first look, then the depths whose comparison is open up to theirs; None at the end.
    """
    depths = tuple(standing.seeds)
    if min(standing.seeds.values()) < rules.looks[0]:
        return Step(depths, rules.looks[0])
    if not standing.active:
        return None
    # Those with the fewest seeds first: comparisons of one look share the shallowest depth's runs.
    reached = min(standing.comparisons[depth].seeds for depth in standing.active)
    upcoming = next(look for look in rules.looks if look > reached)
    again = [depth for depth in standing.active if standing.comparisons[depth].seeds == reached]
    return Step((standing.shallowest, *sorted(again)), upcoming)


def close_chance(standing: Standing, rules: LookRules) -> float:
    """Say how sure it is that no other depth is better than the chosen one by delta or more.

    Args:
        standing: of `decide`.
        rules: of the looks.

    Returns:
        A lower bound (Bonferroni) on the chance, the differences being as likely as prior and data say.
    """
    from scipy.special import ndtr

    chosen = standing.gain
    level, doubt = (0.0, 0.0) if chosen is None else (chosen.expected, chosen.unsure)
    missed = 0.0 if chosen is None else float(ndtr((-level - rules.delta) / doubt))
    for depth, one in standing.comparisons.items():
        if depth != standing.depth:
            missed += float(ndtr((one.expected - level - rules.delta) / math.hypot(one.unsure, doubt)))
    return max(0.0, 1 - missed)


def _value(one: Comparison, rival: float) -> float:
    """Expected gain by choosing after the last look instead of now, between this depth and the best of the others."""
    from scipy.special import ndtr

    if one.learned == 0:
        return 0.0
    away = abs(one.expected - rival) / one.learned
    return one.learned * (math.exp(-0.5 * away**2) / math.sqrt(2 * math.pi) - away * float(ndtr(-away)))
