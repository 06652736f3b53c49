"""What a recipe would run, before anything is: cells, sizes of the models, minutes, and memory of a worker.

`textlstm run RECIPE --dry-run` prints it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rich.table import Table

from textlstm.experiment.capacity import largest_memory
from textlstm.experiment.controls import setting_label, width_words
from textlstm.experiment.grid import Cell, DataFacts, plan_notes, plan_tuned
from textlstm.experiment.runs import finished_run
from textlstm.experiment.tuned import chosen_trials, searched_place
from textlstm.recipe import Recipe
from textlstm.recipe_arithmetic import stack_size
from textlstm.recipe_memory import PeakMemory
from textlstm.results import Run

_FEWEST_TIMED = 3


@dataclass(frozen=True)
class PlanRow:
    """One depth under one control.

    Attributes:
        setting: label of the control and of other axes; "baseline bag" and the like for baselines.
        search: whether these are the trials of a search.
        layers: stacked layers.
        widths: hidden size per direction, such as "64" or "38-37-37".
        parameters: with embeddings, for the largest vocabulary that the recipe allows.
        parameters_without_embeddings: the rest.
        mismatch: signed share by which the parameters miss those to be matched; None where nothing is matched.
        update_share: the planned updates are multiplied by this.
        flops_per_token: of one forward pass.
        cells: number of cells by size.
        finished: how many of them have a result.
    """

    setting: str
    search: bool
    layers: int
    widths: str
    parameters: int
    parameters_without_embeddings: int
    mismatch: float | None
    update_share: float
    flops_per_token: int
    cells: dict[int | Literal["full"], int]
    finished: int


@dataclass(frozen=True)
class PlanReport:
    """A plan in figures.

    Attributes:
        rows: by setting and depth.
        runs: different runs; cells of two controls may be the same run.
        finished: runs that have a result.
        after_search: runs that follow when a search has chosen their settings; not among `runs`.
        minutes: estimated time for what is left, `after_search` included.
        timed: finished runs whose real times the estimate was scaled by; 0 when there are too few.
        workers: runs at a time.
        memory: expected peak of the worker with the largest run; None where there are no runs.
        notes: sentences on what the plan leaves out.
    """

    rows: list[PlanRow]
    runs: int
    finished: int
    after_search: int
    minutes: float
    timed: int
    workers: int
    memory: PeakMemory | None
    notes: list[str]


def describe_plan(
    recipe: Recipe,
    cells: Sequence[Cell],
    facts: DataFacts,
    *,
    folder: Path | None = None,
    workers: int = 1,
    data_fingerprint: str | None = None,
) -> PlanReport:
    """Describe a plan.

    Args:
        recipe: with its grid.
        cells: of `plan_cells`.
        facts: of the data.
        folder: of the grid, in which finished runs are looked for; none are when None.
        workers: runs at a time.
        data_fingerprint: as `finished_run` takes it.

    Returns:
        The figures.

    Raises:
        RunFolderError: the folder holds runs with other settings or of other data.
    """
    runs = _finished(cells, folder, data_fingerprint)
    tuned: list[Cell] = []
    chosen: dict[str, int] = {}
    if folder is not None and "tuned" in recipe.grid.controls:
        trials = [
            runs[cell.path].model_copy(update={"cell": cell.coordinates})
            for cell in cells
            if "trial" in cell.others and cell.path in runs
        ]
        chosen = chosen_trials(folder, trials, needed=recipe.grid.tuning.trials)
        tuned = plan_tuned(recipe, facts, chosen)
        runs |= _finished(tuned, folder, data_fingerprint)
    cells = [*cells, *tuned]
    leaders = {cell.path: cell for cell in reversed(cells)}  # the first cell of each run
    scale, timed = _scale(leaders, runs)
    # A place whose search is done has its cells in the plan by now.
    trials_left = [cell for cell in cells if cell.others.get("trial") == 0 and searched_place(cell) not in chosen]
    left = [cell.work for path, cell in leaders.items() if path not in runs]
    left += [cell.work for cell in trials_left for _ in recipe.seeds]
    # A grid cannot take less time than its longest run.
    seconds = scale * max(sum(left) / workers, max(left, default=0.0))
    return PlanReport(
        rows=_rows(cells, facts, runs),
        runs=len(leaders),
        finished=len(runs),
        after_search=len(trials_left) * len(recipe.seeds),
        minutes=seconds / 60,
        timed=timed,
        workers=workers,
        memory=largest_memory(leaders.values(), facts),
        notes=plan_notes(recipe, facts),
    )


def memory_words(memory: PeakMemory) -> str:
    """Say what a worker is expected to need.

    Args:
        memory: of its largest run.

    Returns:
        A sentence.
    """
    parts = {
        "libraries": memory.libraries,
        "parameters with their optimizer": memory.parameters,
        "a batch": memory.activations,
        "data": memory.data,
    }
    listed = ", ".join(f"{size / 2**20:,.0f} {name}" for name, size in parts.items())
    return f"Expected peak memory of a worker: {memory.total / 2**20:,.0f} MiB ({listed})."


def plan_table(report: PlanReport, *, title: str) -> Table:
    """Lay a plan out as a terminal table, one line a setting and depth.

    Args:
        report: of `describe_plan`.
        title: stands above.

    Returns:
        A rich table; `explain_plan` has the words that go with it.
    """
    table = Table(title=title, min_width=len(title), title_justify="left")
    table.add_column("control")
    sizes = list(dict.fromkeys(size for row in report.rows for size in row.cells))
    sizes.sort(key=lambda size: float("inf") if isinstance(size, str) else size)
    matched = any(row.mismatch is not None for row in report.rows)
    shared = any(row.update_share != 1 for row in report.rows)
    heads = ["layers", "width", "parameters", "without embeddings"]
    heads += ["off the match"] * matched + ["op/token", *["updates"] * shared]
    heads += [f"{size:,} labels" if isinstance(size, int) else "all labels" for size in sizes]
    for head in [*heads, "finished"]:
        table.add_column(head, justify="right")
    setting = ""
    for row in report.rows:
        name = f"{row.setting} (search)" if row.search else row.setting
        words = [str(row.layers), row.widths, f"{row.parameters:,}", f"{row.parameters_without_embeddings:,}"]
        if matched:
            words.append("" if row.mismatch is None else f"{100 * row.mismatch:+.2f} %")
        words.append(f"{row.flops_per_token:,}")
        if shared:
            words.append(f"x {row.update_share:.2f}")
        counts = [str(row.cells.get(size, "")) for size in sizes]
        table.add_row(name if name != setting else "", *words, *counts, f"{row.finished} of {sum(row.cells.values())}")
        setting = name
    return table


def explain_plan(report: PlanReport) -> str:
    """Say what a plan comes to.

    Args:
        report: of `describe_plan`.

    Returns:
        A few sentences.
    """
    cells = sum(sum(row.cells.values()) for row in report.rows)
    words = f"{cells:,} cells"
    if cells != report.runs:
        words += f", which are {report.runs:,} different runs"
    if report.finished:
        words += f"; {report.finished:,} are finished"
    words += "."
    if report.after_search:
        words += f" {report.after_search:,} more follow with the settings that the search chooses."
    at_a_time = f"{report.workers} run{'s' if report.workers > 1 else ''} at a time"
    how = (
        f"by the times of {report.timed} finished runs"
        if report.timed
        else "for training to the last planned epoch on a recent processor"
    )
    words += f" About {_duration(report.minutes)} for what is left, with {at_a_time}, estimated {how}."
    words += f" {memory_words(report.memory)}" if report.memory is not None else ""
    words += " Parameters are for the largest vocabulary."
    return " ".join([words, *report.notes])


def _finished(cells: Sequence[Cell], folder: Path | None, data_fingerprint: str | None) -> dict[Path, Run]:
    """The finished runs of a folder, by path."""
    leaders = {} if folder is None else {folder / cell.path: cell for cell in reversed(cells)}
    return {
        cell.path: run
        for place, cell in leaders.items()
        if (run := finished_run(place, cell.recipe, data_fingerprint=data_fingerprint)) is not None
    }


def _rows(cells: Sequence[Cell], facts: DataFacts, runs: dict[Path, Run]) -> list[PlanRow]:
    """Group cells by setting and depth."""
    groups: dict[tuple[str, bool, int], list[Cell]] = {}
    for cell in cells:
        baseline = cell.others.get("baseline")
        setting = setting_label(cell.others) if baseline is None else f"baseline {baseline}"
        groups.setdefault((setting, "trial" in cell.others, cell.layers), []).append(cell)
    rows = []
    for (setting, search, layers), group in groups.items():
        recipe = group[0].recipe
        size = stack_size(recipe, num_labels=facts.num_labels)
        counts: dict[int | Literal["full"], int] = {}
        for cell in group:
            counts[cell.size] = counts.get(cell.size, 0) + 1
        row = PlanRow(
            setting=setting,
            search=search,
            layers=layers,
            widths=width_words(recipe) if layers else "",
            parameters=size.embedding + size.stack,
            parameters_without_embeddings=size.stack,
            mismatch=None,
            update_share=recipe.training.update_share,
            flops_per_token=size.flops_per_token,
            cells=counts,
            finished=sum(cell.path in runs for cell in group),
        )
        rows.append(row)
    return [replace(row, mismatch=_mismatch(row, rows)) for row in rows]


def _mismatch(row: PlanRow, rows: Sequence[PlanRow]) -> float | None:
    """How far a matched depth is from the one that it was matched to."""
    if not row.setting.startswith("matched_parameters"):
        return None
    depths = {other.layers: other.parameters_without_embeddings for other in rows if other.setting == row.setting}
    reference = min(depths) if row.setting.startswith("matched_parameters_shallowest") else max(depths)
    return row.parameters_without_embeddings / depths[reference] - 1


def _scale(leaders: dict[Path, Cell], runs: dict[Path, Run]) -> tuple[float, int]:
    """Real over estimated seconds of the finished runs, and how many these are; 1 and 0 where they are too few."""
    if len(runs) < _FEWEST_TIMED:
        return 1.0, 0
    return sum(run.cost.train_seconds for run in runs.values()) / sum(leaders[path].work for path in runs), len(runs)


def _duration(minutes: float) -> str:
    """Write a duration in the unit that suits it."""
    if minutes < 1.5:
        return "a minute" if minutes >= 0.5 else "half a minute or less"
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
