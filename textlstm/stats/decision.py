"""The verdict on depth: one table of rules, read from the top, from which the words and the documentation follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textlstm.stats.families import Bounds, Pair, Scores, pairwise_differences, simultaneous_bounds
from textlstm.stats.paired import Difference
from textlstm.stats.planning import Plan, plan_more
from textlstm.stats.rules import PREVIEW_SEEDS, RULES, Evidence, Kind, rule_table

__all__ = ["ESTIMAND", "Decision", "decide", "false_findings", "rule_table"]

ESTIMAND = (
    "Each difference is the expected difference in score over training seeds and over test texts of this kind, for this"
    " training pool."
)
FINE_DELTA, FINE_SEEDS = 0.005, 20


@dataclass(frozen=True)
class Decision:
    """What the confirmatory family of depths allows to say.

    Attributes:
        kind: the row of the table that held.
        depth: the depth that is enough or better; None for every other kind.
        words: the verdict in a plain sentence or two.
        better_than: the shallower depths that `depth` was shown to score higher than.
        differences: by ordered pair (j, k), score of depth k minus score of depth j, with 95 % two-sided intervals.
        bounds: by ordered pair, the one-sided bounds at alpha / (K - 1) that the verdict rests on.
        more_seeds: runs a depth that are missing, as planned from the variance parts; None where none are asked for.
        more_texts: test texts that are missing; None where none are asked for.
        resolution: half-width of those bounds that this test set would leave with infinitely many seeds, at most, for
            the pair that stands in the way, or the widest pair where there is a verdict; inf where it is unknown.
        estimand: what the differences are differences in.
        labels: what a reader must know beside the verdict.
    """

    kind: Kind
    depth: int | None
    words: str
    better_than: tuple[int, ...]
    differences: dict[Pair, Difference]
    bounds: dict[Pair, Bounds]
    more_seeds: int | None
    more_texts: int | None
    resolution: float
    estimand: str
    labels: tuple[str, ...]


def decide(
    scores: Mapping[int, Scores],
    *,
    delta: float = 0.01,
    alpha: float = 0.05,
    converged: Mapping[int, ArrayLike] | None = None,
    capped_share: float = 0.0,
    tuned: bool = True,
    train_rows: float | None = None,
) -> Decision:
    """Decide between depths by `RULES`, the first row that holds.

    A false "enough" and a false "better" have a chance of `alpha` each at most: a wrong depth passes only if its bound
    against the truly best depth (or against one particular shallower depth) misses, and there are K - 1 wrong depths
    with a bound at alpha / (K - 1) each. That some, not all, shallower depths score lower than the one that is enough
    is said where the bound at alpha / (K (K - 1)) says so.

    Args:
        scores: by depth, (seeds, examples) with higher better and from 0 to 1, such as accuracy 0/1; or, under
            cross-validation, a list with one such array a fold. Seeds stand in the same order at every depth.
        delta: smallest difference worth a layer, a share.
        alpha: chance of a false finding, of each kind.
        converged: by depth, whether each run trained to the end, by the caller's criterion; None takes it so.
        capped_share: share of cells that were stopped by the epoch cap.
        tuned: whether the learning rate was tuned per depth, or its sensitivity shown.
        train_rows: with folds, the labeled rows a fold trained on; see `fold_difference`.

    Returns:
        The decision.

    Raises:
        ValueError: under two depths or two texts, scores that cannot be compared, or a `delta` or `alpha` out of range.
    """
    if not 0 < alpha < 0.5 or not delta > 0:
        raise ValueError(f"delta is above 0 and alpha between 0 and 0.5, not {delta} and {alpha}")
    differences = pairwise_differences(scores, train_rows=train_rows)
    depths = sorted(scores)
    seeds = min(difference.seeds for difference in differences.values())
    texts = next(iter(differences.values())).examples
    if texts < 2:
        raise ValueError(f"a decision needs two test texts or more, not {texts}")
    bounds = simultaneous_bounds(differences, alpha=alpha)
    share = {d: float(np.mean(np.asarray(runs, dtype=bool))) for d, runs in (converged or {}).items()}
    single = alpha / (len(depths) - 1)

    plan = Plan.nothing()
    if seeds > PREVIEW_SEEDS:
        plan = plan_more(differences, depths, delta=delta, alpha=single)
    every_pair = simultaneous_bounds(differences, alpha=alpha / len(depths))  # alpha over all K (K - 1) ordered pairs
    evidence = Evidence(
        depths=depths,
        bounds=bounds,
        above=frozenset(pair for pair, bound in every_pair.items() if bound.low > 0),
        delta=delta,
        seeds=seeds,
        preview=seeds <= PREVIEW_SEEDS,
        converged=share,
        capped_share=capped_share,
        plan=plan,
    )
    rule, depth = next((rule, found) for rule in RULES for found in rule.finds(evidence))
    undecided = rule.kind in ("undecided_seeds", "undecided_texts")
    verdict = rule.kind in ("enough", "better")
    widest = max(difference.resolution(single) for difference in differences.values())
    return Decision(
        kind=rule.kind,
        depth=depth if verdict else None,
        words=rule.say(evidence, depth),
        better_than=tuple(evidence.better_than(depth)) if verdict else (),
        differences=differences,
        bounds=bounds,
        more_seeds=plan.more_seeds if undecided else None,
        more_texts=plan.more_texts if undecided else None,
        resolution=plan.resolution if undecided else widest,
        estimand=ESTIMAND,
        labels=_labels(scores, seeds, delta, tuned),
    )


def _labels(scores: Mapping[int, Scores], seeds: int, delta: float, tuned: bool) -> tuple[str, ...]:
    labels = []
    if not tuned:
        labels.append("learning rate not tuned per depth")
    if delta <= FINE_DELTA and seeds < FINE_SEEDS:
        labels.append(f"a margin of {100 * delta:g} points needs {FINE_SEEDS} seeds or more, and these are {seeds}")
    numbers = {_seeds_of(depth) for depth in scores.values()}
    if len(numbers) > 1:
        labels.append(f"{min(numbers)} to {max(numbers)} seeds a depth; unequal numbers are taken as unpaired")
    return tuple(labels)


def _seeds_of(scores: Scores) -> int:
    return len(scores) if isinstance(scores, np.ndarray) else min(len(np.asarray(fold)) for fold in scores)


def false_findings(
    scores: NDArray[Any] | Sequence[ArrayLike],
    *,
    depths: int = 4,
    seeds_each: int = 10,
    draws: int = 1000,
    seed: int = 0,
    delta: float = 0.01,
    alpha: float = 0.05,
) -> float:
    """Count false findings where there is nothing to find: the seeds of one cell, dealt at random to fake depths (A/A).

    Args:
        scores: (seeds, examples) of one cell, at least `depths * seeds_each` seeds.
        depths: number of fake depths.
        seeds_each: seeds of each; above 3, for fewer give no verdict.
        draws: number of random deals.
        seed: of the deals.
        delta: as in `decide`.
        alpha: as in `decide`.

    Returns:
        Share of the deals in which some fake depth was said to score higher than a shallower one: the verdict "better",
        or "enough" with that addition. "d is enough" alone is no false statement here.

    Raises:
        ValueError: too few seeds.
    """
    runs = np.asarray(scores)
    if len(runs) < depths * seeds_each:
        raise ValueError(f"{depths} fake depths of {seeds_each} seeds need {depths * seeds_each} runs, not {len(runs)}")
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(draws):
        dealt = rng.permutation(len(runs))[: depths * seeds_each].reshape(depths, seeds_each)
        decision = decide({d + 1: runs[rows] for d, rows in enumerate(dealt)}, delta=delta, alpha=alpha)
        found += bool(decision.better_than)
    return found / draws
