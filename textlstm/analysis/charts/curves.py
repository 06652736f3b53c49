"""Charts over the number of labels: learning curves, and the gap between training and test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import altair as alt

from textlstm.analysis.charts.theme import Row, by_depth, ink, labels_axis, line, plot, tips
from textlstm.analysis.figures import Figure, Table
from textlstm.analysis.orders import baselines_in_order, cells_of, depths_in_order, settings_in_order
from textlstm.analysis.summary import CellSummary, Comparison, CurveSummary
from textlstm.analysis.wording import (
    baseline_words,
    file_name,
    interval,
    layers_words,
    percent,
    points,
    seeds_words,
    setting_words,
    size_words,
    with_interval,
)
from textlstm.results import Estimate

CURVE_HEIGHT = 340
ACCURACY = "test accuracy (%)"


def learning_curves(comparison: Comparison) -> list[Figure]:
    """Draw test accuracy against labels, one line a depth with its simultaneous band, and the plain methods dashed.

    Args:
        comparison: a grid's outcome.

    Returns:
        One figure a setting that has two sizes or more; all share one vertical scale.
    """
    drawn = {
        setting: [curve for curve in comparison.curves if curve.setting == setting and len(curve.labels) > 1]
        for setting in settings_in_order(comparison)
    }
    drawn = {setting: curves for setting, curves in drawn.items() if curves}
    if not drawn:
        return []
    span = _span(comparison, [curve for curves in drawn.values() for curve in curves])
    return [_curve_figure(comparison, setting, curves, span) for setting, curves in drawn.items()]


def _span(comparison: Comparison, curves: Iterable[CurveSummary]) -> tuple[float, float]:
    """The lowest and highest share to show.

    Few seeds make bands that would press the curves flat: those are cut off a good way outside the means. Plain methods
    are in the picture unless they lie far below it.
    """
    drawn = list(curves)
    means = [value for curve in drawn for value in curve.mean]
    reach = max(max(means) - min(means), 0.04)
    low = max([min(means) - 0.4 * reach, min([*means, *(value for curve in drawn for value in curve.low)])])
    high = min([max(means) + 0.4 * reach, max([*means, *(value for curve in drawn for value in curve.high)])])
    near = [item.accuracy.value for item in comparison.baselines if item.accuracy.value > low - 0.15 * reach]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.04 * (high - low) or 0.01
    return max(0.0, low - margin), min(1.0, high + margin)


def _curve_figure(
    comparison: Comparison, setting: str, curves: Sequence[CurveSummary], span: tuple[float, float]
) -> Figure:
    """Draw the curves of one setting."""
    rows = [row for curve in curves for row in _curve_rows(curve)]
    plain, below = _baseline_rows(comparison, span)
    banded = any("low" in row for row in rows)
    largest = max(row["labels"] for row in rows)
    ends = "; ".join(f"{row['depth']} {row['mean_words']}" for row in rows if row["labels"] == largest)
    notes = [
        f"Lines join means over the {seeds_words([curve.seeds for curve in curves])} that all depths and sizes share"
        + (
            f"; each band holds its whole curve with 95 % confidence, {_over(curves)}."
            if banded
            else "; bands need three."
        ),
        "Bands that leave the picture are cut off." if any(_leaves(row, span) for row in rows) else "",
        "Dashed: plain methods on the same rows." if plain else "",
        f"Below the picture: {', '.join(below)}." if below else "",
    ]
    fields = ("labels_words", "mean_words", "interval", "band", "seeds")
    return Figure(
        name=file_name("learning-curves", setting),
        title=f"Accuracy against labels: {setting_words(setting)}",
        chart=_curve_chart(rows, plain, depths_in_order(comparison), span, banded=banded),
        alt=f"Line chart of test accuracy in % against the number of labels, one line a depth. "
        f"At {largest:,} labels: {ends}.",
        data=Table(
            "Test accuracy in % by depth and labels",
            ["line", "labels", "mean", "95 % interval", "band of the curve", "seeds"],
            [line(row, "depth", *fields) for row in rows] + [line(row, "name", *fields) for row in plain],
            folded=True,
        ),
        caption=" ".join(note for note in notes if note),
        height=CURVE_HEIGHT,
    )


def _over(curves: Sequence[CurveSummary]) -> str:
    """Say for what the bands hold."""
    if all(curve.over_texts for curve in curves):
        return "over other seeds and other texts of this kind"
    return "over other seeds, for these test texts"


def _leaves(row: Row, span: tuple[float, float]) -> bool:
    """Whether the band at a point goes beyond what is shown."""
    return "low" in row and (row["low"] < 100 * span[0] or row["high"] > 100 * span[1])


def _curve_chart(
    rows: Sequence[Row], plain: Sequence[Row], depths: Sequence[int], span: tuple[float, float], *, banded: bool
) -> alt.LayerChart | alt.FacetChart:
    """Layer bands, dashed plain methods, lines and points."""
    base = plot(rows).encode(x=labels_axis(sorted({row["labels"] for row in rows})))
    depth = by_depth(depths, legend=alt.Legend())
    scale = alt.Scale(domain=[100 * span[0], 100 * span[1]], zero=False, nice=False)
    y = alt.Y("mean:Q", title=ACCURACY, scale=scale, axis=alt.Axis(tickCount=6))
    shown = {
        "depth": "depth",
        "labels_words": "labels",
        "mean_words": "mean",
        "interval": "95 % interval",
        "band": "band of the curve",
        "seeds": "seeds",
    }
    layers: list[alt.Chart] = []
    if banded:
        band = base.transform_filter("isValid(datum.low)").mark_area(opacity=0.16, clip=True)
        low = alt.Y("low:Q", title=ACCURACY, scale=scale)
        layers.append(band.encode(y=low, y2="high:Q", color=depth["color"]))
    layers += _baseline_layers(plain, base.encoding.x, scale) if plain else []
    layers.append(base.mark_line(strokeWidth=2).encode(y=y, color=depth["color"]))
    layers.append(base.mark_point(filled=True, size=70, opacity=1).encode(y=y, **depth, tooltip=tips(shown)))
    return alt.layer(*layers)


def _curve_rows(curve: CurveSummary) -> list[Row]:
    """The points of one curve, as a chart and a table take them."""
    rows: list[Row] = []
    for place, labels in enumerate(curve.labels):
        row: Row = {
            "layers": curve.layers,
            "depth": layers_words(curve.layers),
            "labels": labels,
            "labels_words": f"{labels:,}",
            "mean": 100 * curve.mean[place],
            "mean_words": percent(curve.mean[place]),
            "interval": "",
            "seeds": str(curve.seeds),
            "band": "",
        }
        if curve.low and curve.high:
            low, high = curve.low[place], curve.high[place]
            row |= {"low": 100 * low, "high": 100 * high, "band": f"[{percent(low)}, {percent(high)}]"}
        if curve.own_low and curve.own_high:
            own = Estimate(value=curve.mean[place], low=curve.own_low[place], high=curve.own_high[place])
            row["interval"] = interval(own)
        rows.append(row)
    return rows


def _baseline_rows(comparison: Comparison, span: tuple[float, float]) -> tuple[list[Row], list[str]]:
    """The points of the plain methods inside the picture, and words on those that lie below it."""
    rows: list[Row] = []
    below: list[str] = []
    for name, group in baselines_in_order(comparison).items():
        inside = [baseline for baseline in group if baseline.accuracy.value >= span[0]]
        rows += [
            {
                "name": baseline_words(name),
                "labels": baseline.labels,
                "labels_words": f"{baseline.labels:,}",
                "mean": 100 * baseline.accuracy.value,
                "mean_words": percent(baseline.accuracy.value),
                "interval": interval(baseline.accuracy),
                "band": "",
                "seeds": str(baseline.seeds),
            }
            for baseline in inside
        ]
        if not inside:
            below.append(f"{baseline_words(name)} ({percent(group[-1].accuracy.value)} %)")
    _place_names(rows, least=13 / CURVE_HEIGHT * 100 * (span[1] - span[0]))
    return rows, below


def _place_names(rows: Sequence[Row], *, least: float) -> None:
    """Give each method's last point a place for its name: at the line's end, or pushed away from a close one."""
    last = sorted({row["name"]: row for row in rows}.values(), key=lambda row: float(row["mean"]))
    places = [float(row["mean"]) for row in last]
    for _ in range(60):  # each pass halves what is left of an overlap of two; ladders have at most five names
        for lower in range(len(places) - 1):
            lack = least - (places[lower + 1] - places[lower])
            if lack > 0:
                places[lower] -= lack / 2
                places[lower + 1] += lack / 2
    for row, place in zip(last, places, strict=True):
        row["name_at"] = place


def _baseline_layers(rows: Sequence[Row], x: alt.X, scale: alt.Scale) -> list[alt.Chart]:
    """Dashed lines, small points, and the name beside each line's end."""
    base = plot(rows).encode(x=x)
    y = alt.Y("mean:Q", title=ACCURACY, scale=scale)
    shown = {
        "name": "method",
        "labels_words": "labels",
        "mean_words": "mean",
        "interval": "95 % interval",
        "seeds": "seeds",
    }
    return [
        base.mark_line(strokeDash=[4, 3], strokeWidth=1.2, color=ink("muted")).encode(y=y, detail="name:N"),
        base.mark_point(filled=True, size=22, color=ink("muted"), opacity=1).encode(y=y, tooltip=tips(shown)),
        base.transform_filter("isValid(datum.name_at)")
        .mark_text(align="left", dx=9, baseline="middle", fontSize=11, color=ink("muted"))
        .encode(y=alt.Y("name_at:Q", title=ACCURACY, scale=scale), text="name:N"),
    ]


