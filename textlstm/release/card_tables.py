"""The tables in a model card: scores, classes, the comparison of depths, sizes and speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textlstm.analysis.figures import Table
from textlstm.analysis.summary import Comparison
from textlstm.analysis.wording import interval, measure, nats, percent
from textlstm.release.speed import Timed
from textlstm.results import Estimate, SplitMetrics

_SHOWN_CLASSES = 100


def _with_interval(estimate: Estimate, write: Any = percent) -> list[str]:  # noqa: ANN401
    return [write(estimate.value), interval(estimate, write) or "too few rows"]


def score_table(metrics: SplitMetrics) -> Table:
    """Write the four figures with their intervals.

    Args:
        metrics: of the split that the card shows.

    Returns:
        One row a figure.
    """
    rows = [
        ["Accuracy (%)", *_with_interval(metrics.accuracy)],
        ["Macro-F1 (%)", *_with_interval(metrics.macro_f1)],
        ["Log loss (nats)", *_with_interval(metrics.log_loss, nats)],
        ["Expected calibration error (points)", *_with_interval(metrics.ece)],
    ]
    return Table("", ["", "value", "95 % interval"], rows)


def class_table(metrics: SplitMetrics) -> Table:
    """Write each class's figures; the largest where there are very many.

    Args:
        metrics: of the split that the card shows.

    Returns:
        At most 100 classes, in the order of the outputs; the note counts the others.
    """
    shown = sorted(metrics.per_class, key=lambda one: -one.rows)[:_SHOWN_CLASSES]
    kept = [one for one in metrics.per_class if one in shown]
    rows = [[one.label, f"{one.rows:,}", percent(one.precision), percent(one.recall), percent(one.f1)] for one in kept]
    hidden = len(metrics.per_class) - len(kept)
    note = f"{hidden:,} smaller classes are not shown." if hidden else ""
    return Table("", ["class", "rows", "precision (%)", "recall (%)", "F1 (%)"], rows, note=note)


def comparison_table(comparison: Comparison | None) -> Table | None:
    """Write scores by depth and size, of the comparison's first setting.

    Args:
        comparison: what the depth was chosen from, if there was one.

    Returns:
        The report's own table; None without a comparison.
    """
    if comparison is None:
        return None
    from textlstm.analysis.report_tables import main_tables

    return main_tables(comparison)[0]


def size_table(sizes: Mapping[str, int]) -> Table | None:
    """Write what one way or another of using the model has to load, and all files together.

    Args:
        sizes: bytes by published file.

    Returns:
        None without files.
    """
    needed = (".safetensors", ".onnx", "tokenizer.json")
    rows = [[name, size_words(size)] for name, size in sizes.items() if name.endswith(needed)]
    return Table("", ["file", "size"], [*rows, ["all files", size_words(sum(sizes.values()))]]) if rows else None


def size_words(size: int) -> str:
    """Write a number of bytes.

    Args:
        size: bytes.

    Returns:
        Such as "412 B", "71.2 kB" or "2.47 MB", in powers of ten as the Hub counts.
    """
    if size < 1_000:
        return f"{size} B"
    return f"{measure(size / 1e3)} kB" if size < 1e6 else f"{measure(size / 1e6)} MB"


def speed_table(speed: Timed) -> Table | None:
    """Write milliseconds by what runs and by batch size.

    Args:
        speed: as `measure_speed` gives it.

    Returns:
        None where nothing was timed.
    """
    rows = [
        [words, f"{size}", measure(median), measure(late)]
        for words, times in speed.items()
        for size, (median, late) in times.items()
    ]
    return Table("", ["", "texts at a time", "median (ms)", "95th percentile (ms)"], rows) if rows else None
