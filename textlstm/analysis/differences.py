"""What each depth gains over shallower ones, and the verdict: paired over seeds and texts, corrected for many looks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.means import has_learned, hit_cap, measure
from textlstm.analysis.reading import Grid, Group
from textlstm.analysis.summary import DecisionSummary, DifferenceSummary
from textlstm.results import Estimate
from textlstm.stats.decision import Decision, decide
from textlstm.stats.families import holm
from textlstm.stats.paired import Difference, fold_difference, paired_difference

Floats = NDArray[np.float64]


def common_seeds(one: Group, other: Group) -> tuple[list[int], list[int]]:
    """Find the seeds that two groups share.

    Args:
        one: finished runs.
        other: finished runs.

    Returns:
        Positions in the first group and in the second, of the same seeds in the same order.
    """
    shared = [seed for seed in one.seeds if seed in set(other.seeds)]
    return [one.seeds.index(seed) for seed in shared], [other.seeds.index(seed) for seed in shared]


def difference_of(shallow: Group, deep: Group, name: str) -> Difference | None:
    """Compare two groups on one measure.

    Args:
        shallow: finished runs, at the size of `deep`.
        deep: finished runs.
        name: a key of `means.MEASURES`.

    Returns:
        The gain of `deep`, paired over the seeds that both have; None where they share none.
    """
    first, second = common_seeds(shallow, deep)
    if not first:
        return None
    a = [scores[first] for scores in measure(shallow, name)]
    b = [scores[second] for scores in measure(deep, name)]
    return paired_difference(a[0], b[0]) if len(a) == 1 else fold_difference(a, b)


def as_estimate(difference: Difference | None) -> Estimate:
    """Keep the value, and the interval where there is one."""
    if difference is None:
        return Estimate(value=float("nan"))
    low, high = _finite(difference.low), _finite(difference.high)
    return Estimate(value=difference.value, low=low, high=high)


def _finite(value: float) -> float | None:
    """Give up what one seed cannot tell."""
    return value if math.isfinite(value) else None


def gains(grid: Grid) -> list[DifferenceSummary]:
    """Compare every pair of depths at every size under every control.

    Args:
        grid: finished runs.

    Returns:
        The pairs at the largest size of the declared control are the confirmatory family. Of the rest, each depth's
        gain over the shallowest makes one Holm family; all other pairs are exploratory.
    """
    found: list[DifferenceSummary] = []
    for setting in grid.settings:
        sizes = grid.sizes(setting)
        for size in sizes:
            depths = grid.depths(setting, size)
            for index, shallow in enumerate(depths):
                for deep in depths[index + 1 :]:
                    confirmatory = setting == grid.settings[0] and size == sizes[-1]
                    family = "confirmatory" if confirmatory else "exploratory" if index else "holm"
                    found.append(_gain(shallow, deep, family))
    tested = [(place, gain.p) for place, gain in enumerate(found) if gain.family == "holm" and gain.p is not None]
    for (place, _), corrected in zip(tested, holm([p for _, p in tested]), strict=True):
        found[place] = found[place].model_copy(update={"holm": float(corrected)})
    return found


def _gain(shallow: Group, deep: Group, family: str) -> DifferenceSummary:
    """Compare one pair."""
    accuracy = difference_of(shallow, deep, "accuracy")
    return DifferenceSummary.model_validate(
        {
            "setting": deep.setting,
            "size": deep.size,
            "shallow": shallow.layers,
            "deep": deep.layers,
            "accuracy": as_estimate(accuracy),
            "log_loss": as_estimate(difference_of(shallow, deep, "log_loss")),
            "macro_f1": as_estimate(difference_of(shallow, deep, "macro_f1")),
            "p": None if accuracy is None or math.isinf(accuracy.standard_error) else accuracy.p_value,
            "holm": None,
            "family": family,
            "seeds": 0 if accuracy is None else accuracy.seeds,
            "seed_share": None if accuracy is None else _finite(accuracy.seed_share),
            "example_share": None if accuracy is None else _finite(accuracy.example_share),
            "seed_correlation": None if accuracy is None else _finite(accuracy.seed_correlation),
            "limit": None if accuracy is None else _finite(accuracy.limit),
        }
    )


def verdict(grid: Grid) -> DecisionSummary | None:
    """Decide how many layers are enough, at the largest size of the declared control.

    Args:
        grid: finished runs.

    Returns:
        The verdict; None where there are not two depths.
    """
    setting = grid.settings[0]
    size = grid.sizes(setting)[-1]
    depths = grid.depths(setting, size)
    if len(depths) < 2:
        return None
    seeds = sorted(set.intersection(*(set(group.seeds) for group in depths)))
    if not seeds:
        return None
    keep = {group.layers: [group.seeds.index(seed) for seed in seeds] for group in depths}
    scores = {group.layers: [fold[keep[group.layers]] for fold in measure(group, "accuracy")] for group in depths}
    converged = {
        group.layers: np.array([has_learned(fold[i]) for fold in group.runs for i in keep[group.layers]])
        for group in depths
    }
    runs = [fold[i] for group in depths for fold in group.runs for i in keep[group.layers]]
    recipe = grid.plan.as_recipe()
    decision = decide(
        {layers: folds[0] if len(folds) == 1 else folds for layers, folds in scores.items()},
        delta=recipe.delta / 100,
        converged=converged,
        capped_share=float(np.mean([hit_cap(run) for run in runs])),
        tuned=setting.startswith("tuned") or "training.learning_rate" in recipe.grid.axes,
    )
    return _as_summary(decision, delta=recipe.delta / 100, setting=setting, size=size, preview=recipe.preview)


def _as_summary(decision: Decision, *, delta: float, setting: str, size: int | str, preview: bool) -> DecisionSummary:
    """Keep what reports need."""
    labels: Sequence[str] = decision.labels
    if preview:
        labels = [*labels, "the recipe calls itself a preview: its rows and seeds are too few for a verdict"]
    return DecisionSummary(
        kind=decision.kind,
        layers=decision.depth,
        words=decision.words,
        estimand=decision.estimand,
        delta=delta,
        labels=list(labels),
        setting=setting,
        size=size,
    )
