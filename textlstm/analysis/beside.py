"""What stands beside the scores: baselines on the same rows, cost by depth, and the texts that stay misclassified."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.differences import as_estimate, difference_of
from textlstm.analysis.means import mean_estimate, measure
from textlstm.analysis.reading import Grid, Group, size_key
from textlstm.analysis.summary import CellSummary
from textlstm.analysis.summary_beside import BaselineSummary, CostSummary, HardText
from textlstm.analysis.wording import BASELINES, baseline_sentence
from textlstm.experiment.baselines import BaselineResult, read_baselines
from textlstm.experiment.costs import read_costs
from textlstm.experiment.kept_texts import read_test_texts
from textlstm.stats.families import holm

Floats = NDArray[np.float64]

HARD_TEXTS = 20
SHOWN_CHARACTERS = 300


def baselines(grid: Grid) -> list[BaselineSummary]:
    """Average the plain methods, and compare the best depth of the declared control with each.

    Args:
        grid: finished runs.

    Returns:
        By name, weakest kind first, and size.
    """
    fitted = _fitted_groups(grid, read_baselines(grid.folder))
    trained = {key: _Fitted(group, _fit_seconds(group), group.labels) for key, group in grid.baselines.items()}
    groups = {**trained, **fitted}
    order = list(BASELINES)
    found: list[BaselineSummary] = []
    p_values: list[float | None] = []
    for (name, size), one in sorted(groups.items(), key=lambda item: (order.index(item[0][0]), size_key(item[0][1]))):
        best = best_depth(grid, size)
        gain = None if best is None else difference_of(one.group, best, "accuracy")
        certain = gain is not None and 0 < gain.standard_error < np.inf
        p_values.append(gain.p_value if gain is not None and certain else None)
        found.append(
            BaselineSummary(
                name=name,
                words=baseline_sentence(name),
                size=size,
                labels=one.labels,
                seeds=len(one.group.seeds),
                accuracy=mean_estimate(measure(one.group, "accuracy")),
                macro_f1=mean_estimate(measure(one.group, "macro_f1")),
                seconds=one.seconds,
                gain_of_stack=None if gain is None else as_estimate(gain, share=True),
            )
        )
    return _corrected(found, p_values)


def _corrected(found: list[BaselineSummary], p_values: list[float | None]) -> list[BaselineSummary]:
    """Correct the comparisons with the stack for the number of baselines at each size (Holm 1979)."""
    for size in {baseline.size for baseline in found}:
        places = [i for i, baseline in enumerate(found) if baseline.size == size and p_values[i] is not None]
        corrected = holm([p for i in places if (p := p_values[i]) is not None])
        for place, value in zip(places, corrected, strict=True):
            found[place] = found[place].model_copy(update={"holm": float(value)})
    return found


def best_depth(grid: Grid, size: int | str) -> Group | None:
    """Find the depth of the declared control with the highest mean accuracy.

    Args:
        grid: finished runs.
        size: at which.

    Returns:
        Its group; None where nothing is finished.
    """
    depths = grid.depths(grid.settings[0], size)
    return max(depths, key=lambda group: mean_estimate(measure(group, "accuracy")).value, default=None)


class _Fitted(NamedTuple):
    """A baseline's group with its mean seconds and its labels."""

    group: Group
    seconds: float
    labels: int


def _fitted_groups(grid: Grid, results: Sequence[BaselineResult]) -> dict[tuple[str, int | str], _Fitted]:
    """Put fitted baselines into groups as runs are: the seeds that are there in every fold."""
    members: dict[tuple[str, int | str], dict[tuple[int, int], BaselineResult]] = defaultdict(dict)
    for result in results:
        members[result.name, result.size][result.fold or 0, result.seed] = result
    folds = range(grid.plan.recipe["grid"].get("folds") or 1)
    groups: dict[tuple[str, int | str], _Fitted] = {}
    for (name, size), found in members.items():
        seeds = sorted({seed for _, seed in found if all((fold, seed) in found for fold in folds)})
        if seeds:
            folders = [[grid.folder / found[fold, seed].path for seed in seeds] for fold in folds]
            group = Group(name, 0, size, seeds, [[] for _ in folds], folders)
            every = list(found.values())
            seconds = float(np.mean([result.seconds for result in every]))
            groups[name, size] = _Fitted(group, seconds, round(float(np.mean([r.labels_used for r in every]))))
    return groups


