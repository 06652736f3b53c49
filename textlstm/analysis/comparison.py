"""From a folder of runs to everything that a report says: means, gains, the verdict, curves, baselines and costs."""

from __future__ import annotations

from pathlib import Path

from textlstm.analysis.answer import answer_sentences, method_words
from textlstm.analysis.beside import baselines, costs, hard_texts
from textlstm.analysis.curves import curves
from textlstm.analysis.differences import gains, verdict
from textlstm.analysis.means import calibration_of, summarize_group
from textlstm.analysis.reading import Grid, read_grid
from textlstm.analysis.search import searches
from textlstm.analysis.starts import start_sentences, starts
from textlstm.analysis.summary import SUMMARY_FILE, Comparison
from textlstm.analysis.summary_beside import FailureSummary
from textlstm.analysis.tables import write_results
from textlstm.analysis.wording import axis_words, setting_parts
from textlstm.atomic_files import replace_file
from textlstm.experiment.controls import CONTROL_WORDS
from textlstm.experiment.openings import count_openings


def compare_runs(folder: str | Path) -> Comparison:
    """Work out a comparison from the runs that are finished so far.

    Args:
        folder: what `textlstm run --out` wrote.

    Returns:
        The comparison.

    Raises:
        RunFolderError: there is no plan or no finished run, or one is damaged.
    """
    return _compare(read_grid(Path(folder)))


def write_comparison(folder: Path) -> Comparison:
    """Work out a comparison and write `summary.json`, `results.parquet` and `results.csv`.

    Args:
        folder: what `textlstm run --out` wrote; the files go there too.

    Returns:
        The comparison.

    Raises:
        RunFolderError: there is no plan or no finished run, or one is damaged.
    """
    grid = read_grid(folder)
    comparison = _compare(grid)
    replace_file(folder / SUMMARY_FILE, comparison.model_dump_json(indent=1).encode())
    write_results(grid.runs, folder)
    return comparison


def _compare(grid: Grid) -> Comparison:
    """Put the parts together."""
    recipe, data = grid.plan.as_recipe(), grid.plan.data
    cells = [summarize_group(group) for group in grid.groups.values()]
    drawn, crossings = curves(grid)
    decision = verdict(grid)
    plain = baselines(grid)
    first = grid.settings[0]
    largest = grid.depths(first, grid.sizes(first)[-1])
    prices = costs(grid, cells)
    differences = gains(grid)
    found = starts(grid)
    run = largest[0].all_runs[0]
    return Comparison(
        name=recipe.name,
        description=recipe.description,
        protocol=recipe.protocol,
        command=grid.plan.command,
        preview=recipe.preview,
        source=data.source,
        fingerprint=data.fingerprint,
        label_names=data.label_names,
        test_rows=sum(len(fold.rows) for fold in largest[0].folds),
        answer=[*answer_sentences(decision, cells, differences, plain, prices), *start_sentences(found)],
        decision=decision,
        settings={setting: _setting_words(setting) for setting in grid.settings},
        cells=cells,
        differences=differences,
        starts=found,
        curves=drawn,
        crossings=crossings,
        baselines=plain,
        costs=prices,
        calibration=[calibration_of(group) for group in largest],
        hard_texts=hard_texts(grid),
        search=searches(grid),
        failures=[
            FailureSummary(cell=cell.coordinates, kind=failure.kind, reason=failure.reason, attempts=failure.attempts)
            for cell, failure in grid.failures
        ],
        planned=grid.planned,
        finished=grid.finished,
        test_openings=count_openings(grid.folder),
        reference=[reference.model_dump() for reference in recipe.reference],
        method=method_words(grid, recipe),
        environment=run.environment,
        seconds=grid.seconds,
    )


def _setting_words(setting: str) -> str:
    """Explain a control and the values of other axes."""
    control, *axes = setting_parts(setting)
    return "; ".join([CONTROL_WORDS[control], *map(axis_words, axes)])
