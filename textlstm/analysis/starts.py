"""Does transfer remove the need for depth? What layers gain with it and without, where a grid has both.

An axis such as `embeddings.source: [glove.txt, null]` compares the same depths, sizes and seeds with and without. The
change of a layer's gain is a difference of two paired differences, over the same seeds and texts as these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.differences import as_estimate, difference_of
from textlstm.analysis.means import has_learned, hit_cap, mean_estimate, measure
from textlstm.analysis.reading import Grid, Group
from textlstm.analysis.summary_beside import StartSummary
from textlstm.analysis.wording import layers_words, points, setting_words, with_interval
from textlstm.experiment.controls import control_names, setting_label
from textlstm.recipe import Recipe
from textlstm.results import Estimate
from textlstm.stats.families import unseen
from textlstm.stats.paired import Difference, fold_difference, paired_difference
from textlstm.stats.rules import LEAST_CONVERGED, MOST_CAPPED, PREVIEW_SEEDS

Floats = NDArray[np.float64]

STARTS = {
    "embeddings.source": "pretrained vectors",
    "transfer.encoder": "a pretrained encoder",
    "distillation.teacher": "a teacher",
    "augmentation.copies": "changed copies of the texts",
}
"""Axes that bring in more than the labeled texts say, in words; their values None and 0 bring nothing."""


def starts(grid: Grid) -> list[StartSummary]:
    """Compare what layers gain with and without each kind of transfer.

    Args:
        grid: finished runs.

    Returns:
        By control, point of the axes, size and deeper depth; nothing for a grid without such an axis, or one depth.
    """
    delta = grid.plan.as_recipe().delta / 100
    return [
        row
        for key, bare, rich in _pairs(grid)
        for size in grid.sizes(rich)
        for row in _rows(grid, key, bare, rich, size, delta)
    ]


def start_sentences(found: Sequence[StartSummary]) -> list[str]:
    """Answer for each kind of transfer, under the first control at the largest size.

    Args:
        found: of `starts`.

    Returns:
        A sentence or two for each setting with transfer, about the deeper depth that scored best without it; named
        first where there are several.
    """
    words = []
    settings = dict.fromkeys(row.setting for row in found if row.control == found[0].control)
    for setting in settings:
        rows = [row for row in found if row.setting == setting]
        last = [row for row in rows if row.size == rows[-1].size]
        best = max(last, key=lambda row: -math.inf if math.isnan(row.gain_without.value) else row.gain_without.value)
        name = f"{setting_words(setting).partition(', ')[2]}: " if len(settings) > 1 else ""
        words.append(name + best.words)
    return words


def _pairs(grid: Grid) -> Iterator[tuple[str, str, str]]:
    """Name the settings that differ in one kind of transfer alone: its key, without it, with it."""
    axes = grid.plan.as_recipe().grid.axes
    points_of_axes: list[dict[str, Any]] = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    for control in control_names(grid.plan.as_recipe().grid):
        for key in (key for key in axes if key in STARTS):
            nothing = [value for value in axes[key] if _is_nothing(value)]
            for point in points_of_axes:
                if nothing and not _is_nothing(point[key]):
                    yield key, _label(control, {**point, key: nothing[0]}), _label(control, point)


def _is_nothing(value: object) -> bool:
    return value is None or value == 0


def _label(control: str, axes: Mapping[str, Any]) -> str:
    return setting_label({"control": control, **axes})


def _rows(grid: Grid, key: str, bare: str, rich: str, size: int | str, delta: float) -> Iterator[StartSummary]:
    """Compare each deeper depth with the shallowest, with and without, and judge them together."""
    without = {group.layers: group for group in grid.depths(bare, size)}
    given = {group.layers: group for group in grid.depths(rich, size)}
    first, *deeper = sorted(without.keys() & given.keys()) or [0]
    gains = {
        deep: (
            difference_of(without[first], without[deep], "accuracy"),
            difference_of(given[first], given[deep], "accuracy"),
        )
        for deep in deeper
    }
    groups_of = {deep: (without[first], without[deep], given[first], given[deep]) for deep in deeper}
    changes = {deep: _change(groups, _common(groups)) for deep, groups in groups_of.items()}
    unfit = _unfit(grid.plan.as_recipe(), [*without.values(), *given.values()])
    judged = unfit or judgment([(*gains[deep], changes[deep]) for deep in deeper], delta)
    for deep, (gain_without, gain_with) in gains.items():
        seeds = _common(groups_of[deep])
        figures = (
            as_estimate(gain_without, share=True),
            as_estimate(gain_with, share=True),
            as_estimate(difference_of(without[deep], given[first], "accuracy"), share=True),
        )
        yield StartSummary(
            key=key,
            what=STARTS[key],
            control=rich.partition(", ")[0],
            setting=rich,
            without=bare,
            size=size,
            shallow=first,
            deep=deep,
            seeds=len(seeds),
            accuracy_without=mean_estimate(measure(without[first], "accuracy")),
            accuracy_with=mean_estimate(measure(given[first], "accuracy")),
            gain_without=figures[0],
            gain_with=figures[1],
            change=as_estimate(changes[deep]),
            shallow_with_minus_deep_without=figures[2],
            words=_words(STARTS[key], (first, deep), figures, judged if len(seeds) > PREVIEW_SEEDS else _FEW),
        )


def _unfit(recipe: Recipe, groups: Sequence[Group]) -> str:
    """Say why runs allow no judgment, as in the first rows of the verdict's table; empty where they do."""
    runs = [run for group in groups for run in group.all_runs]
    learned = [np.mean([has_learned(run) for run in group.all_runs]) for group in groups]
    if min(learned, default=1.0) < LEAST_CONVERGED or (runs and np.mean([hit_cap(run) for run in runs]) > MOST_CAPPED):
        return "these runs were not trained to the end, so that the need for depth cannot be judged"
    return "a preview, with too few rows to say whether that removes the need for depth" if recipe.preview else ""


