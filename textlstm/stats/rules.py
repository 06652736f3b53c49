"""The rows of the decision table: when each holds, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from textlstm.stats.families import Bounds, Pair
from textlstm.stats.planning import Plan

Kind = Literal["not_trained", "preview", "enough", "better", "undecided_seeds", "undecided_texts"]

LEAST_CONVERGED = 0.7
MOST_CAPPED = 0.2
PREVIEW_SEEDS = 3
"""So many seeds or fewer are a preview, without a verdict."""


@dataclass(frozen=True)
class Evidence:
    """What the rules look at.

    Attributes:
        depths: in rising order.
        bounds: by ordered pair (j, k), of depth k minus depth j.
        above: ordered pairs (j, k) of which k is shown to score higher, among all pairs at once.
        delta: smallest difference worth a layer, a share.
        seeds: runs a depth, the fewest.
        preview: whether these are too few for a verdict.
        converged: share of converged runs by depth; depths that are not in it count as converged.
        capped_share: share of cells that the epoch cap stopped.
        plan: what is missing for a verdict.
    """

    depths: Sequence[int]
    bounds: Mapping[Pair, Bounds]
    above: frozenset[Pair]
    delta: float
    seeds: int
    preview: bool
    converged: Mapping[int, float]
    capped_share: float
    plan: Plan

    def is_enough(self, depth: int) -> bool:
        """Tell whether every other depth is better by less than delta.

        Args:
            depth: one of the depths.

        Returns:
            Whether all upper bounds say so.
        """
        return all(self.bounds[depth, k].high < self.delta for k in self.depths if k != depth)

    def beats_shallower(self, depth: int) -> bool:
        """Tell whether a depth scores higher than every shallower one.

        Args:
            depth: one of the depths.

        Returns:
            Whether all lower bounds say so; False for the shallowest.
        """
        return bool(self.shallower(depth)) and all(self.bounds[j, depth].low > 0 for j in self.shallower(depth))

    def better_than(self, depth: int) -> list[int]:
        """List the shallower depths that a depth is shown to score higher than.

        Args:
            depth: one of the depths.

        Returns:
            All of them where `beats_shallower` holds, which needs every bound at once; else those of `above`.
        """
        shallower = self.shallower(depth)
        return shallower if self.beats_shallower(depth) else [j for j in shallower if (j, depth) in self.above]

    def shallower(self, depth: int) -> list[int]:
        """List the depths under a depth.

        Args:
            depth: one of the depths.

        Returns:
            Those below it, in rising order.
        """
        return [j for j in self.depths if j < depth]

    @property
    def least_converged(self) -> tuple[int, float]:
        """The depth with the smallest share of converged runs, and that share."""
        depth = min(self.depths, key=lambda d: (self.converged.get(d, 1.0), d))
        return depth, self.converged.get(depth, 1.0)


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Attributes:
        kind: its name in the results.
        verdict: its short form.
        when: the condition in words.
        finds: the depths for which the row holds, the one to report first; depth 0 stands for a row without a depth.
        say: the sentence or two for the reader.
    """

    kind: Kind
    verdict: str
    when: str
    finds: Callable[[Evidence], list[int]]
    say: Callable[[Evidence, int], str]


def _layers(depth: int) -> str:
    return "1 layer" if depth == 1 else f"{depth} layers"


def _list(depths: list[int]) -> str:
    return _layers(depths[0]) if len(depths) == 1 else f"{', '.join(map(str, depths[:-1]))} and {_layers(depths[-1])}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _number(share: float) -> str:
    return f"{100 * share:.2g}" if abs(share) < 0.1 else f"{100 * share:.0f}"


def _points(share: float) -> str:
    number = _number(share)
    return f"{number} point{'' if number == '1' else 's'}"


def _say_not_trained(evidence: Evidence, _: int) -> str:
    depth, share = evidence.least_converged
    found = []
    if share < LEAST_CONVERGED:
        found.append(
            f"{_percent(share)} of the seeds at {_layers(depth)} converged (under {_percent(LEAST_CONVERGED)})"
        )
    if evidence.capped_share > MOST_CAPPED:
        capped = _percent(evidence.capped_share)
        found.append(f"{capped} of the runs were best in their last epoch (over {_percent(MOST_CAPPED)})")
    return (
        f"Not trained to the end: {' and '.join(found)}, so depths cannot be compared. Allow more epochs: raise"
        " training.epochs."
    )


