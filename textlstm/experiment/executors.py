"""Where cells run: one after another here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from textlstm.experiment.grid import Cell, RunCell
from textlstm.results import Run


def serial(cells: Iterable[tuple[Cell, Path]], run_cell: RunCell) -> Iterator[tuple[Cell, Run]]:
    """Run cells one after another in this process.

    Args:
        cells: each with its folder.
        run_cell: trains one cell.

    Yields:
        Each cell with its run, as it is finished.
    """
    for cell, folder in cells:
        yield cell, run_cell(cell, folder)
