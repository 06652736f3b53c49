"""The picture of a claim: effects with their intervals, one below the other, against the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import altair as alt

from textlstm.analysis.charts.theme import ink, plot
from textlstm.analysis.claims.effects import written
from textlstm.analysis.claims.finding import Effect
from textlstm.analysis.figures import Figure, Table

_NAMES = alt.Axis(domain=False, ticks=False, labelLimit=420, labelPadding=10)


def effects_figure(effects: Sequence[Effect], *, threshold: float, name: str = "effects") -> Figure:
    """Draw effects of one unit; the first is the one that the verdict is about.

    Args:
        effects: in one unit, one or more.
        threshold: smallest effect that counts, in that unit.
        name: of the figure.

    Returns:
        The figure; an end that is not bounded is drawn as far as the axis reaches.
    """
    ends = [end for effect in effects for end in (effect.value, effect.low, effect.high) if isfinite(end)]
    reach = [min([*ends, -threshold, 0.0]), max([*ends, threshold, 0.0])]
    pad = 0.05 * (reach[1] - reach[0] or 1.0)
    domain = [reach[0] - pad, reach[1] + pad]
    rows = [
        {
            "name": effect.name,
            "value": effect.value if isfinite(effect.value) else None,
            "low": max(effect.low, domain[0]),
            "high": min(effect.high, domain[1]),
            "words": written(effect),
            "first": place == 0,
        }
        for place, effect in enumerate(effects)
    ]
    order = [effect.name for effect in effects]
    y = alt.Y("name:N", title=None, sort=order, axis=_NAMES)
    x = alt.X("value:Q", title=effects[0].unit, scale=alt.Scale(domain=domain, nice=False))
    base = plot(rows).encode(y=y, tooltip=[alt.Tooltip("name:N", title="effect"), alt.Tooltip("words:N", title="95 %")])
    weight = alt.condition("datum.first", alt.value(4), alt.value(2))
    lines = base.mark_rule(color=ink()).encode(
        x=alt.X("low:Q", title=effects[0].unit, scale=alt.Scale(domain=domain, nice=False)), x2="high:Q", size=weight
    )
    dots = base.mark_point(filled=True, opacity=1, color=ink()).encode(
        x=x, size=alt.condition("datum.first", alt.value(110), alt.value(55))
    )
    limits = [{"at": 0.0, "kind": "zero"}] + [
        {"at": end, "kind": "threshold"} for end in {threshold, -threshold} - {0.0}
    ]
    rules = (
        plot(limits)
        .mark_rule(color=ink("muted"))
        .encode(
            x="at:Q",
            strokeDash=alt.condition("datum.kind == 'zero'", alt.value([1, 0]), alt.value([4, 3])),
            strokeWidth=alt.value(1),
        )
    )
    told = "; ".join(f"{effect.name}: {written(effect)}" for effect in effects)
    return Figure(
        name=name,
        title="The effect and what stands beside it",
        chart=alt.layer(rules, lines, dots),
        alt=f"Effects with 95 % intervals. {told}. The threshold is {threshold:g} {effects[0].unit}.",
        data=Table(
            "Effects",
            ["effect", "estimate and 95 % interval", "seeds"],
            [[effect.name, written(effect), str(effect.seeds)] for effect in effects],
            words=(0, 1),
            folded=True,
        ),
        caption="The thick line is what the verdict is about; right of the solid line is as the claim says, and the"
        " dashed lines are the threshold that was stated before the run.",
        height=max(90, 34 * len(effects) + 20),
    )
