"""The frame of every page of the toolkit: one file, charts that follow the theme, nothing from a network."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from textlstm.analysis.charts.theme import chart_config
from textlstm.analysis.figures import Figure
from textlstm.analysis.wording import plain_text

PICTURE_BYTES = 1_200_000
"""Room for pictures inside the page, which stand in where no script runs and on paper; with the runtime of 0.9 MB and
the charts' data, the page stays under 3 MB."""
_MARKER = 'document.documentElement.classList.add("js")'


@dataclass(frozen=True)
class Drawing:
    """A page's charts.

    Attributes:
        specs: Vega-Lite specifications by name, without colors.
        vectors: the same as SVG, in light colors.
        depths: how many depths the palette is spread over.
    """

    specs: dict[str, Any]
    vectors: dict[str, str]
    depths: int


def draw(figures: Sequence[Figure], *, depths: int) -> Drawing:
    """Describe every chart, and draw it as SVG in light colors.

    Args:
        figures: of the page; their names differ.
        depths: how many depths the palette is spread over.

    Returns:
        What `render_page` takes.
    """
    import vl_convert

    config = chart_config("light", depths=depths)
    specs = {figure.name: _finite(figure.spec()) for figure in figures}
    vectors = {
        figure.name: vl_convert.vegalite_to_svg(figure.print_spec(specs[figure.name]), config=config)
        for figure in figures
    }
    return Drawing(specs, vectors, depths)


def render_page(
    template: str, drawing: Drawing, *, pictures_folder: str = "", styles: Sequence[str] = (), **content: object
) -> str:
    """Fill a template that extends `frame.html.j2`.

    Args:
        template: its file below `templates/`.
        drawing: the page's charts.
        pictures_folder: where the page's reader finds pictures that the page has no room for; empty where nowhere.
        styles: style sheets below `templates/` that this page needs beside `report.css`.
        **content: what the template shows; every text in it is escaped.

    Returns:
        The page.
    """
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
    style = "".join(loader.get_source(environment, name)[0] for name in ("report.css", *styles))
    script = loader.get_source(environment, "report.js")[0]
    scripts = {"marker": _MARKER, "runtime": _runtime(), "script": script}
    return environment.get_template(template).render(
        pictures=embedded(drawing.vectors),
        pictures_folder=pictures_folder,
        style=style,
        script_hashes=" ".join(_hash(text) for text in scripts.values()),
        chart_data={
            "config": {theme: chart_config(theme, depths=drawing.depths) for theme in ("light", "dark")},
            "charts": drawing.specs,
        },
        **scripts,
        **content,
    )


def write_whole(path: Path, text: str) -> None:
    """Write a text file that is there whole or not at all.

    Args:
        path: the file.
        text: its content.
    """
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)


def write_pictures(vectors: Mapping[str, str], folder: Path) -> list[Path]:
    """Write charts as SVG and PNG; pictures of charts that the page no longer has are removed.

    Args:
        vectors: SVG by name of the chart.
        folder: takes the pictures and nothing else.

    Returns:
        The files written.
    """
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


def embedded(vectors: Mapping[str, str]) -> dict[str, str]:
    """Turn pictures into addresses that hold them, as long as there is room.

    Args:
        vectors: SVG by name.

    Returns:
        Addresses by name; empty where there was no room left.
    """
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
