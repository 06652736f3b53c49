"""Charts that several claims share: figures by depth, and learning curves of settings."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from textlstm.analysis.charts.theme import DASHES, Row, labels_axis, plot
from textlstm.analysis.figures import Figure, Table

_LONG = 30  # letters of a series' name beyond which the legend has two columns
_APART = 7  # pixels between neighboring series at one place


def by_depth_figure(
    rows: Sequence[Row], *, name: str, title: str, axis: str, alt_text: str, caption: str = "", zero: bool = False
) -> Figure:
    """Draw a figure by number of layers, one line a series.

    Args:
        rows: with `layers`, `value`, `low`, `high`, `series` and `words`; ends may be None.
        name: of the figure.
        title: a few words.
        axis: title of the vertical axis.
        alt_text: what it shows.
        caption: how to read it.
        zero: whether the axis begins at 0.

    Returns:
        The figure.
    """
    depths = sorted({int(row["layers"]) for row in rows})
    x = alt.X("layers:O", title="layers", sort=depths, axis=alt.Axis(labelAngle=0))
    return _series_figure(rows, x, "layers", name, title, axis, alt_text, caption, zero)


def by_size_figure(
    rows: Sequence[Row], *, name: str, title: str, axis: str, alt_text: str, caption: str = "", zero: bool = False
) -> Figure:
    """Draw a figure by number of labels, one line a series.

    Args:
        rows: with `labels`, `value`, `low`, `high`, `series` and `words`; ends may be None.
        name: of the figure.
        title: a few words.
        axis: title of the vertical axis.
        alt_text: what it shows.
        caption: how to read it.
        zero: whether the axis begins at 0.

    Returns:
        The figure.
    """
    x = labels_axis(sorted({int(row["labels"]) for row in rows}))
    return _series_figure(rows, x, "labels", name, title, axis, alt_text, caption, zero)


def by_distance_figure(
    rows: Sequence[Row], *, name: str, title: str, axis: str, alt_text: str, caption: str = "", zero: bool = False
) -> Figure:
    """Draw a figure by distance in words, one line a series.

    Args:
        rows: with `distance`, `value`, `low`, `high`, `series` and `words`; ends may be None.
        name: of the figure.
        title: a few words.
        axis: title of the vertical axis.
        alt_text: what it shows.
        caption: how to read it.
        zero: whether the axis begins at 0.

    Returns:
        The figure.
    """
    distances = sorted({int(row["distance"]) for row in rows})
    x = alt.X(
        "distance:Q",
        title="distance in words (log scale, base 2)",
        scale=alt.Scale(type="log", base=2, nice=False, domain=[distances[0], distances[-1]], padding=14),
        axis=alt.Axis(values=distances, format="d", grid=False),
    )
    return _series_figure(rows, x, "distance", name, title, axis, alt_text, caption, zero)


def by_compute_figure(
    rows: Sequence[Row], *, name: str, title: str, axis: str, alt_text: str, caption: str = ""
) -> Figure:
    """Draw a figure by operations of training, one line a series.

    Args:
        rows: with `compute` (operations), `value`, `low`, `high`, `series` and `words`; ends may be None.
        name: of the figure.
        title: a few words.
        axis: title of the vertical axis.
        alt_text: what it shows.
        caption: how to read it.

    Returns:
        The figure.
    """
    x = alt.X(
        "compute:Q",
        title="operations of training (log scale)",
        scale=alt.Scale(type="log", nice=False, padding=14),
        axis=alt.Axis(format=".0e", grid=False, labelOverlap="greedy"),
    )
    return _series_figure(rows, x, "compute", name, title, axis, alt_text, caption, False)


def by_level_figure(
    rows: Sequence[Row], *, name: str, title: str, axis: str, alt_text: str, caption: str = ""
) -> Figure:
    """Draw a figure by level of nesting, one line a series.

    Args:
        rows: with `level`, `value`, `low`, `high`, `series` and `words`; ends may be None.
        name: of the figure.
        title: a few words.
        axis: title of the vertical axis.
        alt_text: what it shows.
        caption: how to read it.

    Returns:
        The figure.
    """
    levels = sorted({int(row["level"]) for row in rows})
    x = alt.X("level:O", title="level of nesting", sort=levels, axis=alt.Axis(labelAngle=0))
    return _series_figure(rows, x, "level", name, title, axis, alt_text, caption, False)


def _apart(series: Sequence[str]) -> alt.XOffset:
    """Move each series a little aside, so that intervals at one place do not cover each other."""
    half = _APART * len(series) / 2
    span = [{"expr": f"bandwidth('x') / 2 + {end}"} for end in (-half, half)]
    return alt.XOffset("series:N", scale=alt.Scale(domain=list(series), range=span, padding=0))


def _series_figure(
    rows: Sequence[Row],
    x: alt.X,
    place: str,
    name: str,
    title: str,
    axis: str,
    alt_text: str,
    caption: str,
    zero: bool,
) -> Figure:
    """Draw lines with dots and intervals, told apart by color, shape and dash."""
    series = list(dict.fromkeys(str(row["series"]) for row in rows))
    several = len(series) > 1
    columns = 3 if max(map(len, series)) <= _LONG else 2
    legend = alt.Legend(title=None, columns=columns, labelLimit=340) if several else None
    base = plot(rows).encode(
        x=x,
        tooltip=[
            alt.Tooltip("series:N", title="of"),
            alt.Tooltip(f"{place}:N", title=place),
            alt.Tooltip("words:N", title=axis),
        ],
    )
    if several and x.shorthand.endswith(":O"):
        base = base.encode(xOffset=_apart(series))
    color = alt.Color("series:N", scale=alt.Scale(domain=series, range="ordinal"), legend=legend)
    dash = alt.StrokeDash(
        "series:N",
        scale=alt.Scale(domain=series, range=[DASHES[index % len(DASHES)] for index in range(len(series))]),
        legend=legend,
    )
    y = alt.Y("value:Q", title=axis, scale=alt.Scale(zero=zero))
    lines = base.mark_line(strokeWidth=2).encode(y=y, color=color, strokeDash=dash)
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(
        y=y, color=color, shape=alt.Shape("series:N", scale=alt.Scale(domain=series), legend=legend)
    )
    # In the color of their series, so that it is seen whose they are where several stand at one place.
    whiskers = base.mark_rule(opacity=0.7).encode(y=alt.Y("low:Q", title=axis), y2="high:Q", color=color)
    chart = alt.layer(whiskers, lines, dots)
    return Figure(
        name=name,
        title=title,
        chart=chart,
        alt=alt_text,
        data=Table(
            title,
            ["of", place, axis],
            [[str(row["series"]), f"{row[place]:,}", str(row["words"])] for row in rows],
            words=(0, 2),
            folded=True,
        ),
        caption=caption,
        height=260,
    )
