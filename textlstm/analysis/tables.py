"""A comparison on the terminal, and one row a run for those who plot themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from textlstm.analysis.summary import CellSummary, Comparison
from textlstm.analysis.summary_beside import BaselineSummary
from textlstm.analysis.wording import (
    axis_words,
    count,
    duration,
    layers_words,
    points,
    seeds_words,
    setting_parts,
    setting_words,
    size_words,
    with_interval,
)
from textlstm.results import Run

if TYPE_CHECKING:
    from rich.table import Table

    from textlstm.analysis.sets import DepthAcrossSets

RESULTS_FILE = "results.parquet"
RESULTS_CSV = "results.csv"


def comparison_tables(comparison: Comparison) -> list[Table]:
    """Lay a comparison out for the terminal, one table a control: rows are depths and baselines, columns are sizes.

    Args:
        comparison: of `compare_runs`.

    Returns:
        Rich tables: test accuracy in % with its 95 % interval, and below it parameters and seconds a run.
    """
    from rich.table import Table

    tables: list[Table] = []
    for setting in comparison.settings:
        cells = [cell for cell in comparison.cells if cell.setting == setting]
        sizes = list(dict.fromkeys(cell.size for cell in cells))
        title = setting_words(setting)
        if not tables:
            title = f"{comparison.name}{' (a preview)' if comparison.preview else ''}: {title}"
        # A title is broken at the width of its table; this one is short, and hardly stretches it.
        table = Table(title=title, min_width=min(len(title), 60), title_justify="left", show_lines=True)
        table.add_column("layers", justify="right")
        for size in sizes:
            table.add_column(f"{size_words(size)} labels", justify="right")
        places = {(cell.layers, cell.size): cell for cell in cells}
        for layers in sorted({cell.layers for cell in cells}):
            found = [places.get((layers, size)) for size in sizes]
            widths = next(cell.widths for cell in found if cell)
            table.add_row(f"{layers} x {widths}", *[_cell_words(cell) if cell else "" for cell in found])
        if setting == next(iter(comparison.settings)):
            by_name: dict[str, dict[int | str, BaselineSummary]] = {}
            for baseline in comparison.baselines:
                by_name.setdefault(baseline.name, {})[baseline.size] = baseline
            for name, rows in by_name.items():
                table.add_row(name, *[with_interval(rows[size].accuracy) if size in rows else "" for size in sizes])
        tables.append(table)
    return tables


def explain_tables(comparison: Comparison) -> str:
    """Say what the figures of `comparison_tables` are.

    Args:
        comparison: of `compare_runs`.

    Returns:
        A few short sentences, and below them a line a control that says what it is.
    """
    seeds = [cell.seeds for cell in comparison.cells]
    words = f"Test accuracy in %, mean of {seeds_words(seeds)}"
    if max(seeds) >= 3:
        words += " [95 % interval over seeds and texts of this kind]"
    words += "; parameters; seconds of training a run."
    if comparison.test_openings:
        words += f" The test split was opened {comparison.test_openings:,} times for these figures."
    return "\n".join([words, *_control_lines(comparison)])


def _control_lines(comparison: Comparison) -> list[str]:
    """Say once what each control is, whatever other axes the settings have."""
    lines = {}
    for setting, words in comparison.settings.items():
        control, *axes = setting_parts(setting)
        own = "".join(f"; {axis_words(axis)}" for axis in axes)
        lines[control] = f"{setting_words(control)}: {words.removesuffix(own)}."
    return list(lines.values())


def across_table(depths: Sequence[DepthAcrossSets]) -> Table:
    """Lay out what each depth gains over several data sets.

    Args:
        depths: of `sets.across_sets`.

    Returns:
        A rich table, in points of accuracy.
    """
    from rich.table import Table

    first = depths[0]
    title = f"Gain over {layers_words(first.shallow)} in points, on {len(first.sets)} data sets"
    table = Table(title=title, min_width=len(title), title_justify="left")
    for head in ("layers", *first.sets, "mean", "a new set", "error taken away %", "chance to be better %"):
        table.add_column(head, justify="right")
    for depth in depths:
        low, high = depth.new_set
        table.add_row(
            str(depth.deep),
            *[with_interval(gain, points) for gain in depth.by_set],
            with_interval(depth.mean, points),
            f"[{points(low)}, {points(high)}]",
            with_interval(depth.interquartile_mean, points),
            with_interval(depth.improvement),
        )
    return table


def _cell_words(cell: CellSummary) -> str:
    return f"{with_interval(cell.accuracy)}\n{count(cell.parameters)}  {duration(cell.train_seconds)}"


def results_table(runs: Sequence[Run]) -> pa.Table:
    """Put runs into a table for those who plot themselves.

    Args:
        runs: of one grid.

    Returns:
        One row a run: the cell, the figures by split, and the cost.
    """
    rows = []
    for run in runs:
        cell = {key: value if isinstance(value, int) else str(value) for key, value in run.cell.items()}
        row: dict[str, Any] = {**cell, "size": str(run.cell["size"]), "labels_used": run.data.labels_used}
        for split, metrics in run.metrics.items():
            for name in ("accuracy", "macro_f1", "log_loss", "ece"):
                row[f"{split}_{name}"] = getattr(metrics, name).value
        rows.append({**row, "best_epoch": run.best_epoch, "stopped_early": run.stopped_early, **run.cost.model_dump()})
    columns = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in columns})


def write_results(runs: Sequence[Run], folder: Path) -> None:
    """Write `results.parquet` and `results.csv`.

    Args:
        runs: of one grid.
        folder: of the grid.
    """
    table = results_table(runs)
    pq.write_table(table, folder / RESULTS_FILE)
    pa_csv.write_csv(table, folder / RESULTS_CSV)
