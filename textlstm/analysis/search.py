"""What the search of the `tuned` control found, by depth and budget."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from textlstm.analysis.reading import Grid
from textlstm.analysis.summary_beside import SearchSummary
from textlstm.experiment.controls import setting_label
from textlstm.results import Run
from textlstm.stats.search import search_curve


def searches(grid: Grid) -> list[SearchSummary]:
    """Estimate the expected best validation accuracy by number of random configurations.

    Args:
        grid: with the trials of its search; one that failed has the score of chance, and the mean cost of the others.

    Returns:
        One curve a setting, depth and size with two trials or more; nothing without a search.
    """
    groups: dict[tuple[str, int, int | str], list[Run]] = defaultdict(list)
    for run in grid.trials:
        groups[setting_label(run.cell), run.cell["layers"], run.cell["size"]].append(run)
    failed = Counter(
        (setting_label(cell.coordinates), cell.coordinates["layers"], cell.coordinates["size"])
        for cell, _ in grid.failures
        if "trial" in cell.coordinates
    )
    found: list[SearchSummary] = []
    for (setting, layers, size), runs in groups.items():
        lost = failed[setting, layers, size]
        if len(runs) + lost < 2:
            continue
        scores = np.array([run.metrics["validation"].accuracy.value for run in runs])
        seconds = np.array([run.cost.train_seconds for run in runs])
        scores = np.append(scores, np.full(lost, _chance(runs[0])))
        seconds = np.append(seconds, np.full(lost, seconds.mean()))
        curve = search_curve(scores, name=f"{layers} layers", sampler="random", costs=seconds)
        # The band ends where resampling says nothing about a maximum any more.
        reach = next((k for k, low in enumerate(curve.low) if low is None), len(curve.low))
        found.append(
            SearchSummary(
                setting=setting,
                layers=layers,
                size=size,
                trials=curve.budgets,
                seconds=curve.compute or [],
                expected=curve.best,
                low=[value for value in curve.low[:reach] if value is not None],
                high=[value for value in curve.high[:reach] if value is not None],
            )
        )
    return found


def _chance(run: Run) -> float:
    """Share of validation rows that naming the commonest class gets right; 0 for whole label sets."""
    if run.data.multi_label:
        return 0.0
    validation = run.metrics["validation"]
    most = max((label.rows for label in validation.per_class), default=0)
    return most / validation.rows if most else 1 / len(run.data.label_names)