def _common(groups: tuple[Group, Group, Group, Group]) -> list[int]:
    """List the seeds that all four groups have."""
    return sorted(set.intersection(*(set(group.seeds) for group in groups)))


def _change(groups: tuple[Group, Group, Group, Group], seeds: list[int]) -> Difference | None:
    """Take what the layers gain without from what they gain with, seed by seed and text by text."""
    if not seeds:
        return None
    shallow, deep, shallow_given, deep_given = (
        [scores[[group.seeds.index(seed) for seed in seeds]] for scores in measure(group, "accuracy")]
        for group in groups
    )
    without = [one - other for one, other in zip(deep, shallow, strict=True)]
    given = [one - other for one, other in zip(deep_given, shallow_given, strict=True)]
    return paired_difference(without[0], given[0]) if len(given) == 1 else fold_difference(without, given)


def _words(what: str, depths: tuple[int, int], figures: tuple[Estimate, Estimate, Estimate], judged: str) -> str:
    """Say what the gains with and without mean together."""
    without, given, alone = figures
    shallow, deep = layers_words(depths[0]), layers_words(depths[1])
    return (
        f"Without {what}, {deep} gain {with_interval(without, points)} points over {shallow}, and with"
        f" {with_interval(given, points)}: {judged}. {shallow[:1].upper()}{shallow[1:]} with {what} against {deep}"
        f" without: {with_interval(alone, points)} points."
    )


_FEW = "a first look, too few seeds to say whether that removes the need for depth"
_ALPHA = 0.025


def judgment(gains: Sequence[tuple[Difference | None, Difference | None, Difference | None]], delta: float) -> str:
    """Read the gains of all deeper depths, without and with, and the changes between the two.

    Depth helps where the lower bound of some depth's gain, at alpha over the number of depths, is above 0; it does not
    where the interval of every depth's gain ends under delta. That the one is shown without and the other with does not
    show yet that the gains differ: the need is removed where the change of a depth that helps is shown to be below 0.

    Args:
        gains: for each deeper depth what it gains without, what it gains with, and the second minus the first; None
            where no seed is shared.
        delta: smallest gain worth a layer, a share.

    Returns:
        A clause.
    """
    if not gains:
        return _FEW
    alpha = _ALPHA / len(gains)
    helps: list[list[bool]] = []
    small: list[bool] = []
    for side in (0, 1):
        known = [gain[side] for gain in gains]
        helps.append([gain is not None and gain.bound("lower", alpha) > unseen(gain, alpha) for gain in known])
        ends = [as_estimate(gain, share=True).high for gain in known]
        small.append(all(end is not None and end < delta for end in ends))
    fell = [change is not None and change.bound("upper", alpha) < -unseen(change, alpha) for *_, change in gains]
    if all(small):
        return "here depth was not needed without it either"
    if any(helps[0]) and small[1]:
        if any(needed and less for needed, less in zip(helps[0], fell, strict=True)):
            return "here it removes the need for depth"
        return "here depth is not needed with it, and that it gained more without is not shown"
    if any(helps[1]) and not small[1]:
        return "here it does not remove the need for depth" if any(helps[0]) else "here depth is of use with it"
    if small[0]:
        return "here depth was not needed without it"
    return "whether it removes the need for depth is not decided by these runs"
