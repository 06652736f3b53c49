"""Charts of what depth costs: parameters, operations, seconds, latency, memory, and accuracy against cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import altair as alt

from textlstm.analysis.charts.theme import DASHES, Row, by_depth, ink, line, plot, tips
from textlstm.analysis.figures import Figure, Table
from textlstm.analysis.orders import depths_in_order, settings_in_order
from textlstm.analysis.summary import Comparison
from textlstm.analysis.summary_beside import CostSummary
from textlstm.analysis.wording import count, duration, file_name, layers_words, measure, percent, setting_words

Range = tuple[float, float]


@dataclass(frozen=True)
class _Measure:
    """One kind of cost: how it is called, read off and written."""

    name: str
    title: str
    unit: str
    read: Callable[[CostSummary], float | Range | None]
    write: Callable[[float | None], str]


def _latency(batch: str) -> Callable[[CostSummary], Range | None]:
    """Read the median and the 95th percentile at one batch size."""
    return lambda cost: cost.latency_ms.get(batch)


_TICKS = "datum.value < 10000 ? format(datum.value, ',~r') : format(datum.value, '~s')"
_MEASURES = [
    _Measure("parameters", "Parameters (no embeddings)", "", lambda cost: cost.parameters_without_embeddings, count),
    _Measure("operations", "Operations a token", "", lambda cost: cost.flops_per_token, count),
    _Measure("training-time", "Seconds of training", "", lambda cost: cost.train_seconds, duration),
    _Measure("training-speed", "Tokens a second in training", "", lambda cost: cost.tokens_per_second, count),
    _Measure("memory", "Peak memory (MiB)", "MiB", lambda cost: cost.peak_memory_mb, measure),
    _Measure("disk", "Weights on disk (MiB)", "MiB", lambda cost: cost.disk_mb, measure),
]


def costs(comparison: Comparison) -> list[Figure]:
    """Draw each kind of cost by depth; latency is the median with a bar up to the 95th percentile.

    Args:
        comparison: a grid's outcome.

    Returns:
        One small figure a kind of cost that was measured; settings share it, each with its own dashes.
    """
    batches = sorted(
        {batch for cost in comparison.costs for batch in cost.latency_ms}, key=lambda name: (len(name), name)
    )
    latencies = [
        _Measure(f"latency-{batch}", f"Latency at batch {batch} (ms)", "ms", _latency(batch), measure)
        for batch in batches
    ]
    settings = _measured_settings(comparison)
    figures = (_cost_figure(comparison, measured, settings) for measured in [*_MEASURES, *latencies])
    return [figure for figure in figures if figure]


def dash_words(comparison: Comparison) -> str:
    """Say which dashes stand for which setting in the charts of cost.

    Args:
        comparison: a grid's outcome.

    Returns:
        A sentence; empty with one setting.
    """
    names = ["solid", "dashed", "dotted", "dash and dot", "long dashes", "short dash and dot"]
    settings = _measured_settings(comparison)
    if len(settings) < 2:
        return ""
    words = (f"{names[place % len(names)]}, {setting_words(name)}" for place, name in enumerate(settings))
    return f"Lines: {'; '.join(words)}."


def _measured_settings(comparison: Comparison) -> list[str]:
    """The settings that have costs, in order."""
    present = {cost.setting for cost in comparison.costs}
    return [setting for setting in settings_in_order(comparison) if setting in present]


def _cost_figure(comparison: Comparison, measured: _Measure, settings: Sequence[str]) -> Figure | None:
    """Draw one kind of cost; None where nothing was measured."""
    rows = [
        row
        for setting in settings
        for cost in sorted(comparison.costs, key=lambda cost: cost.layers)
        if cost.setting == setting and (row := _cost_row(cost, measured))
    ]
    if not rows:
        return None
    ranged = any("high" in row for row in rows)
    shown = {"depth": "depth", "setting": "setting", "words": "median" if ranged else measured.title.lower()}
    shown |= {"high_words": "95th percentile"} if ranged else {}
    shown |= {"all_words": "with embeddings"} if measured.name == "parameters" else {}
    y = alt.Y(
        "value:Q",
        title=None,
        scale=alt.Scale(zero=True),
        axis=alt.Axis(labelExpr=_TICKS, tickCount=4),
    )
    dash = alt.StrokeDash(
        "setting:N",
        legend=None,
        scale=alt.Scale(
            domain=[setting_words(name) for name in settings],
            range=[DASHES[place % len(DASHES)] for place in range(len(settings))],
        ),
    )
    depth = by_depth(depths_in_order(comparison), legend=None)
    base = plot(rows).encode(x=alt.X("layers:O", title="layers", axis=alt.Axis(labelAngle=0)))
    layers = [base.mark_line(strokeWidth=1.2, color=ink("muted")).encode(y=y, strokeDash=dash)]
    if ranged:
        bar = base.mark_rule(strokeWidth=2).encode(y=y, y2="high:Q", color=depth["color"], tooltip=tips(shown))
        layers.append(bar)
    layers.append(base.mark_point(filled=True, size=60, opacity=1).encode(y=y, **depth, tooltip=tips(shown)))
    first = [row for row in rows if row["setting"] == rows[0]["setting"]]
    return Figure(
        name=file_name("cost", measured.name),
        title=measured.title,
        chart=alt.layer(*layers),
        alt=f"Line chart of {measured.title.lower()} by depth, {rows[0]['setting']}: "
        + "; ".join(f"{row['depth']} {row['words']} {measured.unit}".strip() for row in first)
        + ".",
        data=Table(
            measured.title,
            list(shown.values()),
            [line(row, *shown) for row in rows],
            words=(0, 1),
            folded=True,
        ),
        width=300,
        height=150,
        small=True,
    )


def _cost_row(cost: CostSummary, measured: _Measure) -> Row | None:
    """One point of a kind of cost."""
    value = measured.read(cost)
    if value is None:
        return None
    row: Row = {"layers": cost.layers, "depth": layers_words(cost.layers), "setting": setting_words(cost.setting)}
    if isinstance(value, tuple):
        low, high = value
        return row | {"value": low, "words": measured.write(low), "high": high, "high_words": measured.write(high)}
    return row | {"value": value, "words": measured.write(value), "all_words": count(cost.parameters)}


def pareto_fronts(comparison: Comparison) -> list[Figure]:
    """Draw accuracy against latency and against training time, with the front marked.

    Args:
        comparison: a grid's outcome.

    Returns:
        Up to two figures a setting; none where one depth alone was measured.
    """
    figures = []
    for setting in settings_in_order(comparison):
        of_setting = [cost for cost in comparison.costs if cost.setting == setting]
        timed = [cost for cost in of_setting if cost.latency_ms.get("1")]
        if len(timed) > 1:
            rows = [
                _front_row(cost, cost.latency_ms["1"][0], measure(cost.latency_ms["1"][0]), cost.on_latency_front)
                for cost in timed
            ]
            figures.append(_front_figure(comparison, setting, rows, "latency", "median latency at batch 1 (ms)"))
        if len(of_setting) > 1:
            rows = [
                _front_row(cost, cost.train_seconds, duration(cost.train_seconds), cost.on_training_front)
                for cost in of_setting
            ]
            figures.append(_front_figure(comparison, setting, rows, "training time", "seconds of training"))
    return figures


def _front_row(cost: CostSummary, price: float, words: str, on_front: bool) -> Row:
    """One depth in a chart of accuracy against cost."""
    return {
        "layers": cost.layers,
        "depth": layers_words(cost.layers),
        "price": price,
        "price_words": words,
        "accuracy": 100 * cost.accuracy,
        "accuracy_words": percent(cost.accuracy),
        "front": "yes" if on_front else "no",
    }


def _front_figure(comparison: Comparison, setting: str, rows: Sequence[Row], price: str, axis: str) -> Figure:
    """Draw one front."""
    shown = {"depth": "depth", "accuracy_words": "accuracy (%)", "price_words": axis, "front": "on the front"}
    depth = by_depth(depths_in_order(comparison), legend=None)
    x = alt.X("price:Q", title=axis, scale=alt.Scale(zero=False, padding=24), axis=alt.Axis(tickCount=5, grid=False))
    y = alt.Y(
        "accuracy:Q", title="test accuracy (%)", scale=alt.Scale(zero=False, padding=18), axis=alt.Axis(tickCount=5)
    )
    base = plot(rows).encode(x=x, y=y)
    front = base.transform_filter("datum.front === 'yes'")
    others = base.transform_filter("datum.front === 'no'")
    name = base.encode(text="depth:N")
    point = {**depth, "tooltip": tips(shown)}
    layers = [
        front.mark_line(strokeDash=[5, 3], strokeWidth=1.2, color=ink("muted")),
        front.mark_point(filled=True, size=110, opacity=1).encode(**point),
        name.mark_text(dy=-13, fontSize=11, stroke=ink("paper"), strokeWidth=4, strokeJoin="round"),
        name.mark_text(dy=-13, fontSize=11, color=ink()),
    ]
    if any(row["front"] == "no" for row in rows):
        layers.insert(1, others.mark_point(filled=False, size=90, strokeWidth=2, opacity=1).encode(**point))
    on_front = [row["depth"] for row in rows if row["front"] == "yes"]
    return Figure(
        name=file_name("pareto", price, setting),
        title=f"Accuracy against {price}: {setting_words(setting)}",
        chart=alt.layer(*layers),
        alt=f"Scatter chart of test accuracy against {axis}. On the front, where by mean accuracy no other depth is "
        f"both cheaper and more accurate: {', '.join(on_front)}.",
        data=Table(f"Test accuracy and {axis}", list(shown.values()), [line(row, *shown) for row in rows], folded=True),
        caption="Filled and joined: by mean accuracy, no other depth is both cheaper and more accurate. Open:"
        " some depth is both.",
        width=480,
        height=250,
    )