def _fit_seconds(group: Group) -> float:
    return float(np.mean([run.cost.train_seconds for run in group.all_runs]))


def costs(grid: Grid, cells: Sequence[CellSummary]) -> list[CostSummary]:
    """Set what each depth costs beside what it scores, at the largest size of each setting.

    Args:
        grid: finished runs.
        cells: their means.

    Returns:
        By setting and depth, with the Pareto fronts of each setting marked.
    """
    measured = read_costs(grid.folder)
    found: list[CostSummary] = []
    for setting in grid.settings:
        largest = grid.sizes(setting)[-1]
        rows = [cell for cell in cells if cell.setting == setting and cell.size == largest]
        latency = {row.layers: cost.latency_ms for row in rows if (cost := measured.get((setting, row.layers)))}
        quick = {layers: times["1"][0] for layers, times in latency.items() if "1" in times}
        timed = [row for row in rows if row.layers in quick]
        by_latency = front(timed, [quick[row.layers] for row in timed])
        by_training = front(rows, [row.train_seconds for row in rows])
        for row in rows:
            cost = measured.get((setting, row.layers))
            found.append(
                CostSummary(
                    setting=setting,
                    layers=row.layers,
                    disk_mb=None if cost is None else cost.disk_mb,
                    latency_ms={} if cost is None else cost.latency_ms,
                    tokens=None if cost is None else cost.tokens,
                    parameters=row.parameters,
                    parameters_without_embeddings=row.parameters_without_embeddings,
                    flops_per_token=row.flops_per_token,
                    train_seconds=row.train_seconds,
                    tokens_per_second=row.tokens_per_second,
                    peak_memory_mb=row.peak_memory_mb,
                    accuracy=row.accuracy.value,
                    on_latency_front=row.layers in by_latency,
                    on_training_front=row.layers in by_training,
                )
            )
    return found


def front(cells: Sequence[CellSummary], prices: Sequence[float]) -> set[int]:
    """Find the Pareto front of accuracy against a price.

    Args:
        cells: one a depth.
        prices: of each, such as seconds.

    Returns:
        The depths that no other depth beats: as cheap and as accurate, and better in one of the two.
    """
    points = [(price, -cell.accuracy.value) for cell, price in zip(cells, prices, strict=True)]
    return {
        cell.layers
        for cell, (price, loss) in zip(cells, points, strict=True)
        if not any(p <= price and other <= loss and (p, other) != (price, loss) for p, other in points)
    }


def hard_texts(grid: Grid) -> list[HardText]:
    """Find the test texts that most runs get wrong, at the largest size of the declared control.

    Args:
        grid: finished runs.

    Returns:
        The worst first; texts are empty where none were kept. Nothing for multi-label data.
    """
    setting = grid.settings[0]
    depths = grid.depths(setting, grid.sizes(setting)[-1])
    names = grid.plan.data.label_names
    if grid.plan.data.multi_label:
        return []
    found: list[HardText] = []
    for fold in range(len(depths[0].folds)):
        scored = [group.folds[fold] for group in depths]
        wrong = np.stack([(part.probabilities.argmax(2) != part.labels).mean(0) for part in scored])  # (depths, n)
        worst = np.argsort(-wrong.mean(0), kind="stable")[:HARD_TEXTS]
        for place in worst[wrong.mean(0)[worst] > 0]:
            label = int(scored[0].labels[place])
            given = Counter(int(c) for part in scored for c in part.probabilities[:, place].argmax(1) if c != label)
            row = int(scored[0].rows[place])
            found.append(
                HardText(
                    row=row,
                    text="",
                    label=names[label],
                    predicted=names[given.most_common(1)[0][0]],
                    wrong={group.layers: float(wrong[index, place]) for index, group in enumerate(depths)},
                )
            )
    worst_of_all = sorted(found, key=lambda text: -float(np.mean(list(text.wrong.values()))))[:HARD_TEXTS]
    texts = read_test_texts(grid.folder, {text.row for text in worst_of_all})
    return [text.model_copy(update={"text": texts.get(text.row, "")[:SHOWN_CHARACTERS]}) for text in worst_of_all]
