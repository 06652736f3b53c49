"""The chart of a learning-rate range test."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from textlstm.analysis.charts.theme import Row, ink, plot
from textlstm.analysis.figures import Figure, Table

_ROWS_SHOWN = 20


def rate_figure(rates: Sequence[float], losses: Sequence[float], *, steepest: float) -> Figure:
    """Draw the smoothed loss against the rising learning rate.

    Args:
        rates: tried, rising.
        losses: smoothed, in nats.
        steepest: the rate to take, marked by a line.

    Returns:
        A line chart on a logarithmic axis.
    """
    rows: list[Row] = [
        {"rate": rate, "loss": loss, "words": f"{loss:.3f}", "name": f"{rate:.2g}"}
        for rate, loss in zip(rates, losses, strict=True)
    ]
    x = alt.X("rate:Q", title="learning rate (log scale)", scale=alt.Scale(type="log"), axis=alt.Axis(format=".0e"))
    y = alt.Y("loss:Q", title="training loss, smoothed (nats)", scale=alt.Scale(zero=False))
    lines = (
        plot(rows)
        .mark_line(strokeWidth=2, color=ink())
        .encode(x=x, y=y, tooltip=[alt.Tooltip("name:N", title="rate"), alt.Tooltip("words:N", title="loss (nats)")])
    )
    marked = plot([{"rate": steepest}]).mark_rule(strokeDash=[4, 3], color=ink("muted")).encode(x=x)
    every = max(1, len(rows) // _ROWS_SHOWN)
    return Figure(
        name="learning-rate",
        title="Loss by learning rate",
        chart=alt.layer(marked, lines),
        alt=f"The smoothed training loss while the learning rate rises; it falls fastest at {steepest:.2g}.",
        data=Table(
            "Loss by learning rate",
            ["rate", "loss (nats)"],
            [[str(row["name"]), str(row["words"])] for row in rows[::every]],
            folded=True,
        ),
        caption="The dashed line marks where the loss falls fastest: a fair highest rate.",
    )
