"""The pictures of a model card: how far its confidence can be trusted, and what depth was worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from textlstm.analysis.figures import Figure
from textlstm.analysis.summary import Comparison
from textlstm.analysis.summary_beside import CalibrationSummary
from textlstm.results import probability_array
from textlstm.stats.scores import THRESHOLD

CHARTS_FOLDER = "charts"
BINS = 10


def reliability(table: pa.Table, *, layers: int, ece: float, bins: int = BINS) -> CalibrationSummary:
    """Hold confidence against accuracy, in bins of equal numbers of decisions.

    Args:
        table: predictions of one split, as `results.read_predictions` gives them.
        layers: of the model.
        ece: calibration error, as it was measured.
        bins: at most this many.

    Returns:
        Mean confidence, accuracy and number of decisions of each bin; a multi-label row has a decision a label.
    """
    chances = probability_array(table).astype(np.float64)
    labels = np.array(table["label"].to_pylist())
    if labels.ndim == 2:
        confidence, right = np.maximum(chances, 1 - chances).ravel(), ((chances >= THRESHOLD) == labels).ravel()
    else:
        confidence, right = chances.max(axis=1), chances.argmax(axis=1) == labels
    order = np.argsort(confidence, kind="stable")
    parts: list[NDArray[np.int64]] = [part for part in np.array_split(order, min(bins, len(order))) if len(part)]
    return CalibrationSummary(
        setting="this model",
        layers=layers,
        confidence=[float(confidence[part].mean()) for part in parts],
        accuracy=[float(right[part].mean()) for part in parts],
        rows=[len(part) for part in parts],
        ece=ece,
    )


def reliability_figure(summary: CalibrationSummary) -> Figure:
    """Draw accuracy against confidence.

    Args:
        summary: of `reliability`.

    Returns:
        The chart, with what it shows in words.
    """
    import altair as alt

    from textlstm.analysis.charts.theme import ink, plot
    from textlstm.analysis.figures import Table
    from textlstm.analysis.wording import percent

    rows = [
        {"confidence": 100 * confidence, "accuracy": 100 * accuracy, "rows": count}
        for confidence, accuracy, count in zip(summary.confidence, summary.accuracy, summary.rows, strict=True)
    ]
    low = min(min(row["confidence"], row["accuracy"]) for row in rows) // 10 * 10
    scale = alt.Scale(domain=[low, 100], nice=False)
    x = alt.X("confidence:Q", title="confidence (%)", scale=scale, axis=alt.Axis(tickCount=6))
    y = alt.Y("accuracy:Q", title="accuracy (%)", scale=scale, axis=alt.Axis(tickCount=6))
    ideal = plot([{"confidence": at, "accuracy": at} for at in (low, 100)])
    base = plot(rows).encode(x=x, y=y)
    words = "; ".join(f"{percent(c)} % sure, {percent(a)} % right" for c, a in _ends(summary))
    return Figure(
        name="reliability",
        title="Accuracy against confidence",
        chart=alt.layer(
            ideal.mark_line(strokeDash=[4, 3], strokeWidth=1.2, color=ink("muted")).encode(x=x, y=y),
            base.mark_line(strokeWidth=1.5, color=ink()),
            base.mark_point(filled=True, size=50, opacity=1, color=ink()),
        ),
        alt=f"Line chart of accuracy against confidence in {len(rows)} bins of equal size. From the least sure to the"
        f" surest: {words}.",
        data=Table("Accuracy by confidence", [], []),
        width=420,
        height=300,
    )


def _ends(summary: CalibrationSummary) -> list[tuple[float, float]]:
    """The least sure and the surest bin."""
    pairs = list(zip(summary.confidence, summary.accuracy, strict=True))
    return [pairs[0], pairs[-1]] if len(pairs) > 1 else pairs


def depth_figure(comparison: Comparison) -> Figure | None:
    """Choose the chart that shows what depth was worth: curves over labels, else the gains, else the scores.

    Args:
        comparison: a grid's outcome.

    Returns:
        The chart of the first setting; None where one depth was run alone.
    """
    from textlstm.analysis.charts.curves import learning_curves
    from textlstm.analysis.charts.gains import gains, scores_by_seed

    for draw in (learning_curves, scores_by_seed, gains):
        figures = draw(comparison)
        if figures:
            return figures[0]
    return None


def write_pictures(figures: Sequence[Figure], folder: Path, *, depths: int = 1) -> dict[str, str]:
    """Draw charts as PNG files, in light colors.

    Args:
        figures: charts.
        folder: of the model; they go into its `charts/`.
        depths: how many depths the colors are spread over.

    Returns:
        Path of each picture below `folder`, by the chart's name.
    """
    import vl_convert

    from textlstm.analysis.page import draw

    places = {}
    for name, vector in draw(figures, depths=depths).vectors.items():
        path = folder / CHARTS_FOLDER / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(vl_convert.svg_to_png(vector, scale=2))
        places[name] = f"{CHARTS_FOLDER}/{path.name}"
    return places
