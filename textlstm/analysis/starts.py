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
from textlstm.stats.paired import Difference, fold_difference, paired_difference
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
    judged = _judgment(list(gains.values()), delta)
    for deep, (gain_without, gain_with) in gains.items():
        groups = without[first], without[deep], given[first], given[deep]
        seeds = sorted(set.intersection(*(set(group.seeds) for group in groups)))
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
            change=_change(groups, seeds),
            shallow_with_minus_deep_without=figures[2],
            words=_words(STARTS[key], (first, deep), figures, judged if len(seeds) > PREVIEW_SEEDS else _FEW),
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


def _judgment(gains: Sequence[tuple[Difference | None, Difference | None]], delta: float) -> str:
    """Read the gains of all deeper depths, without and with.

    Depth helps where the lower bound of some depth's gain, at alpha over the number of depths, is above nought; it does
    not where the interval of every depth's gain ends under delta.
    """
    helps, small = [], []
    for side in zip(*gains, strict=True):
        known = [gain for gain in side if gain is not None]
        helps.append(any(gain.bound("lower", _ALPHA / len(side)) > 0 for gain in known))
        ends = [as_estimate(gain, share=True).high for gain in known]
        small.append(len(known) == len(side) and all(end is not None and end < delta for end in ends))
    if not helps:
        return _FEW
    if helps[0] and small[1]:
        return "here it removes the need for depth"
    if helps[1]:
        return "here it does not remove the need for depth" if helps[0] else "here depth is of use with it"
    if small[0]:
        return "here depth was not needed without it either" if small[1] else "here depth was not needed without it"
    return "whether it removes the need for depth is not decided by these runs"
