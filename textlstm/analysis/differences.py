"""What each depth gains over shallower ones, and the verdict: paired over seeds and texts, corrected for many looks."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.means import has_learned, hit_cap, measure
from textlstm.analysis.reading import Grid, Group
from textlstm.analysis.summary import DecisionSummary, DifferenceSummary
from textlstm.analysis.wording import size_words
from textlstm.errors import RunFolderError
from textlstm.experiment.controls import setting_label
from textlstm.results import Estimate
from textlstm.stats.decision import ESTIMAND, decide
from textlstm.stats.families import holm, unseen
from textlstm.stats.paired import Difference, fold_difference, paired_difference
from textlstm.stats.rules import PREVIEW_SEEDS

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
    for one, other in zip(shallow.folds, deep.folds, strict=True):
        if not (np.array_equal(one.rows, other.rows) and np.array_equal(one.labels, other.labels)):
            raise RunFolderError(
                f"Runs that are compared are scored on the same test rows, and {shallow.folders[0][0]} and"
                f" {deep.folders[0][0]} are not; runs of different data were put into one folder: move one away."
            )
    a = [scores[first] for scores in measure(shallow, name)]
    b = [scores[second] for scores in measure(deep, name)]
    return paired_difference(a[0], b[0]) if len(a) == 1 else fold_difference(a, b)


def as_estimate(difference: Difference | None, *, share: bool = False) -> Estimate:
    """Keep the value, and the interval where there is one.

    Args:
        difference: of two groups; None where they share no seed.
        share: whether it is one of accuracy. Two groups that answered all but a few texts alike then get the interval
            of the rule of three, as in the verdict, since no spread is seen among so few.

    Returns:
        The estimate.
    """
    if difference is None:
        return Estimate(value=float("nan"))
    low, high = _finite(difference.low), _finite(difference.high)
    if share and low is not None and high is not None:
        slack = unseen(difference, 0.025)
        low, high = max(-1.0, low - slack), min(1.0, high + slack)
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
                    confirmatory = (setting, size) == grid.confirmatory[:2]
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
            "accuracy": as_estimate(accuracy, share=True),
            "log_loss": as_estimate(difference_of(shallow, deep, "log_loss")),
            "macro_f1": as_estimate(difference_of(shallow, deep, "macro_f1")),
            "p": None if accuracy is None or not 0 < accuracy.standard_error < math.inf else accuracy.p_value,
            "holm": None,
            "family": family,
            "seeds": 0 if accuracy is None else accuracy.seeds,
            "seed_share": None if accuracy is None else _finite(accuracy.seed_share),
            "residual_share": None if accuracy is None else _finite(accuracy.residual_share),
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
    recipe = grid.plan.as_recipe()
    setting, size, layers = grid.confirmatory
    depths = grid.depths(setting, size)
    if len(layers) < 2:
        return None
    seeds = sorted(set.intersection(*(set(group.seeds) for group in depths))) if depths else []
    missing = [depth for depth in layers if depth not in {group.layers for group in depths}]
    if missing or not seeds or (recipe.preview and len(seeds) > PREVIEW_SEEDS):
        return _without_verdict(grid, missing, seeds)
    keep = {group.layers: [group.seeds.index(seed) for seed in seeds] for group in depths}
    scores = {group.layers: [fold[keep[group.layers]] for fold in measure(group, "accuracy")] for group in depths}
    diverged = _diverged(grid)
    converged = {
        group.layers: np.array([has_learned(run) for run in group.all_runs] + [False] * diverged[group.layers])
        for group in depths
    }
    runs = [run for group in depths for run in group.all_runs]
    decision = decide(
        {depth: folds[0] if len(folds) == 1 else folds for depth, folds in scores.items()},
        delta=recipe.delta / 100,
        converged=converged,
        capped_share=float(np.mean([hit_cap(run) for run in runs])),
        tuned=setting.startswith("tuned") or "training.learning_rate" in recipe.grid.axes,
    )
    return DecisionSummary(
        kind=decision.kind,
        layers=decision.depth,
        words=decision.words,
        estimand=decision.estimand,
        delta=recipe.delta / 100,
        labels=[*decision.labels, *_reservations(grid, seeds)],
        setting=setting,
        size=size,
        bounds=[
            (shallow, deep, _finite(bound.low), _finite(bound.high))
            for (shallow, deep), bound in decision.bounds.items()
            if shallow < deep
        ],
        more_seeds=decision.more_seeds,
        more_texts=decision.more_texts,
        resolution=_finite(decision.resolution),
    )


def _without_verdict(grid: Grid, missing: list[int], seeds: list[int]) -> DecisionSummary:
    """Say why nothing can be said yet."""
    recipe = grid.plan.as_recipe()
    setting, size, _ = grid.confirmatory
    if missing:
        depths = " and ".join(map(str, missing))
        words = f"No verdict yet: no run is finished at {depths} layers with {size_words(size)} labels."
    elif not seeds:
        words = f"No verdict yet: no seed is finished at every depth with {size_words(size)} labels."
    else:
        words = "A preview, without a verdict: the recipe says that its rows are too few for one."
    return DecisionSummary(
        kind="preview",
        layers=None,
        words=words,
        estimand=ESTIMAND,
        delta=recipe.delta / 100,
        labels=_reservations(grid, seeds),
        setting=setting,
        size=size,
    )


def _diverged(grid: Grid) -> Counter[int]:
    """Count the runs of the confirmatory family that ended in a loss that is no number, by depth."""
    setting, size, _ = grid.confirmatory
    return Counter(
        int(cell.coordinates["layers"])
        for cell, failure in grid.failures
        if failure.kind == "non_finite_loss"
        and (setting_label(cell.coordinates), cell.coordinates["size"]) == (setting, size)
        and "baseline" not in cell.coordinates
    )


def _reservations(grid: Grid, seeds: list[int]) -> list[str]:
    """What a reader must know beside the verdict: runs that are missing, and seeds that they cost."""
    setting, size, _ = grid.confirmatory
    words = []
    if grid.finished < grid.planned:
        words.append(
            f"interim: {grid.finished:,} of {grid.planned:,} runs; looking again while runs are added raises the chance"
            " of a false finding"
        )
    every = {seed for group in grid.depths(setting, size) for seed in group.seeds}
    if lost := sorted(every - set(seeds)):
        words.append(f"seeds {', '.join(map(str, lost))} left out: not finished at every depth")
    return words
