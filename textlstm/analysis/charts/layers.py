"""Charts of what happens inside one stack: maps over layers, and scores by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from textlstm.analysis.charts.theme import DASHES, Row, ink, line, plot, tips
from textlstm.analysis.diagnostics.inspected import level_name
from textlstm.analysis.figures import Figure, Table
from textlstm.analysis.wording import file_name, interval
from textlstm.results import Estimate

_WIDEST_GAIN = 4.0
"""Decimal logarithm at which the colors of a gain end; what is smaller or larger has the last color."""
_SHOWN_DISTANCES = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)


_SHORT_LEVEL = "datum.value == 'embeddings' ? 'emb.' : replace(datum.value, 'layer ', '')"
"""A level's label where there is little room; the axis says that numbers are layers."""


@dataclass(frozen=True)
class Series:
    """One line over layers.

    Attributes:
        name: for the legend and the table.
        values: by level; None where there is none.
    """

    name: str
    values: Sequence[Estimate | None]


def gain_map(
    direction: str, gains: Sequence[Sequence[float | None]], *, small: bool, span: float | None = None
) -> Figure:
    """Draw a gradient's gain by level and distance.

    Args:
        direction: of reading, "forward" or "backward".
        gains: by level and distance, the embeddings first; None where nothing is known.
        small: whether another one stands beside it.
        span: decimal logarithm at which the colors end, so that maps can be compared; what these gains need when None.

    Returns:
        A heat map with a logarithmic scale of colors around 1.
    """
    rows: list[Row] = []
    for level, values in enumerate(gains):
        for distance, gain in enumerate(values):
            if gain is not None:
                height = math.log10(max(gain, 1e-30))
                rows.append(
                    {
                        "level": level_name(level),
                        "distance": distance,
                        "left": distance - 0.5,
                        "right": distance + 0.5,
                        "height": max(-_WIDEST_GAIN, min(_WIDEST_GAIN, height)),
                        "words": str(distance),
                        "gain": written_gain(gain),
                    }
                )
    names = [level_name(level) for level in reversed(range(len(gains)))]
    shown = {"level": "from", "words": "words back", "gain": "gain"}
    most = gain_span([gains]) if span is None else span
    legend = alt.Legend(
        gradientLength=120,
        gradientThickness=10,
        values=[-most, 0, most],
        labelExpr="format(pow(10, datum.value), '~g')",
    )
    furthest = max((int(row["distance"]) for row in rows), default=0)
    chart = (
        plot(rows)
        .mark_rect()
        .encode(
            x=alt.X(
                "left:Q",
                title="words back from where the direction ends",
                scale=alt.Scale(domain=[-0.5, furthest + 0.5], nice=False),
                axis=alt.Axis(grid=False, tickCount=6, tickMinStep=1, format="d"),
            ),
            x2="right:Q",
            y=alt.Y("level:N", title=None, sort=names, axis=alt.Axis(domain=False, ticks=False)),
            color=alt.Color(
                "height:Q",
                title="gain",
                scale=alt.Scale(domain=[-most, most], domainMid=0, interpolate="rgb"),
                legend=legend,
            ),
            tooltip=tips(shown),
        )
    )
    listed = [row for row in rows if row["distance"] in _SHOWN_DISTANCES or row["distance"] == furthest]
    ends = [row for row in rows if row["distance"] == furthest]
    return Figure(
        name=file_name("reach", direction),
        title=f"Gradient reach, reading {direction}",
        chart=chart,
        alt=f"Heat map of the gain from each level to the end of the top layer, reading {direction}, by distance in"
        f" words. At {furthest} words: " + "; ".join(f"{row['level']} {row['gain']}" for row in ends) + ".",
        data=Table("Gain", list(shown.values()), [line(row, *shown) for row in listed], folded=True),
        width=480 if small else 640,
        height=26 * len(gains) + 20,
    )


def gain_span(maps: Sequence[Sequence[Sequence[float | None]]]) -> float:
    """Find where the colors of some maps should end.

    Args:
        maps: gains by level and distance.

    Returns:
        A decimal logarithm, from 1 to 4.
    """
    known = [gain for levels in maps for level in levels for gain in level if gain is not None]
    most = max((abs(math.log10(max(gain, 1e-30))) for gain in known), default=1.0)
    return max(1.0, min(_WIDEST_GAIN, float(math.ceil(most))))


def written_gain(gain: float) -> str:
    """Write a gain.

    Args:
        gain: 0 or more.

    Returns:
        Such as "0.42", "0.0031" or "3e-07".
    """
    return f"{gain:.2g}" if gain < 100 else f"{gain:,.0f}"


