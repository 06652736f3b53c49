"""The advice as one HTML page in the report's style."""

from __future__ import annotations

from pathlib import Path

from textlstm.analysis.advice.record import Advice
from textlstm.analysis.advice.words import delta_words, pays_words
from textlstm.analysis.figures import Figure, Section, Table
from textlstm.analysis.page import draw, render_page, write_whole
from textlstm.analysis.wording import count, duration, interval, layers_words, percent, points, with_interval

PAGE_FILE = "advice.html"


def write_page(advice: Advice, folder: Path) -> Path:
    """Write `advice.html`.

    Args:
        advice: to be shown.
        folder: of the study.

    Returns:
        The file.
    """
    figures = [gain_figure(advice)]
    drawing = draw(figures, depths=len(advice.depths))
    text = render_page(
        "advice.html.j2", drawing, advice=advice, facts=_facts(advice), sections=_sections(advice, figures)
    )
    path = folder / PAGE_FILE
    write_whole(path, text)
    return path


def depth_table(advice: Advice) -> Table:
    """List the depths that were tried.

    Args:
        advice: of a finished study.

    Returns:
        A table for page and terminal.
    """
    base = layers_words(min(result.layers for result in advice.depths))
    return Table(
        title="Depths tried",
        headers=[
            "layers",
            "seeds",
            "accuracy (%)",
            f"gain over {base} (points)",
            "finding",
            "time of a run",
            "parameters",
        ],
        rows=[
            [
                str(result.layers),
                str(result.seeds),
                percent(result.score),
                "" if result.gain is None else with_interval(result.gain, points),
                result.state,
                duration(result.seconds),
                count(result.parameters),
            ]
            for result in advice.depths
        ],
        words=(4,),
        note="Accuracy on rows of the training split that each seed keeps out. Intervals hold 95 % for all depths"
        " together; where they make a finding, for all looks together too, the lower end for all depths at once and the"
        " upper end for each depth by itself. Parameters without the word embeddings.",
    )


def alternatives_table(advice: Advice) -> Table:
    """List what else was measured.

    Args:
        advice: of a finished study.

    Returns:
        A table for page and terminal.
    """
    return Table(
        title="What else was measured",
        headers=[
            "instead",
            "accuracy (%)",
            f"against {layers_words(advice.layers)} (points)",
            "seeds",
            "time of a run",
        ],
        rows=[
            [
                other.name,
                percent(other.score),
                with_interval(other.gain, points),
                str(other.seeds),
                duration(other.seconds),
            ]
            for other in advice.alternatives
        ],
        note="The same rows kept out; each interval holds 95 % by itself.",
    )


def gain_figure(advice: Advice) -> Figure:
    """Draw the gain of each depth with its bounds, beside nothing and delta.

    Args:
        advice: of a finished study.

    Returns:
        The chart.
    """
    import altair as alt

    from textlstm.analysis.charts.theme import by_depth, ink, line, plot, tips

    base = layers_words(min(result.layers for result in advice.depths))
    rows = [
        {
            "layers": result.layers,
            "gain": 100 * result.gain.value,
            "low": 100 * (result.gain.low or 0),
            "high": 100 * (result.gain.high or 0),
            "words": points(result.gain.value),
            "bounds": interval(result.gain, points),
            "seeds": str(result.seeds),
            "finding": result.state,
        }
        for result in advice.depths
        if result.gain is not None
    ]
    shown = {"layers": "layers", "words": "points", "bounds": "bounds", "seeds": "seeds", "finding": "finding"}
    depths = [result.layers for result in advice.depths]
    drawn = plot(rows).encode(
        y=alt.Y("layers:O", title="layers", axis=alt.Axis(domain=False, ticks=False)), tooltip=tips(shown)
    )
    marks = by_depth(depths, legend=None)
    spans = drawn.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title=f"gain over {base} (points)"), x2="high:Q", color=marks["color"]
    )
    dots = drawn.mark_point(filled=True, size=90, opacity=1).encode(
        x="gain:Q", color=marks["color"], shape=marks["shape"]
    )
    lines = [{"at": 0.0}, {"at": 100 * advice.delta}]
    borders = plot(lines).mark_rule(strokeDash=[4, 3], color=ink("muted")).encode(x="at:Q")
    best = max(rows, key=lambda row: float(str(row["gain"])), default=None)
    said = (
        ""
        if best is None
        else f" Highest: {best['words']} {best['bounds']} for {layers_words(int(str(best['layers'])))}."
    )
    return Figure(
        name="gains",
        title=f"Gain over {base}",
        chart=alt.layer(borders, spans, dots),
        alt=f"Gain in points of accuracy over {base} by depth, with intervals that hold for all depths together.{said}",
        data=Table("Gains", list(shown.values()), [line(row, *shown) for row in rows], words=(4,), folded=True),
        caption=f"Dashed: no gain, and the {delta_words(advice.delta)} that a layer should be worth.",
        height=56 * len(rows) + 8,
    )


def _facts(advice: Advice) -> list[str]:
    dropout = ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in advice.dropout.items() if value)
    return [
        f"{advice.source}: {advice.rows:,} labeled rows, {advice.classes} classes"
        + ("" if advice.rows_used == advice.rows else f"; {advice.rows_used:,} rows a run"),
        f"{advice.hidden_size} units a layer and direction, join {advice.join}; {dropout or 'no dropout'}",
        f"{duration(advice.seconds)} of {duration(advice.budget)} spent",
        "the test split was not read",
    ]


def _sections(advice: Advice, figures: list[Figure]) -> list[Section]:
    sections = [Section("depths", "What each depth gains", figures=figures, tables=[depth_table(advice)])]
    if advice.alternatives:
        sections.append(Section("instead", "What else was measured", tables=[alternatives_table(advice)]))
    sizes = advice.examples
    tables = []
    if sizes.scores:
        rows = [
            [f"{size:,}", percent(score), points(gain)]
            for size, score, gain in zip(sizes.sizes, sizes.scores, sizes.gains, strict=True)
        ]
        headers = [
            "labeled rows",
            f"accuracy of {layers_words(advice.layers)} (%)",
            "gain of the deeper stack (points)",
        ]
        tables.append(Table("Parts of the data", headers, rows))
    shallowest = min(result.layers for result in advice.depths)
    notes = [f"{pays_words(advice.layers, shallowest)}: {sizes.sentence}"]
    sections.append(Section("examples", "How many examples a layer needs", notes=notes, tables=tables))
    sections.append(Section("train", "Train it", code=advice.command))
    course = [f"{number}. {sentence}" for number, sentence in enumerate(advice.log, start=1)]
    sections.append(
        Section("course", "What it would have said at each look", notes=course or ["There was one look only."])
    )
    if advice.notes:
        sections.append(Section("plan", "What the plan left out", notes=advice.notes))
    return sections
