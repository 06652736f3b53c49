"""Charts of what stands beside the depths: plain methods, calibration, and the search for settings."""

from __future__ import annotations

import altair as alt

from textlstm.analysis.charts.theme import Row, by_depth, ink, line, plot, tips
from textlstm.analysis.figures import Figure, Table
from textlstm.analysis.orders import cells_of, depths_in_order, settings_in_order, sizes_in_order
from textlstm.analysis.summary import Comparison
from textlstm.analysis.summary_beside import SearchSummary
from textlstm.analysis.wording import (
    baseline_words,
    duration,
    file_name,
    interval,
    layers_words,
    percent,
    points,
    setting_words,
    size_words,
)
from textlstm.results import Estimate

ERROR = "Debiased root-mean-square calibration error in points"


def baseline_ladder(comparison: Comparison) -> list[Figure]:
    """Draw the plain methods and the depths on one scale, with intervals, at a size that the reader chooses.

    Args:
        comparison: a grid's outcome.

    Returns:
        One figure, about the first setting; none without plain methods.
    """
    if not comparison.baselines or not comparison.cells:
        return []
    setting = settings_in_order(comparison)[0]
    labels = dict(sizes_in_order(comparison))
    rows: list[Row] = []
    for baseline in comparison.baselines:
        place: Row = {"name": baseline_words(baseline.name), "words": baseline.words}
        rows.append(place | _ladder_row(baseline.size, labels, baseline.accuracy, baseline.seeds))
    for cell in cells_of(comparison, setting):
        name = layers_words(cell.layers)
        place = {"name": name, "words": f"stack of {name}", "layers": cell.layers}
        rows.append(place | _ladder_row(cell.size, labels, cell.accuracy, cell.seeds))
    sizes = [size_words(size, number) for size, number in labels.items()]
    sizes = [size for size in sizes if any(row["size"] == size for row in rows if "layers" not in row)]
    rows = [row for row in rows if row["size"] in sizes]
    rows.sort(key=lambda row: (sizes.index(row["size"]), -row["mean"]))
    shown = {
        "name": "method",
        "words": "what it is",
        "size": "labels",
        "mean_words": "mean",
        "interval": "95 % interval",
        "seeds": "seeds",
    }
    top = [row for row in rows if row["size"] == sizes[-1]]
    return [
        Figure(
            name=file_name("baselines", setting),
            title=f"Plain methods and depths: {setting_words(setting)}",
            chart=_ladder_chart(rows, sizes, depths_in_order(comparison), shown),
            alt=f"Dot chart of test accuracy with intervals at {sizes[-1]} labels, best first: "
            + "; ".join(f"{row['name']} {row['mean_words']}" for row in top)
            + ".",
            data=Table(
                "Test accuracy in % of plain methods and depths",
                list(shown.values()),
                [line(row, *shown) for row in rows],
                words=(0, 1),
                folded=True,
            ),
            caption="Mean and 95 % interval; plain methods in gray, fitted on the same rows.",
            height=26 * max(len([row for row in rows if row["size"] == size]) for size in sizes) + 10,
            state=f"{sizes[-1]} labels",
        )
    ]


def _ladder_row(size: int | str, labels: dict[int | str, int], accuracy: Estimate, seeds: int) -> Row:
    """The figures of one method at one size."""
    row: Row = {
        "size": size_words(size, labels.get(size)),
        "mean": 100 * accuracy.value,
        "mean_words": percent(accuracy.value),
        "interval": interval(accuracy),
        "seeds": str(seeds),
    }
    if accuracy.low is not None and accuracy.high is not None:
        row |= {"low": 100 * accuracy.low, "high": 100 * accuracy.high}
    return row


def _ladder_chart(
    rows: list[Row], sizes: list[str], depths: list[int], shown: dict[str, str]
) -> alt.LayerChart | alt.FacetChart:
    """Dots with bars; depths have their color and shape, plain methods are quiet."""
    depth = by_depth(depths, legend=None)
    is_depth = "isValid(datum.layers)"
    color = alt.condition(is_depth, depth["color"], alt.value(ink("muted")))
    shape = alt.condition(is_depth, depth["shape"], alt.value("circle"))
    order = alt.EncodingSortField(field="mean", op="max", order="descending")
    y = alt.Y("name:N", title=None, sort=order, axis=alt.Axis(ticks=False, domain=False, labelLimit=160))
    x = alt.X("mean:Q", title="test accuracy (%)", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6))
    base = plot(rows).encode(y=y, color=color, tooltip=tips(shown))
    layers = []
    if any("low" in row for row in rows):
        bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2)
        layers.append(bars.encode(x=alt.X("low:Q", title="test accuracy (%)"), x2="high:Q"))
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(x=x, shape=shape)
    choice = (
        alt.param(name="shown", value=sizes[-1], bind=alt.binding_select(options=sizes, name="labels "))
        if len(sizes) > 1
        else alt.param(name="shown", value=sizes[-1])
    )
    return alt.layer(*layers, dots).transform_filter("datum.size === shown").add_params(choice)


