"""What a report is built of: sections of paragraphs, tables, and charts with a text alternative and their data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from textlstm.analysis.wording import plain_text

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True)
class Table:
    """A table of written cells; in a cell, the lines after the first are set smaller.

    Attributes:
        title: stands above it.
        headers: of the columns; the first column names the rows.
        rows: cells, as many a row as there are headers.
        words: columns of running words, set to the left; figures are set to the right.
        note: a sentence below it; may be empty.
        folded: whether a reader opens it first.
    """

    title: str
    headers: list[str]
    rows: list[list[str]]
    words: tuple[int, ...] = (0,)
    note: str = ""
    folded: bool = False

    def has_short_names(self) -> bool:
        """Tell whether the first column holds names rather than texts.

        Returns:
            True where each fits on a line.
        """
        return all(len(row[0].split("\n")[0]) < 40 for row in self.rows)


@dataclass(frozen=True)
class Figure:
    """One chart.

    Attributes:
        name: of its files, and its id in the page.
        title: a few words.
        chart: drawn at the width of its box.
        alt: what the chart shows, in a sentence or two, for those who cannot see it.
        data: the plotted figures.
        caption: how to read it; may be empty.
        width: of the picture in files, in pixels.
        height: of the plot, in pixels.
        small: whether several stand in a row.
        state: what a picture shows where the page lets the reader choose, such as "all 5,452 labels".
    """

    name: str
    title: str
    chart: alt.Chart | alt.LayerChart | alt.FacetChart
    alt: str
    data: Table
    caption: str = ""
    width: int = 640
    height: int = 320
    small: bool = False
    state: str = ""

    def spec(self, *, validate: bool = False) -> dict[str, Any]:
        """Describe the chart in Vega-Lite, without a width, colors or the address of a schema.

        Args:
            validate: whether Altair holds it against Vega-Lite's schema, which takes most of its time.

        Returns:
            A specification that fills the width of its box.
        """
        spec = self.chart.properties(
            width="container", height=self.height, autosize={"type": "fit-x", "contains": "padding"}
        ).to_dict(validate=validate)
        return {key: value for key, value in spec.items() if key not in ("$schema", "config")}

    def print_spec(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Describe the chart for a picture file, which carries its title.

        Args:
            spec: of `spec`.

        Returns:
            A specification of fixed size.
        """
        title = f"{self.title}, {self.state}" if self.state else self.title
        return {**spec, "title": plain_text(title), "width": self.width, "autosize": "pad"}


@dataclass(frozen=True)
class Section:
    """A part of the report under one heading, in the order of its fields.

    Attributes:
        name: its id in the page.
        title: its heading.
        notes: paragraphs.
        figures: charts.
        tables: tables.
        parts: paragraphs under headings of their own.
        code: a command to copy; may be empty.
    """

    name: str
    title: str
    notes: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    parts: dict[str, str] = field(default_factory=dict)
    code: str = ""

    def is_empty(self) -> bool:
        """Tell whether there is nothing to show.

        Returns:
            True where only the heading would be left.
        """
        return not (self.notes or self.figures or self.tables or self.parts or self.code)
