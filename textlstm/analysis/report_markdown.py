"""The report in GitHub's Markdown, where every text from data stays text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from textlstm.analysis.figures import Figure, Section, Table
from textlstm.analysis.summary import Comparison
from textlstm.analysis.wording import plain_text

CHARTS_FOLDER = "charts"


def escape(text: str) -> str:
    """Write a text so that Markdown shows it letter by letter, on one line.

    Args:
        text: anything, such as a text of a data set.

    Returns:
        Markdown without a character that could begin markup, HTML, a table cell, a mention or a link.
    """
    flat = " ".join(plain_text(text).split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    flat = re.sub(
        r"(\[[−+\d.,\s]+\](?![(\[:]))|([\\`*_\[\]|~#$@!{}])", lambda found: found[1] or f"\\{found[2]}", flat
    )  # an interval such as [86.1, 88.5] is no link and stays readable
    flat = re.sub(r"(https?|ftp)(://)", r"\1\\\2", flat, flags=re.IGNORECASE)
    flat = re.sub(r"\b(www)\.", r"\1\\.", flat, flags=re.IGNORECASE)
    flat = re.sub(r"^([-+](?=\s|$)|[-=]+$)", r"\\\1", flat)
    return re.sub(r"^(\d+)([.)](?=\s|$))", r"\1\\\2", flat)


def markdown_report(comparison: Comparison, first: Section, sections: Sequence[Section], facts: Sequence[str]) -> str:
    """Write the whole report.

    Args:
        comparison: a grid's outcome.
        first: the first screen's table and curves.
        sections: all others.
        facts: how large the comparison is.

    Returns:
        The text of `report.md`; pictures are linked from `charts/`.
    """
    blocks = [f"# {escape(comparison.name)}: what each LSTM layer buys and costs"]
    blocks += [escape(comparison.description)] if comparison.description else []
    blocks += [f"**{escape(sentence)}**" for sentence in comparison.answer]
    blocks += ["> **A preview.** This grid is too small for a verdict."] if comparison.preview else []
    if comparison.decision:
        # The answer holds the verdict's words as a rule: they are said once, as on the page.
        said = comparison.decision.words in " ".join(comparison.answer)
        verdict = [] if said else [escape(comparison.decision.words)]
        if comparison.decision.labels:
            verdict.append(f"With reservations: {escape('; '.join(comparison.decision.labels))}.")
        blocks.append("\n>\n".join(f"> {line}" for line in [*verdict, escape(comparison.decision.estimand)]))
    blocks.append("; ".join(map(escape, facts)) + ".")
    for section in [first, *sections]:
        blocks += _section(section, tables_first=section is first)
    return "\n\n".join(blocks) + "\n"


def _section(section: Section, *, tables_first: bool) -> list[str]:
    """Write one section."""
    figures = [block for figure in section.figures for block in _figure(figure)]
    tables = [block for table in section.tables for block in _table(table)]
    blocks = [f"## {escape(section.title)}", *map(escape, section.notes)]
    blocks += [_fenced(section.code)] if section.code else []
    blocks += [*tables, *figures] if tables_first else [*figures, *tables]
    for heading, text in section.parts.items():
        blocks += [f"### {escape(heading)}", escape(text)]
    return blocks


def _figure(figure: Figure) -> list[str]:
    """Link one chart, with its data folded below."""
    size = f' width="{figure.width}"'
    alt = escape(figure.alt).replace('"', "&quot;")
    picture = f'<img src="{CHARTS_FOLDER}/{figure.name}.svg" alt="{_unescaped_marks(alt)}"{size}>'
    caption = [escape(figure.caption)] if figure.caption else []
    links = " · ".join(f"[{kind.upper()}]({CHARTS_FOLDER}/{figure.name}.{kind})" for kind in ("svg", "png"))
    return [f"### {escape(figure.title)}", picture, *caption, links, *_table(figure.data, title="Data of this chart")]


def _unescaped_marks(text: str) -> str:
    """Take Markdown's backslashes out again: inside an HTML attribute only entities count."""
    return re.sub(r"\\(.)", r"\1", text)


def _table(table: Table, *, title: str = "") -> list[str]:
    """Write a table, folded where the page folds it."""
    lines = [
        _row(table.headers),
        "| " + " | ".join("---" if place in table.words else "---:" for place in range(len(table.headers))) + " |",
        *(_row(row) for row in table.rows),
    ]
    heading = escape(title or table.title)
    note = [escape(table.note)] if table.note else []
    if table.folded:
        return [f"<details><summary>{_unescaped_marks(heading)}</summary>", "\n".join(lines), *note, "</details>"]
    return [f"**{heading}**", "\n".join(lines), *note]


def _row(cells: Sequence[str]) -> str:
    """Write one row; the lines of a cell stay lines."""
    return "| " + " | ".join("<br>".join(map(escape, filter(None, cell.split("\n")))) for cell in cells) + " |"


def _fenced(code: str) -> str:
    """Put a command between fences longer than any inside it."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{plain_text(code)}\n{fence}"
