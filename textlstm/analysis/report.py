"""The report: one self-contained HTML page, the same in Markdown, and every chart as SVG and PNG."""

from __future__ import annotations

from pathlib import Path

from textlstm.analysis.orders import depths_in_order
from textlstm.analysis.page import draw, render_page, write_pictures, write_whole
from textlstm.analysis.report_markdown import CHARTS_FOLDER, markdown_report
from textlstm.analysis.report_sections import facts, first_screen, later_sections
from textlstm.analysis.summary import Comparison

REPORT_FILE = "report.html"
MARKDOWN_FILE = "report.md"


def write_report(comparison: Comparison, folder: Path) -> list[Path]:
    """Write `report.html`, `report.md` and `charts/`.

    Args:
        comparison: a grid's outcome.
        folder: of the grid.

    Returns:
        The files written.
    """
    first = first_screen(comparison)
    sections = later_sections(comparison)
    figures = [figure for section in (first, *sections) for figure in section.figures]
    drawing = draw(figures, depths=len(depths_in_order(comparison)))
    written = write_pictures(drawing.vectors, folder / CHARTS_FOLDER)
    page = render_page(
        "report.html.j2",
        drawing,
        pictures_folder=CHARTS_FOLDER,
        comparison=comparison,
        first=first,
        sections=sections,
        facts=facts(comparison),
    )
    texts = {REPORT_FILE: page, MARKDOWN_FILE: markdown_report(comparison, first, sections, facts(comparison))}
    for name, text in texts.items():
        write_whole(folder / name, text)
    return [*(folder / name for name in texts), *written]
