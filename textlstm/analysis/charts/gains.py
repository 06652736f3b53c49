"""Charts of what a layer buys at one size: paired gains over the shallowest depth, and the scores of every seed."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from textlstm.analysis.charts.curves import ACCURACY
from textlstm.analysis.charts.theme import Row, by_depth, ink, line, plot, tips
from textlstm.analysis.figures import Figure, Table
from textlstm.analysis.orders import cells_of, depths_in_order, settings_in_order, sizes_in_order
from textlstm.analysis.summary import CellSummary, Comparison, DifferenceSummary
from textlstm.analysis.wording import (
    chance,
    file_name,
    interval,
    layers_words,
    percent,
    points,
    setting_words,
    signed_nats,
    size_words,
    with_interval,
)
from textlstm.stats.rules import PREVIEW_SEEDS

LEAST_REACH = 0.01
"""Where no verdict names the smallest gain worth a layer, colors reach this far, a share."""


def gains(comparison: Comparison) -> list[Figure]:
    """Draw the paired gain of each depth over the shallowest, depth by size, as a heat map.

    Args:
        comparison: a grid's outcome.

    Returns:
        One figure a setting that has two depths or more; all share one scale of colors.
    """
    sizes = {size: size_words(size, labels) for size, labels in sizes_in_order(comparison)}
    chosen: dict[str, list[DifferenceSummary]] = {}
    for setting in settings_in_order(comparison):
        items = [item for item in comparison.differences if item.setting == setting]
        shallowest = min((item.shallow for item in items), default=0)
        if items:
            chosen[setting] = [item for item in items if item.shallow == shallowest]
    shown = [abs(item.accuracy.value) for items in chosen.values() for item in items]
    least = comparison.decision.delta if comparison.decision else LEAST_REACH
    reach = 100 * max([least, *shown])  # gains that nobody would stack a layer for stay pale
    return [_gain_figure(setting, items, sizes, reach) for setting, items in chosen.items()]


def _gain_row(item: DifferenceSummary, sizes: dict[int | str, str]) -> Row:
    """One cell of the heat map."""
    few = item.seeds <= PREVIEW_SEEDS  # a preview has no findings to mark
    star = "*" if not few and item.holm is not None and item.holm < 0.05 else ""
    return {
        "size": sizes.get(item.size, size_words(item.size)),
        "layers": item.deep,
        "pair": f"{layers_words(item.deep)} over {item.shallow}",
        "gain": 100 * item.accuracy.value,
        "gain_words": points(item.accuracy.value),
        "cell": points(item.accuracy.value) + star,
        "interval": interval(item.accuracy, points),
        "p": chance(item.p),
        "holm": chance(item.holm),
        "family": item.family,
        "seeds": str(item.seeds),
        "log_loss": with_interval(item.log_loss, signed_nats),
    }


def _gain_figure(setting: str, items: Sequence[DifferenceSummary], sizes: dict[int | str, str], reach: float) -> Figure:
    """Draw the heat map of one setting."""
    rows = [_gain_row(item, sizes) for item in items]
    columns = [size for size in sizes.values() if any(row["size"] == size for row in rows)]
    depths = sorted({row["layers"] for row in rows}, reverse=True)
    shown = {
        "pair": "gain of",
        "size": "labels",
        "gain_words": "points",
        "interval": "95 % interval",
        "p": "p",
        "holm": "p after Holm",
        "family": "family",
        "log_loss": "log loss (nats)",
        "seeds": "pairs of seeds",
    }
    base = plot(rows).encode(
        x=alt.X("size:O", title="labels", sort=columns, axis=alt.Axis(labelAngle=0, domain=False, ticks=False)),
        y=alt.Y("layers:O", title="layers", sort=depths, axis=alt.Axis(domain=False, ticks=False)),
        tooltip=tips(shown),
    )
    legend = alt.Legend(
        gradientLength=150,
        gradientThickness=10,
        values=[-reach, 0, reach],
        labelExpr="datum.value ? format(datum.value, '+.1f') : '0'",
    )
    scale = alt.Scale(domain=[-reach, reach], domainMid=0, interpolate="rgb")
    squares = base.mark_rect(stroke=ink("paper"), strokeWidth=2)
    squares = squares.encode(color=alt.Color("gain:Q", title="points", scale=scale, legend=legend))
    on_strong = alt.condition(f"abs(datum.gain) > {0.7 * reach:.6f}", alt.value(ink("paper")), alt.value(ink("ink")))
    words = base.mark_text(fontSize=12, fontWeight=600).encode(text="cell:N", color=on_strong)
    best, worst = (choose(rows, key=lambda row: float(row["gain"])) for choose in (max, min))
    shallowest = items[0].shallow
    starred = any("*" in row["cell"] for row in rows)
    return Figure(
        name=file_name("gains", setting),
        title=f"Gain over {layers_words(shallowest)}: {setting_words(setting)}",
        chart=alt.layer(squares, words),
        alt=f"Heat map of the gain in points of accuracy over {layers_words(shallowest)}, by depth and labels. "
        f"Largest: {best['gain_words']} for {layers_words(best['layers'])} at {best['size']} labels; "
        f"smallest: {worst['gain_words']} for {layers_words(worst['layers'])} at {worst['size']} labels.",
        data=Table(
            "Paired gain in points of accuracy",
            list(shown.values()),
            [line(row, *shown) for row in rows],
            words=(0, 6),
            folded=True,
        ),
        caption="Points of test accuracy, on the same seeds and texts at both depths."
        + (" A star marks p < 0.05 after Holm's correction." if starred else ""),
        height=44 * len(depths) + 8,
    )


def scores_by_seed(comparison: Comparison) -> list[Figure]:
    """Draw the score of every seed by depth, with mean and interval, at a size that the reader chooses.

    Args:
        comparison: a grid's outcome.

    Returns:
        One figure a setting; it opens at the largest size.
    """
    return [_seed_figure(comparison, setting) for setting in settings_in_order(comparison)]


def _seed_figure(comparison: Comparison, setting: str) -> Figure:
    """Draw the seeds of one setting."""
    cells = cells_of(comparison, setting)
    labels = dict(sizes_in_order(comparison))
    names = {cell.size: size_words(cell.size, labels[cell.size]) for cell in cells}
    means = [_mean_row(cell, names[cell.size]) for cell in cells]
    seeds = [row for cell in cells for row in _seed_rows(cell, names[cell.size])]
    largest = list(names.values())[-1]
    ends = [f"{row['depth']} {row['mean_words']} {row['interval']}" for row in means if row["size"] == largest]
    several = max(cell.seeds for cell in cells) > 1
    return Figure(
        name=file_name("seeds", setting),
        title=f"Scores by seed: {setting_words(setting)}",
        chart=_seed_chart(means, seeds, depths_in_order(comparison), list(names.values())),
        alt=f"Strip chart of the test accuracy of each seed by depth. Mean and interval at {largest} labels: "
        f"{'; '.join(end.strip() for end in ends)}.",
        data=Table(
            "Test accuracy in % of each seed",
            ["depth", "labels", "mean", "95 % interval", "seeds in order"],
            [
                [*line(row, "depth", "size", "mean_words", "interval"), ", ".join(map(percent, cell.by_seed))]
                for row, cell in zip(means, cells, strict=True)
            ],
            words=(0, 4),
            folded=True,
        ),
        caption="A thin line joins the depths of one seed, which share rows and random numbers; beside them the mean "
        "with its 95 % interval."
        if several
        else "One seed: how far another seed would move these points is not known.",
        height=300,
        state=f"{largest} labels",
    )


def _mean_row(cell: CellSummary, size: str) -> Row:
    """The mean of one cell, with its interval where there is one."""
    row: Row = {
        "size": size,
        "layers": cell.layers,
        "depth": layers_words(cell.layers),
        "mean": 100 * cell.accuracy.value,
        "mean_words": percent(cell.accuracy.value),
        "interval": interval(cell.accuracy),
        "seeds": str(cell.seeds),
    }
    if cell.accuracy.low is not None and cell.accuracy.high is not None:
        row |= {"low": 100 * cell.accuracy.low, "high": 100 * cell.accuracy.high}
    return row


def _seed_rows(cell: CellSummary, size: str) -> list[Row]:
    """The seeds of one cell."""
    return [
        {
            "size": size,
            "layers": cell.layers,
            "depth": layers_words(cell.layers),
            "seed": str(seed),
            "mean": 100 * score,
            "score": percent(score),
        }
        for seed, score in zip(cell.seed_numbers, cell.by_seed, strict=False)
    ]


def _seed_chart(
    means: Sequence[Row], seeds: Sequence[Row], depths: Sequence[int], sizes: list[str]
) -> alt.LayerChart | alt.FacetChart:
    """Layer a thin line for each seed, its points, and the mean with its interval."""
    depth = by_depth(depths, legend=None)
    x = alt.X("layers:O", title="layers", axis=alt.Axis(labelAngle=0))
    scale = alt.Scale(zero=False, nice=True)
    y = alt.Y("mean:Q", title=ACCURACY, scale=scale)
    chosen = "datum.size === shown"
    strip = plot(seeds).transform_filter(chosen).encode(x=x, y=y)
    middle = plot(means).transform_filter(chosen).encode(x=x)
    of_seed = tips({"depth": "depth", "size": "labels", "seed": "seed", "score": "accuracy"})
    of_mean = tips(
        {"depth": "depth", "size": "labels", "mean_words": "mean", "interval": "95 % interval", "seeds": "seeds"}
    )
    layers = [
        strip.mark_line(strokeWidth=0.7, opacity=0.45, color=ink("muted")).encode(detail="seed:N"),
        strip.mark_point(filled=True, size=42, opacity=0.8).encode(**depth, tooltip=of_seed),
    ]
    if any("low" in row for row in means):
        bar = middle.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=3, xOffset=18)
        low = alt.Y("low:Q", title=ACCURACY, scale=scale)
        layers.append(bar.encode(y=low, y2="high:Q", color=depth["color"], tooltip=of_mean))
    tick = middle.mark_tick(thickness=3, size=16, xOffset=18, orient="horizontal", color=ink())
    layers.append(tick.encode(y=y, tooltip=of_mean))
    choice = (
        alt.param(name="shown", value=sizes[-1], bind=alt.binding_select(options=sizes, name="labels "))
        if len(sizes) > 1
        else alt.param(name="shown", value=sizes[-1])
    )
    return alt.layer(*layers).add_params(choice)
