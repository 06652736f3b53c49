"""The report's sections in their order, each with its paragraphs, charts and tables, for the page and for Markdown."""

from __future__ import annotations

from typing import TypeVar

from textlstm.analysis import report_appendix as appendix
from textlstm.analysis import report_tables as tables
from textlstm.analysis.charts.costs import costs, dash_words, pareto_fronts
from textlstm.analysis.charts.curves import learning_curves, training_gap
from textlstm.analysis.charts.gains import gains, scores_by_seed
from textlstm.analysis.charts.quality import baseline_ladder, calibration, search_curves
from textlstm.analysis.figures import Figure, Section, Table
from textlstm.analysis.starts import start_sentences
from textlstm.analysis.summary import Comparison
from textlstm.analysis.wording import duration, points, setting_words, size_words
from textlstm.stats.decision import rule_table

T = TypeVar("T")
FILES = {
    "summary.json": "everything on this page as plain values",
    "results.parquet": "one row a run",
    "results.csv": "the same, for a spreadsheet",
    "charts/": "every chart as SVG and PNG",
    "report.md": "this report in Markdown",
}


def facts(comparison: Comparison) -> list[str]:
    """Say in a few words each how large the comparison is.

    Args:
        comparison: a grid's outcome.

    Returns:
        Such as "480 of 480 runs".
    """
    said = [
        f"{comparison.finished:,} of {comparison.planned:,} runs finished",
        f"{comparison.test_rows:,} test texts",
        f"{len(comparison.label_names)} labels",
        f"{duration(comparison.seconds)} of training in all",
        f"test split opened {_times(comparison.test_openings)}"
        if comparison.test_openings
        else "openings of the test split not counted",
    ]
    if comparison.failures:
        said.insert(1, f"{len(comparison.failures):,} failed")
    return said


def first_screen(comparison: Comparison) -> Section:
    """Gather what a reader sees first beside the answer: the main table and the learning curves.

    Args:
        comparison: a grid's outcome.

    Returns:
        The section; with one size, the scores by seed stand in place of the curves.
    """
    drawn = learning_curves(comparison) or scores_by_seed(comparison)[:1]
    return Section(
        "scores",
        "Scores by depth and labels",
        tables=tables.main_tables(comparison),
        figures=drawn,
    )


def later_sections(comparison: Comparison) -> list[Section]:
    """Gather the sections below the first screen; those without content are left out.

    Args:
        comparison: a grid's outcome.

    Returns:
        Sections in the order of the page.
    """
    curved = bool(comparison.curves)
    sections = [
        Section("doubling", "What more labels bring", tables=tables.curve_facts(comparison)),
        Section(
            "gains",
            "What each layer buys",
            notes=[_gain_words(comparison)] if comparison.differences else [],
            figures=gains(comparison),
            tables=[*_present(tables.verdict_bounds(comparison)), *_present(tables.neighbor_gains(comparison))],
        ),
        Section(
            "starts",
            "With and without transfer",
            notes=start_sentences(comparison.starts),
            tables=_present(appendix.start_table(comparison)),
        ),
        Section(
            "seeds",
            "Scores by seed",
            figures=_without_first(scores_by_seed(comparison), keep=curved),
            tables=_present(tables.other_scores(comparison)),
        ),
        Section(
            "cost",
            "What each layer costs",
            notes=_present(dash_words(comparison)),
            figures=[*costs(comparison), *pareto_fronts(comparison)],
            tables=_present(tables.cost_table(comparison)),
        ),
        Section("gap", "Training against test", figures=training_gap(comparison)),
        Section(
            "baselines",
            "Plain methods",
            figures=baseline_ladder(comparison),
            tables=appendix.baseline_tables(comparison),
        ),
        Section("calibration", "Calibration", figures=calibration(comparison)),
        Section("search", "Search for settings", figures=search_curves(comparison)),
        Section("hard-texts", "Texts most often misclassified", tables=_present(appendix.hard_texts(comparison))),
        _methods(comparison),
        Section("references", "Published figures", tables=_present(appendix.references(comparison))),
        Section(
            "failures", "Failures", notes=[_failure_words(comparison)], tables=_present(appendix.failures(comparison))
        ),
        Section("versions", "Versions", tables=_present(appendix.environment(comparison))),
        Section(
            "again",
            "Repeat it",
            notes=["The same command goes on where an interrupted run stopped, and repeats nothing that is finished."],
            code=comparison.command,
            tables=[
                Table(
                    "Files beside this report", ["file", "holds"], [list(item) for item in FILES.items()], words=(0, 1)
                )
            ],
        ),
    ]
    return [section for section in sections if not section.is_empty()]


def _present(item: T | None) -> list[T]:
    """One item as a list; an empty list where there is none."""
    return [item] if item else []


def _without_first(figures: list[Figure], *, keep: bool) -> list[Figure]:
    """Leave the first figure out where the first screen has it already."""
    return figures if keep else figures[1:]


def _times(number: int) -> str:
    """Say how often."""
    return "once" if number == 1 else f"{number:,} times"


def _gain_words(comparison: Comparison) -> str:
    """Say how gains are to be read."""
    words = "Each gain is a mean over pairs of runs that share their seed, and over the test texts."
    if comparison.decision:
        delta = points(comparison.decision.delta).removeprefix("+")
        words += f" Gains under {delta} points do not count as worth a layer."
    return words


def _failure_words(comparison: Comparison) -> str:
    """Say how many cells have no result."""
    missing = comparison.planned - comparison.finished
    if not comparison.failures and missing <= 0:
        return "No cell failed."
    return (
        f"Without a result: {missing:,} of {comparison.planned:,} cells; failed, and listed here:"
        f" {len(comparison.failures):,}. Means are over the cells that finished."
    )


def _methods(comparison: Comparison) -> Section:
    """Say how the figures were made, and on what."""
    parts = dict(comparison.method)
    decision = comparison.decision
    if decision:
        size = size_words(decision.size)
        parts["What the verdict is about"] = (
            f"{decision.estimand} Setting: {setting_words(decision.setting)}; {size} labels;"
            f" smallest difference worth a layer: {points(decision.delta).removeprefix('+')} points."
        )
    rows = [["data", comparison.source], ["fingerprint of the data", comparison.fingerprint]]
    rows += [["protocol", comparison.protocol]] if comparison.protocol else []
    rows += [["labels", ", ".join(comparison.label_names)], ["test texts", f"{comparison.test_rows:,}"]]
    opened = f"{_times(comparison.test_openings)} in this folder" if comparison.test_openings else "not counted"
    rows += [["test split opened", opened]]
    rows += [[f"setting: {setting_words(name)}", words] for name, words in comparison.settings.items()]
    facts_table = Table("Data and settings", ["what", "value"], rows, words=(0, 1))
    return Section(
        "methods",
        "Methods and settings",
        parts=parts,
        tables=[facts_table, *([_rules()] if decision else [])],
    )


def _rules() -> Table:
    """The decision table that the verdict was read from, as `rule_table` lays it out for the documentation."""
    lines = [line.strip("| ").split(" | ") for line in rule_table().splitlines()[2:]]
    note = (
        "The first row that holds is the verdict. k, d and j are depths, delta the smallest difference worth a layer."
    )
    return Table("Rules of the verdict", ["rule", "verdict", "when"], lines, words=(0, 1, 2), note=note)
