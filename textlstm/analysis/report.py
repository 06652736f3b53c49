"""The report: one self-contained HTML page, the same in Markdown, and every chart as SVG and PNG."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from textlstm.analysis.charts.theme import chart_config
from textlstm.analysis.figures import Figure, Section
from textlstm.analysis.orders import depths_in_order
from textlstm.analysis.report_markdown import CHARTS_FOLDER, markdown_report
from textlstm.analysis.report_sections import facts, first_screen, later_sections
from textlstm.analysis.summary import Comparison
from textlstm.analysis.wording import plain_text

REPORT_FILE = "report.html"
MARKDOWN_FILE = "report.md"
PICTURE_BYTES = 1_200_000
"""Room for pictures inside the page, which stand in where no script runs and on paper; with the runtime of 0.9 MB and
the charts' data, the page stays under 3 MB."""
_MARKER = 'document.documentElement.classList.add("js")'


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
    specs = {figure.name: _finite(figure.spec()) for figure in figures}
    vectors = _draw(figures, specs, depths=len(depths_in_order(comparison)))
    written = _write_pictures(vectors, folder / CHARTS_FOLDER)
    texts = {
        REPORT_FILE: _page(comparison, first, sections, specs, vectors),
        MARKDOWN_FILE: markdown_report(comparison, first, sections, facts(comparison)),
    }
    for name, text in texts.items():
        partial = folder / f"{name}.partial"
        partial.write_text(text, "utf-8")
        partial.replace(folder / name)
    return [*(folder / name for name in texts), *written]


def _draw(figures: Sequence[Figure], specs: dict[str, Any], *, depths: int) -> dict[str, str]:
    """Draw every chart as SVG, in light colors."""
    import vl_convert

    config = chart_config("light", depths=depths)
    return {
        figure.name: vl_convert.vegalite_to_svg(figure.print_spec(specs[figure.name]), config=config)
        for figure in figures
    }


def _write_pictures(vectors: dict[str, str], folder: Path) -> list[Path]:
    """Write SVG and PNG; pictures of charts that the report no longer has are removed."""
    import vl_convert

    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("*.svg"), *folder.glob("*.png")):
        old.unlink()
    written: list[Path] = []
    for name, vector in vectors.items():
        files = folder / f"{name}.svg", folder / f"{name}.png"
        files[0].write_text(vector, "utf-8")
        files[1].write_bytes(vl_convert.svg_to_png(vector, scale=2))
        written += files
    return written


def _page(
    comparison: Comparison,
    first: Section,
    sections: Sequence[Section],
    specs: dict[str, Any],
    vectors: dict[str, str],
) -> str:
    """Fill the template."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("textlstm.analysis")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: plain_text(value) if type(value) is str else value,
    )
    style, script = (loader.get_source(environment, name)[0] for name in ("report.css", "report.js"))
    depths = len(depths_in_order(comparison))
    scripts = {"marker": _MARKER, "runtime": _runtime(), "script": script}
    return environment.get_template("report.html.j2").render(
        comparison=comparison,
        first=first,
        sections=sections,
        facts=facts(comparison),
        pictures=_embedded(vectors),
        style=style,
        script_hashes=" ".join(_hash(text) for text in scripts.values()),
        chart_data={
            "config": {theme: chart_config(theme, depths=depths) for theme in ("light", "dark")},
            "charts": specs,
        },
        **scripts,
    )


def _embedded(vectors: dict[str, str]) -> dict[str, str]:
    """Turn pictures into addresses that hold them, as long as there is room; the rest is empty."""
    room = PICTURE_BYTES
    addresses = {}
    for name, vector in vectors.items():
        address = "data:image/svg+xml;base64," + base64.b64encode(vector.encode()).decode()
        fits = len(address) <= room
        addresses[name] = address if fits else ""
        room -= len(address) if fits else 0
    return addresses


@cache
def _runtime() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that needs no network."""
    import vl_convert

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")


def _hash(script: str) -> str:
    """The page's policy lets run only scripts with these hashes (Content Security Policy, level 2)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _finite(value: Any) -> Any:  # noqa: ANN401 - a tree of JSON values
    """Put null where JSON has no number, so that a figure that is not there is not drawn."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, str):
        return plain_text(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
