"""Does transfer remove the need for depth? What layers gain with it and without, where a grid has both.

An axis such as `embeddings.source: [glove.txt, null]` compares the same depths, sizes and seeds with and without. The
change of a layer's gain is a difference of two paired differences, over the same seeds and texts as these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.differences import as_estimate, difference_of
from textlstm.analysis.means import mean_estimate, measure
from textlstm.analysis.reading import Grid, Group
from textlstm.analysis.summary_beside import StartSummary
from textlstm.analysis.wording import layers_words, points, with_interval
from textlstm.experiment.controls import control_names, setting_label
from textlstm.results import Estimate
from textlstm.stats.paired import fold_difference, paired_difference
from textlstm.stats.rules import PREVIEW_SEEDS

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
        _start(key, size, groups, delta)
        for key, bare, rich in _pairs(grid)
        for size in grid.sizes(rich)
        for groups in _depths(grid, bare, rich, size)
    ]


def start_sentences(found: Sequence[StartSummary]) -> list[str]:
    """Answer for each kind of transfer, under the first control at the largest size.

    Args:
        found: of `starts`.

    Returns:
        A sentence or two for each setting with transfer, about the deeper depth that scored best without it.
    """
    words = []
    for setting in dict.fromkeys(row.setting for row in found if row.control == found[0].control):
        rows = [row for row in found if row.setting == setting]
        last = [row for row in rows if row.size == rows[-1].size]
        words.append(max(last, key=lambda row: row.gain_without.value).words)
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


def _depths(grid: Grid, bare: str, rich: str, size: int | str) -> Iterator[tuple[Group, Group, Group, Group]]:
    """Go through the deeper depths: shallowest and deeper without, then the same with."""
    without = {group.layers: group for group in grid.depths(bare, size)}
    given = {group.layers: group for group in grid.depths(rich, size)}
    shared = sorted(without.keys() & given.keys())
    for deep in shared[1:]:
        yield without[shared[0]], without[deep], given[shared[0]], given[deep]


def _start(key: str, size: int | str, groups: tuple[Group, Group, Group, Group], delta: float) -> StartSummary:
    """Compare one deeper depth with the shallowest, with and without."""
    shallow, deep, shallow_given, deep_given = groups
    seeds = sorted(set.intersection(*(set(group.seeds) for group in groups)))
    gain_without = as_estimate(difference_of(shallow, deep, "accuracy"), share=True)
    gain_with = as_estimate(difference_of(shallow_given, deep_given, "accuracy"), share=True)
    alone = as_estimate(difference_of(deep, shallow_given, "accuracy"), share=True)
    change = _change(groups, seeds)
    decided = len(seeds) > PREVIEW_SEEDS
    return StartSummary(
        key=key,
        what=STARTS[key],
        control=deep_given.setting.partition(", ")[0],
        setting=deep_given.setting,
        without=deep.setting,
        size=size,
        shallow=shallow.layers,
        deep=deep.layers,
        seeds=len(seeds),
        accuracy_without=mean_estimate(measure(shallow, "accuracy")),
        accuracy_with=mean_estimate(measure(shallow_given, "accuracy")),
        gain_without=gain_without,
        gain_with=gain_with,
        change=change,
        shallow_with_minus_deep_without=alone,
        words=_words(
            STARTS[key], (shallow.layers, deep.layers), (gain_without, gain_with, alone), delta, decided=decided
        ),
    )


def _change(groups: tuple[Group, Group, Group, Group], seeds: list[int]) -> Estimate:
    """Take what the layers gain without from what they gain with, seed by seed and text by text."""
    if not seeds:
        return Estimate(value=float("nan"))
    shallow, deep, shallow_given, deep_given = (
        [scores[[group.seeds.index(seed) for seed in seeds]] for scores in measure(group, "accuracy")]
        for group in groups
    )
    without = [one - other for one, other in zip(deep, shallow, strict=True)]
    given = [one - other for one, other in zip(deep_given, shallow_given, strict=True)]
    found = paired_difference(without[0], given[0]) if len(given) == 1 else fold_difference(without, given)
    return as_estimate(found)


def _words(
    what: str, depths: tuple[int, int], figures: tuple[Estimate, Estimate, Estimate], delta: float, *, decided: bool
) -> str:
    """Say what the gains with and without mean together."""
    without, given, alone = figures
    shallow, deep = layers_words(depths[0]), layers_words(depths[1])
    said = (
        f"Without {what}, {deep} gain {with_interval(without, points)} points over {shallow}, and with"
        f" {with_interval(given, points)}"
    )
    beside = f"{shallow} with {what} against {deep} without: {with_interval(alone, points)} points."
    return f"{said}: {_judgment(without, given, delta) if decided else _FEW}. {beside[:1].upper()}{beside[1:]}"


_FEW = "a first look, too few seeds to say whether that removes the need for depth"


def _judgment(without: Estimate, given: Estimate, delta: float) -> str:
    """Read the two intervals: a gain is shown where all of it is above nought, and none where all is under delta."""
    helps = [figure.low is not None and figure.low > 0 for figure in (without, given)]
    small = [figure.high is not None and figure.high < delta for figure in (without, given)]
    if helps[0] and small[1]:
        return "here it removes the need for depth"
    if helps[1]:
        return "here it does not remove the need for depth" if helps[0] else "here depth is of use with it"
    if small[0]:
        return "here depth was not needed without it either" if small[1] else "here depth was not needed without it"
    return "whether it removes the need for depth is not decided by these runs"