def square_map(name: str, title: str, labels: Sequence[str], values: Sequence[Sequence[float]], caption: str) -> Figure:
    """Draw how alike the levels of a stack are, two by two.

    Args:
        name: of the figure.
        title: of the figure.
        labels: of the levels.
        values: (levels, levels) from -1 to 1.
        caption: how to read it.

    Returns:
        A heat map with its figures written into it.
    """
    rows: list[Row] = [
        {"row": labels[a], "column": labels[b], "value": values[a][b], "words": f"{values[a][b]:.2f}".replace("-", "−")}
        for a in range(len(labels))
        for b in range(len(labels))
    ]
    shown = {"row": "one", "column": "other", "words": "likeness"}
    base = plot(rows).encode(
        x=alt.X("column:N", title=None, sort=list(labels), axis=alt.Axis(labelAngle=0, domain=False, ticks=False)),
        y=alt.Y("row:N", title=None, sort=list(reversed(labels)), axis=alt.Axis(domain=False, ticks=False)),
        tooltip=tips(shown),
    )
    scale = alt.Scale(domain=[-1, 1], domainMid=0, interpolate="rgb")
    squares = base.mark_rect(stroke=ink("paper"), strokeWidth=2).encode(
        color=alt.Color("value:Q", title=None, scale=scale, legend=None)
    )
    strong = alt.condition("abs(datum.value) > 0.7", alt.value(ink("paper")), alt.value(ink("ink")))
    words = base.mark_text(fontSize=12, fontWeight=600).encode(text="words:N", color=strong)
    neighbors = "; ".join(f"{labels[k]} and {labels[k + 1]} {values[k][k + 1]:.2f}" for k in range(len(labels) - 1))
    return Figure(
        name=name,
        title=title,
        chart=alt.layer(squares, words),
        alt=f"Heat map of {title[0].lower()}{title[1:]}, two levels at a time. Neighbors: {neighbors}.",
        data=Table(title, list(shown.values()), [line(row, *shown) for row in rows], words=(0, 1), folded=True),
        caption=caption,
        width=440,
        height=44 * len(labels) + 8,
    )


def lines_by_level(
    name: str,
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    axis: str,
    caption: str = "",
    scale: float = 1.0,
    decimals: int = 2,
    small: bool = True,
) -> Figure:
    """Draw figures by level, with their intervals; the first series is the one that a reader is to look at.

    Args:
        name: of the figure.
        title: of the figure.
        labels: of the levels, lowest first.
        series: up to four.
        axis: what the y axis shows.
        caption: how to read it.
        scale: what figures are multiplied by, such as 100 for shares in %.
        decimals: of the written figures.
        small: whether several stand in a row.

    Returns:
        A small line chart; series are told apart by dashes and shapes, and not by color.
    """
    rows = [
        _level_row(label, one.name, place, value, scale=scale, decimals=decimals)
        for place, one in enumerate(series)
        for label, value in zip(labels, one.values, strict=True)
        if value is not None
    ]
    shown = {"level": "level", "series": "of", "words": axis, "interval": "95 % interval"}
    names = [one.name for one in series]
    narrow: dict[str, Any] = {"columns": 3, "symbolSize": 50, "labelFontSize": 11, "columnPadding": 8} if small else {}
    legend = alt.Legend(title=None, **narrow) if len(series) > 1 else None

    def told_apart(values: Sequence[Any]) -> dict[str, Any]:
        return {"legend": legend, "scale": alt.Scale(domain=names, range=list(values[: len(names)]))}

    shape = alt.Shape("series:N", **told_apart(["circle", "square", "triangle-up", "diamond"]))
    dash = alt.StrokeDash("series:N", **told_apart(DASHES))
    # One channel, one legend: its symbols are then drawn as those of the chart.
    stroke = alt.Stroke("series:N", **told_apart([ink(), *[ink("muted")] * 3]))
    fill = alt.Fill("series:N", **told_apart([ink(), *[ink("paper")] * 3]))
    y = alt.Y(
        "value:Q",
        title=axis,
        scale=alt.Scale(zero=False, nice=True, padding=6),
        axis=alt.Axis(tickCount=4, format="~r"),
    )
    base = plot(rows).encode(
        x=alt.X("level:N", title="layer", sort=list(labels), axis=alt.Axis(labelAngle=0, labelExpr=_SHORT_LEVEL))
    )
    ranged = base.transform_filter("isValid(datum.low)")
    chart = alt.layer(
        ranged.mark_rule(strokeWidth=1.4).encode(y=alt.Y("low:Q", title=axis), y2="high:Q", stroke=stroke),
        base.mark_line(strokeWidth=1.4).encode(y=y, strokeDash=dash, stroke=stroke),
        base.mark_point(size=55, opacity=1, strokeWidth=1.4).encode(
            y=y, shape=shape, stroke=stroke, fill=fill, tooltip=tips(shown)
        ),
    )
    of_first = [row for row in rows if row["place"] == 0]
    return Figure(
        name=name,
        title=title,
        chart=chart,
        alt=f"Line chart, {title[0].lower()}{title[1:]}, {axis}, {names[0] if names else ''}: "
        + "; ".join(f"{row['level']} {row['words']}" for row in of_first)
        + ".",
        data=Table(title, list(shown.values()), [line(row, *shown) for row in rows], words=(0, 1), folded=True),
        caption=caption,
        width=360,
        height=170 if small else 220,
        small=small,
    )


def _level_row(label: str, series: str, place: int, value: Estimate, *, scale: float, decimals: int) -> Row:
    """One point with its interval."""

    def write(figure: float) -> str:
        return f"{scale * figure:.{decimals}f}".replace("-", "−")

    return {
        "level": label,
        "series": series,
        "place": place,
        "value": scale * value.value,
        "low": None if value.low is None else scale * value.low,
        "high": None if value.high is None else scale * value.high,
        "words": write(value.value),
        "interval": interval(value, write),
    }
