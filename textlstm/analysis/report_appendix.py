"""The report's tables beside the scores: plain methods, hard texts, failures, published figures, versions."""

from __future__ import annotations

from textlstm.analysis.figures import Table
from textlstm.analysis.orders import baselines_in_order, depths_in_order, sizes_in_order
from textlstm.analysis.summary import Comparison
from textlstm.analysis.wording import (
    ABSENT,
    baseline_words,
    chance,
    duration,
    layers_words,
    percent,
    points,
    setting_words,
    size_words,
    with_interval,
)

_SHOWN_ROWS = 12
MARKS = {
    "P": "P: read in the source itself",
    "S": "S: read in a secondary source that attributes it to this one",
    "M": "M: from memory, unconfirmed; read the source before you quote it",
}


def baseline_tables(comparison: Comparison) -> list[Table]:
    """List the plain methods and what the best stack gains over them.

    Args:
        comparison: a grid's outcome.

    Returns:
        A table of the largest size, and a folded one of all sizes where there are several; none without plain methods.
    """
    items = [item for group in baselines_in_order(comparison).values() for item in group]
    if not items:
        return []
    headers = ["method", "labels", "accuracy (%)", "macro-F1 (%)", "best stack is ahead by (points)"]
    headers += ["p (Holm)", "seeds", "time"]
    rows = [
        [
            item.words or baseline_words(item.name),
            size_words(item.size, item.labels),
            with_interval(item.accuracy),
            with_interval(item.macro_f1),
            with_interval(item.gain_of_stack, points) if item.gain_of_stack else ABSENT,
            chance(item.holm),
            str(item.seeds),
            duration(item.seconds),
        ]
        for item in items
    ]
    largest = max(item.labels for item in items)
    top = [row for row, item in zip(rows, items, strict=True) if item.labels == largest]
    note = "p: of the best stack's gain over the method, by Holm's correction over the methods at this size."
    tables = [Table("Plain methods on the same rows, largest size", headers, top, note=note)]
    return tables if len(top) == len(rows) else [*tables, Table("At every size", headers, rows, note=note, folded=True)]


def start_table(comparison: Comparison) -> Table | None:
    """List what layers gain with and without transfer.

    Args:
        comparison: a grid's outcome.

    Returns:
        A table; None where the grid does not have both.
    """
    labels = dict(sizes_in_order(comparison))
    rows = [
        [
            f"{row.shallow} → {row.deep}",
            size_words(row.size, labels.get(row.size)),
            setting_words(row.setting),
            with_interval(row.accuracy_without),
            with_interval(row.accuracy_with),
            with_interval(row.gain_without, points),
            with_interval(row.gain_with, points),
            with_interval(row.change, points),
            with_interval(row.shallow_with_minus_deep_without, points),
        ]
        for row in comparison.starts
    ]
    headers = ["layers", "labels", "setting with transfer", "shallow, without (%)", "shallow, with (%)"]
    headers += ["layers gain, without (points)", "layers gain, with (points)", "change (points)"]
    headers += ["shallow with minus deep without (points)"]
    note = (
        "Paired over seeds and test texts, 95 %, exploratory: these intervals are not corrected for their number. The"
        " sentence looks at all depths: one helps where its lower bound, corrected for their number, is above 0, and"
        " none is needed where every interval ends under delta. The need is removed where a depth that helps without is"
        " not needed with transfer and its change is below 0, with the same correction. A last column above 0 says that"
        " transfer is worth more than layers are."
    )
    title = "What layers gain with and without transfer"
    return Table(title, headers, rows, words=(0, 2), note=note, folded=len(rows) > _SHOWN_ROWS) if rows else None


def hard_texts(comparison: Comparison) -> Table | None:
    """List the texts that are most often misclassified, by depth.

    Args:
        comparison: a grid's outcome.

    Returns:
        A table; None where there are none.
    """
    depths = [layers for layers in depths_in_order(comparison) if any(layers in t.wrong for t in comparison.hard_texts)]
    rows = [
        [
            " ".join(text.text.split()) or f"(text of row {text.row} could not be read again)",
            text.label,
            text.predicted,
            *(percent(text.wrong.get(layers)) for layers in depths),
            f"{text.row:,}",
        ]
        for text in comparison.hard_texts
    ]
    headers = ["text", "label", "most often taken for", *map(layers_words, depths), "row"]
    note = (
        "Share of runs in %, of that depth, that got the text wrong. A text that all get wrong may carry a wrong label."
    )
    return Table("Texts most often misclassified", headers, rows, words=(0, 1, 2), note=note) if rows else None


def failures(comparison: Comparison) -> Table | None:
    """List the cells that have no result.

    Args:
        comparison: a grid's outcome.

    Returns:
        A table; None where nothing failed.
    """
    rows = [
        [
            ", ".join(f"{key}={value}" for key, value in item.cell.items()),
            item.kind,
            " ".join(item.reason.split()),
            str(item.attempts),
        ]
        for item in comparison.failures
    ]
    return Table("Cells that failed", ["cell", "kind", "reason", "attempts"], rows, words=(0, 1, 2)) if rows else None


def references(comparison: Comparison) -> Table | None:
    """List published figures with how each is known.

    Args:
        comparison: a grid's outcome.

    Returns:
        A table; None without a reference block.
    """
    rows = [
        [
            str(item.get("model", "")),
            str(item.get("metric", "accuracy")),
            str(item.get("score", ABSENT)),
            str(item.get("source", "")),
            str(item.get("mark", "")),
        ]
        for item in comparison.reference
    ]
    used = [MARKS[mark] for mark in MARKS if any(row[4] == mark for row in rows)]
    headers = ["model", "metric", "published (%)", "source", "mark"]
    note = "; ".join(used) + "." if used else ""
    return Table("Published figures", headers, rows, words=(0, 1, 3, 4), note=note) if rows else None


def environment(comparison: Comparison) -> Table | None:
    """List versions and machine facts.

    Args:
        comparison: a grid's outcome.

    Returns:
        A table; None where none were kept.
    """
    rows = [[name, value] for name, value in comparison.environment.items()]
    return Table("Versions and machine", ["what", "value"], rows, words=(0, 1)) if rows else None