def _say_preview(evidence: Evidence, _: int) -> str:
    seeds = "1 seed" if evidence.seeds == 1 else f"{evidence.seeds} seeds"
    return f"{seeds} a depth: a preview, without a verdict. Run {PREVIEW_SEEDS + 1} or more."


def _say_enough(evidence: Evidence, depth: int) -> str:
    verb = "is" if depth == 1 else "are"
    most = max(0.0, *(evidence.bounds[depth, k].high for k in evidence.depths if k != depth))
    limit = f"by {_points(evidence.delta)} or more" if most > 0 else "at all"
    if most > 0 and _number(most) != _number(evidence.delta):
        limit += f" (at most by {_number(most)})"
    words = f"{_layers(depth)} {verb} enough: no other depth is better {limit}."
    shallower, worse = evidence.shallower(depth), evidence.better_than(depth)
    if not shallower:
        return words
    if worse == shallower:
        return f"{words} Every shallower depth scores lower."
    lower = f"{_list(worse)} {'scores' if worse == [1] else 'score'} lower; whether " if worse else "Whether "
    return f"{words} {lower}{_list([j for j in shallower if j not in worse])} would do is open."


def _say_better(evidence: Evidence, depth: int) -> str:
    least = min(evidence.bounds[j, depth].low for j in evidence.depths if j < depth)
    words = f"{_layers(depth)} are better than every shallower depth, by {_points(least)} or more."
    deeper = [k for k in evidence.depths if k > depth]
    return f"{words} Whether still more layers help is open." if deeper else words


def _say_undecided(evidence: Evidence, _: int) -> str:
    plan = evidence.plan
    if plan.by_seeds:
        return f"Undecided: {plan.needed} would {'tell' if plan.suffices else 'be needed'}."
    needed = f"{plan.needed} {'are' if plan.suffices else 'would be'} needed"
    return f"Undecided: this test set resolves only ±{_points(plan.resolution)}; {needed}."


RULES: tuple[Rule, ...] = (
    Rule(
        "not_trained",
        "not trained to the end",
        f"under {_percent(LEAST_CONVERGED)} of the seeds of any depth converged, or the epoch cap was hit in over"
        f" {_percent(MOST_CAPPED)} of the cells",
        lambda e: [0] if e.least_converged[1] < LEAST_CONVERGED or e.capped_share > MOST_CAPPED else [],
        _say_not_trained,
    ),
    Rule(
        "preview",
        "a preview, no verdict",
        f"{PREVIEW_SEEDS} seeds a depth or fewer",
        lambda e: [0] if e.preview else [],
        _say_preview,
    ),
    Rule(
        "enough",
        "d is enough",
        "the smallest depth d for which the upper bound of (k - d) is under delta for every other depth k",
        lambda e: [d for d in e.depths if e.is_enough(d)],
        _say_enough,
    ),
    Rule(
        "better",
        "d is better",
        "the largest depth d for which the lower bound of (d - j) is above 0 for every shallower depth j",
        lambda e: [d for d in reversed(e.depths) if e.beats_shallower(d)],
        _say_better,
    ),
    Rule(
        "undecided_seeds",
        "undecided: about k more seeds",
        "otherwise, where seeds bring the larger part of the variance that stands in the way",
        lambda e: [0] if e.plan.by_seeds else [],
        _say_undecided,
    ),
    Rule(
        "undecided_texts",
        "this test set resolves only ±x: about N more texts are needed",
        "otherwise",
        lambda e: [0],
        _say_undecided,
    ),
)
"""The decision table: the first row that holds is the verdict."""


def rule_table() -> str:
    """Lay the decision table out for the documentation.

    Returns:
        A Markdown table, one row a rule, in the order in which they are tried.
    """
    lines = ["| | verdict | when |", "| --- | --- | --- |"]
    lines += [f"| {place} | {rule.verdict} | {rule.when} |" for place, rule in enumerate(RULES, 1)]
    return "\n".join(lines)