def training_gap(comparison: Comparison) -> list[Figure]:
    """Draw how far training accuracy lies above test accuracy, by labels and depth.

    Args:
        comparison: a grid's outcome.

    Returns:
        One figure a setting that has two sizes or more; all share one vertical scale.
    """
    values = [100 * (cell.train_accuracy - cell.accuracy.value) for cell in comparison.cells]
    y = alt.Y("gap:Q", title="training − test (points)", scale=alt.Scale(domain=[min([0, *values]), max([1, *values])]))
    figures = []
    for setting in settings_in_order(comparison):
        cells = cells_of(comparison, setting)
        labels = sorted({cell.labels for cell in cells})
        if len(labels) < 2:
            continue
        rows = [_gap_row(cell) for cell in cells]
        depth = by_depth(depths_in_order(comparison), legend=alt.Legend())
        base = plot(rows).encode(x=labels_axis(labels), y=y, color=depth["color"])
        shown = {"depth": "depth", "labels_words": "labels", "gap_words": "gap", "train": "training", "test": "test"}
        point = base.mark_point(filled=True, size=60, opacity=1)
        point = point.encode(shape=depth["shape"], tooltip=tips({**shown, "seeds": "seeds"}))
        widest = max(rows, key=lambda row: float(row["gap"]))
        figures.append(
            Figure(
                name=file_name("gap", setting),
                title=f"Gap between training and test: {setting_words(setting)}",
                chart=alt.layer(base.mark_line(strokeWidth=2), point),
                alt="Line chart of training accuracy minus test accuracy in points against labels, one line a depth. "
                f"Widest: {widest['gap_words']} for {widest['depth']} at {widest['labels_words']} labels.",
                data=Table(
                    "Training accuracy minus test accuracy, in points",
                    ["depth", "labels", "gap", "training (%)", "test (%)", "seeds"],
                    [line(row, *shown, "seeds") for row in rows],
                    folded=True,
                ),
                caption="At zero, texts that were learned from are no easier than new ones.",
                height=260,
            )
        )
    return figures


def _gap_row(cell: CellSummary) -> Row:
    """One point of the gap between training and test."""
    gap = cell.train_accuracy - cell.accuracy.value
    return {
        "layers": cell.layers,
        "depth": layers_words(cell.layers),
        "labels": cell.labels,
        "labels_words": size_words(cell.size, cell.labels),
        "gap": 100 * gap,
        "gap_words": points(gap),
        "train": percent(cell.train_accuracy),
        "test": with_interval(cell.accuracy),
        "seeds": str(cell.seeds),
    }
