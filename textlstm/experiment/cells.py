"""What a worker does with one cell: train it and write it down. The one place of this floor that needs training."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from textlstm.experiment.grid import Cell
from textlstm.experiment.openings import note_opening
from textlstm.experiment.shared_rows import MappedRows, rows_key, scratch_folder
from textlstm.recipe import Recipe
from textlstm.results import Run, write_run
from textlstm.text.datasets import TextData

if TYPE_CHECKING:
    from textlstm.training.preparation import Prepared
    from textlstm.training.trained import Trained

TrainOne = Callable[[Recipe, "Prepared", Path], "Trained"]
"""Trains one recipe on its rows and gives the run with its model; may leave files of its own in the cell's folder."""


class TrainCell:
    """Trains cells on one data set, drawing and encoding the rows of a size and seed once for all depths.

    Inside a `with` block it is sent to other processes of this machine as a path: data and encoded rows then lie in
    files that all of them map. Outside of one it is sent with the whole data, and each process encodes for itself.
    """

    def __init__(self, data: TextData, *, root: Path | None = None, train_one: TrainOne | None = None) -> None:
        """Take the data.

        Args:
            data: all splits, a test split among them.
            root: the grid's folder, in which openings of the test split are counted; they are not when None.
            train_one: trains a cell, for who wants more of it than its scores; a function of a module, which can be
                sent to other processes. `training.finetuning.train` when None.
        """
        self.root, self.train_one = root, train_one
        self._data: TextData | None = data
        self._shared: MappedRows | None = None
        self._scratch: ExitStack | None = None
        self._key = ""
        self._prepared: Prepared | None = None

    def __enter__(self) -> Self:
        self._scratch = ExitStack()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._scratch is not None  # noqa: S101 - the block was entered
        self._scratch.close()
        self._scratch = self._shared = None

    def __getstate__(self) -> dict[str, Any]:
        """Travel to another process; the first journey writes the files."""
        if self._scratch is not None and self._shared is None:
            assert self._data is not None  # noqa: S101 - only the driver enters the block
            self._shared = MappedRows.share(self._data, self._scratch.enter_context(scratch_folder()))
        data = self._data if self._shared is None else None
        empty = {"_scratch": None, "_key": "", "_prepared": None}
        own = {"root": self.root, "train_one": self.train_one}
        return {**own, "_data": data, "_shared": self._shared, **empty}

    def with_data(self) -> TrainCell:
        """The same for another machine: it takes the data along, and leaves the grid's folder to the driver."""
        assert self._data is not None  # noqa: S101 - asked of the driver's own
        return TrainCell(self._data, train_one=self.train_one)

    def arrived(self, cell: Cell, run: Run) -> None:
        """Count an opening of the test split; a cell that ran on another machine could not reach this folder.

        Args:
            cell: what was run.
            run: what came of it.
        """
        if self.root is not None and "test" in run.metrics:
            note_opening(self.root, what=cell.path.as_posix())

    def __call__(self, cell: Cell, folder: Path) -> Run:
        """Train one cell and write its folder.

        Args:
            cell: what to train.
            folder: where to.

        Returns:
            The finished run.
        """
        from textlstm.training.finetuning import train  # torch and transformers take seconds to import

        recipe = cell.recipe
        prepared = self._rows(cell)
        # Before, not after: a run that is cut off may have looked already.
        if self.root is not None and recipe.data.score_test and prepared.rows.test is not None:
            note_opening(self.root, what=cell.path.as_posix())
        if self.train_one is None:
            trained = train(recipe, prepared=prepared)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            trained = self.train_one(recipe, prepared, folder)
        run = trained.run.model_copy(update={"cell": cell.coordinates})
        write_run(folder, run, trained.predictions, recipe.to_yaml())
        return run

    def _rows(self, cell: Cell) -> Prepared:
        """The rows of a cell as ids."""
        from textlstm.training import preparation

        key = rows_key(cell.recipe)
        # Cells of one size and seed stand side by side in the plan, so holding one set of rows is enough.
        if self._prepared is None or self._key != key:
            self._prepared = None  # not two sets at a time
            if self._data is not None:
                self._prepared = preparation.prepare(cell.recipe, self._data)
            else:
                assert self._shared is not None  # noqa: S101 - it travelled with one or the other
                self._prepared = self._shared.prepared(cell.recipe, preparation.prepare)
            self._key = key
        return self._prepared
