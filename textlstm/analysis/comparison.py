"""What a grid of runs shows: one line a depth and size, with its interval and its cost."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.table import Table

from textlstm.results import Estimate, Run
from textlstm.stats import mean_interval

SUMMARY_FILE = "summary.json"
RESULTS_FILE = "results.parquet"


@dataclass(frozen=True)
class CellSummary:
    """All seeds of one depth at one size.

    Attributes:
        layers: stacked layers.
        size: labeled rows, or "full".
        seeds: number of runs.
        accuracy: mean test accuracy over seeds (share) with a t interval over seeds.
        macro_f1: the same for macro-F1.
        train_accuracy: mean accuracy on the training rows, so that the gap to test can be seen.
        parameters: mean trainable parameters; vocabularies differ a little between subsets.
        train_seconds: mean seconds of training.
        tokens_per_second: mean training speed.
    """

    layers: int
    size: int | str
    seeds: int
    accuracy: Estimate
    macro_f1: Estimate
    train_accuracy: float
    parameters: int
    train_seconds: float
    tokens_per_second: float


def summarize(runs: Sequence[Run]) -> list[CellSummary]:
    """Average runs over seeds.

    Args:
        runs: of one grid.

    Returns:
        One summary a depth and size, in the order of the runs.
    """
    cells: dict[tuple[int, Any], list[Run]] = defaultdict(list)
    for run in runs:
        cells[run.cell["layers"], run.cell["size"]].append(run)
    return [
        CellSummary(
            layers=layers,
            size=size,
            seeds=len(group),
            accuracy=_mean_share([run.score for run in group]),
            macro_f1=_mean_share([run.metrics[_scored(run)].macro_f1.value for run in group]),
            train_accuracy=float(np.mean([run.metrics["train"].accuracy.value for run in group])),
            parameters=round(np.mean([run.cost.parameters for run in group])),
            train_seconds=float(np.mean([run.cost.train_seconds for run in group])),
            tokens_per_second=float(np.mean([run.cost.tokens_per_second for run in group])),
        )
        for (layers, size), group in cells.items()
    ]


def _mean_share(values: Sequence[float]) -> Estimate:
    """Average shares over seeds; under three seeds a t interval says nothing, and a share stays from 0 to 1."""
    if len(values) < 3:
        return Estimate(value=float(np.mean(values)))
    mean = mean_interval(np.array(values))
    assert mean.low is not None and mean.high is not None  # noqa: S101 - three values have an interval
    return Estimate(value=mean.value, low=max(0.0, mean.low), high=min(1.0, mean.high))


def comparison_table(cells: Sequence[CellSummary], *, title: str) -> Table:
    """Lay summaries out as a terminal table: rows are depths, columns are sizes.

    Args:
        cells: from `summarize`.
        title: stands above.

    Returns:
        A rich table: test accuracy in % with its 95 % interval, and below it parameters and seconds a run;
        `explain_table` has the words that go with it.
    """
    sizes = list(dict.fromkeys(cell.size for cell in cells))
    table = Table(title=title, min_width=len(title), title_justify="left", show_lines=True)
    table.add_column("layers", justify="right")
    for size in sizes:
        table.add_column(f"{size:,} labels" if isinstance(size, int) else "all labels", justify="right")
    by_place = {(cell.layers, cell.size): cell for cell in cells}
    for layers in sorted({cell.layers for cell in cells}):
        places = [by_place.get((layers, size)) for size in sizes]
        table.add_row(str(layers), *[_words(cell) if cell else "" for cell in places])
    return table


def explain_table(cells: Sequence[CellSummary]) -> str:
    """Say what the figures of `comparison_table` are.

    Args:
        cells: from `summarize`.

    Returns:
        One or two sentences.
    """
    seeds = sorted({cell.seeds for cell in cells})
    words = f"Test accuracy in %, mean of {' or '.join(map(str, seeds))} seed{'s' if seeds != [1] else ''}"
    if seeds[-1] >= 3:
        words += " [95 % t interval over seeds and subsets; the test texts are the same in all]"
    return f"{words}; parameters; seconds of training a run."


def write_summary(runs: Sequence[Run], cells: Sequence[CellSummary], folder: Path, *, preview: bool) -> None:
    """Write `summary.json` (means over seeds) and `results.parquet` (one row a run).

    Args:
        runs: of one grid.
        cells: from `summarize`.
        folder: of the grid.
        preview: whether the grid is too small for a verdict.
    """
    summary = {
        "name": runs[0].name,
        "preview": preview,
        "data": runs[0].data.source,
        "labels": runs[0].data.label_names,
        "cells": [
            {**asdict(cell), "accuracy": cell.accuracy.model_dump(), "macro_f1": cell.macro_f1.model_dump()}
            for cell in cells
        ],
    }
    (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=1), "utf-8")
    pq.write_table(results_table(runs), folder / RESULTS_FILE)


def results_table(runs: Sequence[Run]) -> pa.Table:
    """Put runs into a table for those who plot themselves.

    Args:
        runs: of one grid.

    Returns:
        One row a run: the cell, the figures by split, and the cost.
    """
    rows = []
    for run in runs:
        row: dict[str, Any] = {**run.cell, "size": str(run.cell["size"]), "labels_used": run.data.labels_used}
        for split, metrics in run.metrics.items():
            for name in ("accuracy", "macro_f1", "log_loss", "ece"):
                row[f"{split}_{name}"] = getattr(metrics, name).value
        rows.append({**row, "best_epoch": run.best_epoch, "stopped_early": run.stopped_early, **run.cost.model_dump()})
    columns = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in columns})


def _scored(run: Run) -> str:
    """The split that stands for the score."""
    return next(split for split in ("test", "validation", "train") if split in run.metrics)


def _words(cell: CellSummary) -> str:
    """Write one cell of the table."""
    accuracy = cell.accuracy
    interval = (
        f" [{100 * accuracy.low:.1f}, {100 * accuracy.high:.1f}]"
        if accuracy.low is not None and accuracy.high is not None
        else ""
    )
    return f"{100 * accuracy.value:.1f}{interval}\n{_short(cell.parameters)}  {cell.train_seconds:.1f} s"


def _short(count: int) -> str:
    """Write a count with K or M."""
    return f"{count / 1e6:.2f} M" if count >= 999_500 else f"{count / 1e3:.0f} K"
