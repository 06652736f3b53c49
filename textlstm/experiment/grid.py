"""The grid: a recipe's layers x sizes x seeds as cells, run in the order that gives the first full picture early."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from textlstm.experiment.runs import finished_run
from textlstm.recipe import Recipe
from textlstm.recipe_sections import GridSection
from textlstm.results import Run


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes:
        layers: stacked layers.
        size: labeled rows, or "full".
        seed: of everything random in the run.
        recipe: with the three set.
    """

    layers: int
    size: int | Literal["full"]
    seed: int
    recipe: Recipe

    @property
    def path(self) -> Path:
        """The cell's folder, relative to the grid's."""
        return Path(f"layers={self.layers}") / f"size={self.size}" / f"seed={self.seed}"

    @property
    def work(self) -> float:
        """A rough, relative measure of the time the cell takes, for the progress bar."""
        rows = 10_000 if self.size == "full" else self.size
        return (0.5 + self.layers) * (500 + rows)


RunCell = Callable[[Cell, Path], Run]
"""Runs one cell, writes it into its folder and gives it back."""

Executor = Callable[[Iterable[tuple[Cell, Path]], RunCell], Iterable[tuple[Cell, Run]]]
"""Runs cells, here or elsewhere, and yields each as it is finished."""


def plan_cells(recipe: Recipe) -> list[Cell]:
    """Lay out a recipe's grid.

    Args:
        recipe: with its `grid:` part.

    Returns:
        Cells, all depths and sizes of one seed before the next seed, so that a grid cut short is a smaller grid.
    """
    base = recipe.model_copy(update={"grid": GridSection()})
    layers = sorted(set(recipe.grid.layers or [recipe.model.num_layers]))
    sizes = sorted(set(recipe.grid.sizes or [recipe.data.size]), key=lambda size: (size == "full", size))
    return [
        Cell(depth, size, seed, base.override({"model.num_layers": depth, "data.size": size, "seed": seed}))
        for seed in dict.fromkeys(recipe.seeds)
        for size in sizes
        for depth in layers
    ]


def run_grid(
    recipe: Recipe,
    folder: Path,
    *,
    run_cell: RunCell,
    executor: Executor,
    data_fingerprint: str | None = None,
    listener: Callable[[Cell, Run, bool], None] | None = None,
) -> list[Run]:
    """Run every cell that is not finished yet.

    Args:
        recipe: with its `grid:` part.
        folder: of the grid; finished cells in it are kept and not run again.
        run_cell: trains one cell.
        executor: decides where cells run.
        data_fingerprint: of the data, so that runs on other data are refused; None when it is not known.
        listener: called with each cell, its run, and whether it had been finished before.

    Returns:
        All runs of the grid, in the order of the plan.

    Raises:
        RunFolderError: the folder holds runs with other settings or of other data; nothing is run then.
    """
    cells = plan_cells(recipe)
    runs: dict[Path, Run] = {}
    for cell in cells:
        if (run := finished_run(folder / cell.path, cell.recipe, data_fingerprint=data_fingerprint)) is not None:
            runs[cell.path] = run
            if listener is not None:
                listener(cell, run, True)
    waiting = [(cell, folder / cell.path) for cell in cells if cell.path not in runs]
    for cell, run in executor(waiting, run_cell):
        runs[cell.path] = run
        if listener is not None:
            listener(cell, run, False)
    return [runs[cell.path] for cell in cells]
