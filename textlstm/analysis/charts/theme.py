"""How charts look: colors and shapes by depth that color-blind readers tell apart, in light and in dark.

Charts name no colors. They use Vega-Lite's named ranges and three named inks, which `chart_config` fills for one theme,
so that one description serves the page by day and by night, and the picture files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

import altair as alt

FONT = "'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"

Theme = Literal["light", "dark"]
Row = dict[str, Any]
"""One plotted point: numbers to draw, and the same figures as written words to show."""


class DepthChannels(TypedDict):
    """The two channels that tell depths apart."""

    color: alt.Color
    shape: alt.Shape


_INKS: dict[Theme, dict[str, str]] = {
    "light": {"ink": "#1f2328", "muted": "#59636e", "grid": "#e4e7eb", "paper": "#ffffff"},
    "dark": {"ink": "#e6e8eb", "muted": "#a3adb8", "grid": "#30363d", "paper": "#15181c"},
}
_DEPTHS: dict[Theme, tuple[str, ...]] = {
    "light": ("#d67d0c", "#b8385f", "#6a2fa3", "#0f2460"),
    "dark": ("#ffe28f", "#f99b6d", "#cc68c0", "#3b74d4"),
}
"""From shallow to deep: hue and lightness both move one way. At four depths the closest two are 21 (light) and 16
(dark) CIELAB units apart under protan, deutan and tritan vision (matrices of Machado, Oliveira and Fernandes 2009),
and all have a contrast of 3:1 or more with the page (WCAG 2.2, 1.4.11)."""
_DIVERGING: dict[Theme, list[str]] = {
    "light": ["#a6510a", "#e0a050", "#f4ead9", "#f3f4f5", "#dbe7f2", "#79aed6", "#1f5f9e"],
    "dark": ["#f0a04b", "#9a6226", "#4a3a28", "#262a2f", "#27384a", "#3a76a8", "#7fc0f5"],
}
"""Loss, nothing, gain: orange against blue, which every kind of color vision keeps apart."""
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [10, 4], [4, 2, 1, 2]]


def depth_colors(number: int, theme: Theme) -> list[str]:
    """Spread the palette over some depths.

    Args:
        number: of depths.
        theme: the background they stand on.

    Returns:
        One color a depth, from the shallowest.
    """
    anchors = [[int(color[start : start + 2], 16) for start in (1, 3, 5)] for color in _DEPTHS[theme]]
    colors = []
    for place in range(number):
        position = place / max(1, number - 1) * (len(anchors) - 1)
        left = min(int(position), len(anchors) - 2)
        share = position - left
        mixed = (round(a + share * (b - a)) for a, b in zip(anchors[left], anchors[left + 1], strict=True))
        colors.append("#" + "".join(f"{channel:02x}" for channel in mixed))
    return colors


def chart_config(theme: Theme, *, depths: int) -> dict[str, Any]:
    """Give the Vega-Lite configuration of a theme.

    Args:
        theme: light or dark.
        depths: how many depths the report has.

    Returns:
        The value of `config` in a specification.
    """
    inks = _INKS[theme]
    axis = {
        "domainColor": inks["muted"],
        "tickColor": inks["muted"],
        "gridColor": inks["grid"],
        "labelColor": inks["ink"],
        "titleColor": inks["muted"],
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "labelPadding": 4,
        "tickSize": 4,
    }
    legend = {
        "orient": "top",
        "labelColor": inks["ink"],
        "titleColor": inks["muted"],
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleOrient": "left",
        "titlePadding": 10,
        "columnPadding": 14,
        "symbolSize": 70,
        "symbolOpacity": 1,
        "labelLimit": 260,
    }
    return {
        "aria": False,  # the box has a description and the data stand below as a table: marks would only be read twice
        "background": "#ffffff" if theme == "light" else "transparent",
        "padding": 4,
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis,
        "legend": legend,
        "title": {"anchor": "start", "fontSize": 14, "fontWeight": 600, "color": inks["ink"], "offset": 10},
        "range": {
            "ordinal": depth_colors(depths, theme),
            "diverging": _DIVERGING[theme],
            "symbol": SHAPES,
        },
        "params": [{"name": name, "value": inks[name]} for name in ("ink", "muted", "paper")],
    }


def ink(name: Literal["ink", "muted", "paper"] = "ink") -> alt.ExprRef:
    """Refer to a color of the theme.

    Args:
        name: text, quiet text, or the page.

    Returns:
        What a mark takes as its color.
    """
    return alt.ExprRef(name)


def by_depth(depths: Sequence[int], *, legend: alt.Legend | None) -> DepthChannels:
    """Encode the depth twice: by color and by shape.

    Args:
        depths: all that the report has, rising, so that a depth looks the same in every chart.
        legend: of both channels; None for none.

    Returns:
        The channels `color` and `shape` over the field `layers`.
    """
    domain = list(depths)
    shapes = [SHAPES[place % len(SHAPES)] for place in range(len(domain))]
    return {
        "color": alt.Color("layers:N", title="layers", legend=legend, scale=alt.Scale(domain=domain, range="ordinal")),
        "shape": alt.Shape("layers:N", title="layers", legend=legend, scale=alt.Scale(domain=domain, range=shapes)),
    }


def labels_axis(labels: Sequence[int]) -> alt.X:
    """Put numbers of labels on an axis where each doubling takes the same room, with ticks at what was measured.

    Args:
        labels: what was measured, rising.

    Returns:
        The channel `x` over the field `labels`.
    """
    return alt.X(
        "labels:Q",
        title="labels (log scale, base 2)",
        scale=alt.Scale(type="log", base=2, nice=False, domain=[labels[0], labels[-1]], padding=14),
        axis=alt.Axis(values=list(labels), format=",d", grid=False, labelOverlap="greedy", labelSeparation=6),
    )


def tips(titles: dict[str, str]) -> list[alt.Tooltip]:
    """List what hovering shows.

    Args:
        titles: title of each field; the fields hold written figures.

    Returns:
        The channel `tooltip`.
    """
    return [alt.Tooltip(f"{name}:N", title=title) for name, title in titles.items()]


def plot(rows: Sequence[Row]) -> alt.Chart:
    """Begin a chart over some rows.

    Args:
        rows: its data.

    Returns:
        A chart without a mark.
    """
    return alt.Chart(alt.InlineData(values=list(rows)))


def line(row: Row, *names: str) -> list[str]:
    """Pick written fields of a plotted row for the table beside the chart.

    Args:
        row: of a chart's data.
        *names: of its fields.

    Returns:
        One table row.
    """
    return [str(row[name]) for name in names]
