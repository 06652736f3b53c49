"""Charts of signals inside one stack: how far back a word counts, and gradient norms while it was trained."""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt

from textlstm.analysis.charts.theme import DASHES, Row, ink, line, plot, tips
from textlstm.analysis.figures import Figure, Table
from textlstm.analysis.wording import interval, measure
from textlstm.results import Estimate

_STEPS_SHOWN = 12
"""Rows of the table beside the norms: every so many records, so that it can be read."""


def distance_profile(distances: Sequence[int], moved: Sequence[Estimate], *, end: str, effective: int) -> Figure:
    """Draw how much hiding a word moves the answer, by its distance to an end of the text.

    Args:
        distances: in words, rising from 0.
        moved: mean change in nats at each.
        end: of the text that distances count from, "end" or "start".
        effective: the effective distance, marked by a line.

    Returns:
        A line chart; the distance d stands at d + 1 on a logarithmic axis, whose labels are distances.
    """
    rows: list[Row] = [
        {
            "place": distance + 1,
            "distance": str(distance),
            "value": value.value,
            "low": value.low,
            "high": value.high,
            "words": f"{value.value:.3f}",
            "interval": interval(value, lambda figure: f"{figure:.3f}"),
        }
        for distance, value in zip(distances, moved, strict=True)
    ]
    shown = {"distance": f"words from the {end}", "words": "moved (nats)", "interval": "95 % interval"}
    x = alt.X(
        "place:Q",
        title=f"words from the {end} of the text",
        scale=alt.Scale(type="log", base=2, nice=False, domain=[1, distances[-1] + 1], padding=14),
        axis=alt.Axis(
            values=[distance + 1 for distance in distances],
            labelExpr="format(datum.value - 1, 'd')",
            grid=False,
            labelOverlap="greedy",
            labelSeparation=6,
        ),
    )
    y = alt.Y("value:Q", title="change of the log-odds (nats)", scale=alt.Scale(zero=True))
    base = plot(rows).encode(x=x)
    marked = plot([{"at": effective + 1}]).mark_rule(strokeDash=[4, 3], color=ink("muted")).encode(x="at:Q")
    chart = alt.layer(
        marked,
        base.mark_rule(strokeWidth=1.4, color=ink("muted")).encode(
            y=alt.Y("low:Q", title="change of the log-odds (nats)"), y2="high:Q"
        ),
        base.mark_line(strokeWidth=2, color=ink()).encode(y=y),
        base.mark_point(filled=True, size=50, opacity=1, color=ink()).encode(y=y, tooltip=tips(shown)),
    )
    most = max(rows, key=lambda row: float(row["value"]))
    return Figure(
        name="distance",
        title="What hiding one word moves, by its place",
        chart=chart,
        alt=f"Line chart of the change of the answer's log-odds by the hidden word's distance from the {end} of the"
        f" text: most at {most['distance']} words ({most['words']} nats), {rows[-1]['words']} at"
        f" {rows[-1]['distance']}.",
        data=Table("What hiding a word moves", list(shown.values()), [line(row, *shown) for row in rows], folded=True),
        caption=f"The winning class's log-odds; dashed: the effective distance, {effective} words.",
        height=220,
    )


def norms_by_step(parts: Sequence[str], steps: Sequence[int], norms: Sequence[Sequence[float]]) -> Figure:
    """Draw the norm of each part's gradient over a training, before clipping.

    Args:
        parts: of the network.
        steps: updates, counted from 1.
        norms: by step and part.

    Returns:
        A line chart on a logarithmic scale; a part's norm is a median over neighboring records, so that lines can be
        told apart.
    """
    smooth = max(1, len(steps) // 50)
    rows: list[Row] = []
    for column, part in enumerate(parts):
        for start in range(0, len(steps), smooth):
            values = sorted(row[column] for row in norms[start : start + smooth])
            value = values[len(values) // 2]
            if value > 0:
                rows.append({"step": steps[start], "at": f"{steps[start]:,}", "part": part, "value": value})
    for row in rows:
        row["words"] = measure(float(row["value"])) if float(row["value"]) >= 1e-3 else f"{row['value']:.1e}"
    shown = {"at": "update", "part": "part", "words": "norm"}
    domain = list(parts)
    legend = alt.Legend(title=None, columns=3, symbolType="stroke", symbolSize=300)
    color = alt.Color("part:N", scale=alt.Scale(domain=domain, range="ordinal"), legend=legend)
    dash = alt.StrokeDash(
        "part:N",
        scale=alt.Scale(domain=domain, range=[DASHES[place % len(DASHES)] for place in range(len(domain))]),
        legend=legend,
    )
    chart = (
        plot(rows)
        .mark_line(strokeWidth=1.8, point={"size": 24, "filled": True, "opacity": 0})
        .encode(
            x=alt.X("step:Q", title="update", axis=alt.Axis(format=",d", grid=False, tickCount=6, tickMinStep=1)),
            y=alt.Y(
                "value:Q",
                title="gradient norm before clipping",
                scale=alt.Scale(type="log", nice=True),
                axis=alt.Axis(tickCount=4, format="~g"),
            ),
            color=color,
            strokeDash=dash,
            tooltip=tips(shown),
        )
    )
    ends = [row for row in rows if row["step"] == max(int(one["step"]) for one in rows)]
    every = math.ceil(len(steps) / _STEPS_SHOWN)
    listed = [
        [f"{step:,}", *(f"{value:.3g}" for value in row)]
        for step, row in list(zip(steps, norms, strict=True))[:: max(1, every)]
    ]
    return Figure(
        name="norms",
        title="Gradient norms in training, by part",
        chart=chart,
        alt="Line chart of gradient norms before clipping, by update and part of the network. At the end: "
        + "; ".join(f"{row['part']} {row['words']}" for row in ends)
        + ".",
        data=Table("Gradient norms", ["update", *parts], listed, folded=True),
        caption="Medians over neighboring updates. Adam divides out a common scale: what counts is how the parts stand"
        " to each other.",
        height=220,
    )