def calibration(comparison: Comparison) -> list[Figure]:
    """Draw accuracy against confidence, one line a depth.

    Args:
        comparison: a grid's outcome.

    Returns:
        One figure a setting that was measured.
    """
    figures = []
    for setting in dict.fromkeys(item.setting for item in comparison.calibration):
        items = sorted(
            (item for item in comparison.calibration if item.setting == setting), key=lambda item: item.layers
        )
        rows: list[Row] = [
            {
                "layers": item.layers,
                "depth": layers_words(item.layers),
                "confidence": 100 * confidence,
                "accuracy": 100 * accuracy,
                "confidence_words": percent(confidence),
                "accuracy_words": percent(accuracy),
                "rows": f"{number:,}",
                "gap": points(accuracy - confidence),
            }
            for item in items
            for confidence, accuracy, number in zip(item.confidence, item.accuracy, item.rows, strict=True)
        ]
        if not rows:
            continue
        shown = {
            "depth": "depth",
            "confidence_words": "mean confidence (%)",
            "accuracy_words": "accuracy (%)",
            "gap": "accuracy − confidence",
            "rows": "predictions",
        }
        low = min(min(row["confidence"], row["accuracy"]) for row in rows) // 10 * 10
        scale = alt.Scale(domain=[low, 100], nice=False)
        x = alt.X("confidence:Q", title="confidence (%)", scale=scale, axis=alt.Axis(tickCount=6))
        y = alt.Y("accuracy:Q", title="accuracy (%)", scale=scale, axis=alt.Axis(tickCount=6))
        depth = by_depth(depths_in_order(comparison), legend=alt.Legend())
        base = plot(rows).encode(x=x, y=y, color=depth["color"])
        ideal = plot([{"confidence": at, "accuracy": at} for at in (low, 100)])
        errors = "; ".join(f"{layers_words(item.layers)} {percent(item.ece)}" for item in items)
        point = base.mark_point(filled=True, size=50, opacity=1).encode(shape=depth["shape"], tooltip=tips(shown))
        figures.append(
            Figure(
                name=file_name("calibration", setting),
                title=f"Calibration: {setting_words(setting)}",
                chart=alt.layer(
                    ideal.mark_line(strokeDash=[4, 3], strokeWidth=1.2, color=ink("muted")).encode(x=x, y=y),
                    base.mark_line(strokeWidth=1.5),
                    point,
                ),
                alt=f"Line chart of accuracy against confidence, one line a depth. {ERROR}: {errors}.",
                data=Table(
                    "Accuracy by confidence", list(shown.values()), [line(row, *shown) for row in rows], folded=True
                ),
                caption=f"Below the dashed line a model is too sure of itself. {ERROR}: {errors}.",
                width=460,
                height=330,
            )
        )
    return figures


def search_curves(comparison: Comparison) -> list[Figure]:
    """Draw the expected best validation score against the compute spent on random search, one line a depth.

    Args:
        comparison: a grid's outcome.

    Returns:
        One figure a setting and size that was searched.
    """
    groups: dict[tuple[str, int | str], list[SearchSummary]] = {}
    for item in comparison.search:
        if item.trials:
            groups.setdefault((item.setting, item.size), []).append(item)
    labels = dict(sizes_in_order(comparison))
    return [
        _search_figure(comparison, setting, size_words(size, labels.get(size)), sorted(items, key=lambda i: i.layers))
        for (setting, size), items in groups.items()
    ]


def _search_figure(comparison: Comparison, setting: str, size: str, items: list[SearchSummary]) -> Figure:
    """Draw the search at one size."""
    rows: list[Row] = []
    for item in items:
        for place, (trials, seconds, expected) in enumerate(zip(item.trials, item.seconds, item.expected, strict=True)):
            row: Row = {
                "layers": item.layers,
                "depth": layers_words(item.layers),
                "trials": str(trials),
                "seconds": seconds,
                "time": duration(seconds),
                "expected": 100 * expected,
                "expected_words": percent(expected),
                "band": "",
            }
            if place < min(len(item.low), len(item.high)):
                low, high = item.low[place], item.high[place]
                row |= {"low": 100 * low, "high": 100 * high, "band": f"[{percent(low)}, {percent(high)}]"}
            rows.append(row)
    shown = {
        "depth": "depth",
        "trials": "configurations",
        "time": "training time",
        "expected_words": "expected best (%)",
        "band": "95 % interval",
    }
    title = "expected best on validation (%)"
    depth = by_depth(depths_in_order(comparison), legend=alt.Legend())
    x = alt.X("seconds:Q", title="seconds of training, all configurations", axis=alt.Axis(grid=False, tickCount=6))
    scale = alt.Scale(zero=False)
    y = alt.Y("expected:Q", title=title, scale=scale)
    base = plot(rows).encode(x=x, color=depth["color"])
    band = base.transform_filter("isValid(datum.low)").mark_area(opacity=0.14)
    point = base.mark_point(filled=True, size=50, opacity=1)
    last = "; ".join(
        f"{layers_words(item.layers)} {percent(item.expected[-1])} after {item.trials[-1]} configurations"
        for item in items
    )
    return Figure(
        name=file_name("search", setting, size),
        title=f"Best of a random search: {setting_words(setting)}, {size} labels",
        chart=alt.layer(
            band.encode(y=alt.Y("low:Q", title=title, scale=scale), y2="high:Q"),
            base.mark_line(strokeWidth=2).encode(y=y),
            point.encode(y=y, shape=depth["shape"], tooltip=tips(shown)),
        ),
        alt=f"Line chart of the expected best validation score in % against seconds of search, by depth: {last}.",
        data=Table(
            "Expected best validation score by budget",
            list(shown.values()),
            [line(row, *shown) for row in rows],
            folded=True,
        ),
        caption="What the best of k random configurations is expected to score on validation (Tang et al. 2020).",
        height=280,
    )
