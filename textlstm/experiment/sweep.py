"""Running a grid: every cell that has no result yet, with failures tried once more, beside other drivers on the folder.

What a sweep leaves can be cut off anywhere: a cell counts once its `result.json` is there, so the same command goes on
from whatever lies in the folder.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from textlstm.experiment.executors import Executor
from textlstm.experiment.failures import FAILURE_FILE, Failure, clear_failure, read_failure, write_failure
from textlstm.experiment.grid import Cell, RunCell, plan_cells
from textlstm.experiment.locks import LOCK_FILE, CellLocks
from textlstm.experiment.runs import finished_run
from textlstm.experiment.workers import Outcome
from textlstm.recipe import Recipe
from textlstm.results import Run

ATTEMPTS = 2
"""Times that a cell is tried in one sweep."""


class Sweep(NamedTuple):
    """What a sweep leaves.

    Attributes:
        runs: of the cells that have a result, in the order of the plan, each with its own cell's coordinates.
        failures: the cells that have none, with why.
    """

    runs: list[Run]
    failures: list[tuple[Cell, Failure]]


def run_grid(
    recipe: Recipe,
    folder: Path,
    *,
    run_cell: RunCell,
    executor: Executor,
    cells: Sequence[Cell] | None = None,
    data_fingerprint: str | None = None,
    listener: Callable[[Cell, Run, bool], None] | None = None,
    on_failure: Callable[[Cell, Failure, bool], None] | None = None,
    on_wait: Callable[[str], None] | None = None,
    locks: CellLocks | None = None,
    poll_seconds: float = 1.0,
) -> Sweep:
    """Run every cell that is not finished yet.

    Args:
        recipe: with its `grid:` part.
        folder: of the grid; finished cells in it are kept and not run again.
        run_cell: trains one cell.
        executor: decides where cells run.
        cells: the plan; `plan_cells(recipe)` when None. Cells with one path are one run.
        data_fingerprint: of the data, so that runs on other data are refused; None when it is not known.
        listener: called with each cell, its run, and whether it took no time here: it had been finished before, or
            another driver has finished it, or it is the same run as another cell.
        on_failure: called with each cell that failed, why, and whether it will be tried again; once where several cells
            are the same run.
        on_wait: called with a sentence when nothing is left but what other drivers on the folder are running.
        locks: of this driver, not yet entered; the usual ones when None.
        poll_seconds: time between two looks at what other drivers are running.

    Returns:
        All runs of the grid, and what failed.

    Raises:
        RunFolderError: the folder holds runs with other settings or of other data; nothing is run then.
    """
    planned = list(plan_cells(recipe) if cells is None else cells)
    with locks or CellLocks() as held:
        sweep = _Sweep(planned, folder, held, data_fingerprint, listener, on_failure)
        while sweep.open:
            with closing(executor(sweep.claims(), run_cell)) as outcomes:
                for cell, outcome in outcomes:
                    sweep.settle(cell, outcome)
            if sweep.open and not sweep.claimed:  # other drivers are at the rest
                sweep.say_who(on_wait)
                time.sleep(poll_seconds)
    runs = [
        sweep.runs[cell.path].model_copy(update={"cell": cell.coordinates})
        for cell in planned
        if cell.path in sweep.runs
    ]
    return Sweep(runs, [(cell, sweep.failures[cell.path]) for cell in planned if cell.path in sweep.failures])


class _Sweep:
    """Where a sweep stands: what is open, what has come of the rest."""

    def __init__(
        self,
        cells: Sequence[Cell],
        folder: Path,
        locks: CellLocks,
        data_fingerprint: str | None,
        listener: Callable[[Cell, Run, bool], None] | None,
        on_failure: Callable[[Cell, Failure, bool], None] | None,
    ) -> None:
        self.folder, self.locks, self.data_fingerprint = folder, locks, data_fingerprint
        self.listener, self.on_failure = listener, on_failure
        self.runs: dict[Path, Run] = {}
        self.failures: dict[Path, Failure] = {}
        self.claimed = 0
        self._twins: dict[Path, list[Cell]] = {}
        for cell in cells:
            self._twins.setdefault(cell.path, []).append(cell)
        self._attempts: dict[Path, int] = {}
        self._waited_for = ""
        leaders = [twins[0] for twins in self._twins.values()]
        # All are looked at before anything is run or told: one folder of something else stops the sweep.
        before = {cell.path: run for cell in leaders if (run := self._finished(cell)) is not None}
        self.open = deque(cell for cell in leaders if cell.path not in before)
        # Failures of an earlier sweep are tried anew; those that another driver records from now on are believed.
        self._old_failures = {cell.path: self._failure_mark(cell) for cell in self.open}
        for cell in leaders:
            if cell.path in before:
                self._clean(cell)
                self._keep(cell, before[cell.path], True)

    def claims(self) -> Iterator[tuple[Cell, Path]]:
        """Lock cells one at a time, as somebody asks for one to run; cells that other drivers have stay open."""
        self.claimed = 0
        others: list[Cell] = []
        try:
            while self.open:
                cell = self.open.popleft()
                folder = self.folder / cell.path
                if not self.locks.take(folder):
                    others.append(cell)
                    continue
                if (run := self._finished(cell)) is not None:  # by another driver, since we looked
                    self._end(cell, run, True)
                elif self._failure_mark(cell) != self._old_failures[cell.path] and (failure := read_failure(folder)):
                    self._give_up(cell, failure)
                else:
                    self.claimed += 1
                    yield cell, folder
        finally:
            self.open.extend(others)

    def settle(self, cell: Cell, outcome: Outcome) -> None:
        """Take in what came of a cell that was claimed."""
        if isinstance(outcome, Run):
            self._end(cell, outcome, False)
        elif (run := self._finished(cell)) is not None:  # killed after the last word was written
            self._end(cell, run, False)
        else:
            attempts = self._attempts[cell.path] = self._attempts.get(cell.path, 0) + 1
            failure = outcome.after(attempts)
            if attempts < ATTEMPTS and not failure.final:
                self.open.append(cell)
                self.locks.release(self.folder / cell.path)
                if self.on_failure is not None:
                    self.on_failure(cell, failure, True)
            else:
                write_failure(self.folder / cell.path, failure)
                self._give_up(cell, failure)

    def say_who(self, say: Callable[[str], None] | None) -> None:
        """Say who is waited for, once for each set of others."""
        holders = [self.locks.holder(self.folder / cell.path) for cell in self.open]
        names = sorted({f"process {holder.pid} on {holder.host}" for holder in holders if holder is not None})
        runs = f"{len(self.open)} {'runs that are' if len(self.open) > 1 else 'run that is'}"
        text = f"Waiting for {runs} done by {' and '.join(names) or 'another process'}."
        if say is not None and text != self._waited_for:
            say(text)
        self._waited_for = text

    def _finished(self, cell: Cell) -> Run | None:
        return finished_run(self.folder / cell.path, cell.recipe, data_fingerprint=self.data_fingerprint)

    def _end(self, cell: Cell, run: Run, elsewhere: bool) -> None:
        """A claimed cell has a run."""
        clear_failure(self.folder / cell.path)
        self.locks.release(self.folder / cell.path)
        self._keep(cell, run, elsewhere)

    def _give_up(self, cell: Cell, failure: Failure) -> None:
        """A claimed cell has failed for good."""
        self.locks.release(self.folder / cell.path)
        self.failures[cell.path] = failure
        if self.on_failure is not None:
            self.on_failure(cell, failure, False)

    def _keep(self, cell: Cell, run: Run, elsewhere: bool) -> None:
        """Store a run and tell of it, for every cell that is the same run."""
        self.runs[cell.path] = run
        if self.listener is not None:
            for number, twin in enumerate(self._twins[cell.path]):
                self.listener(twin, run, elsewhere or number > 0)

    def _clean(self, cell: Cell) -> None:
        """Remove what a driver that was killed right after the result has left beside it."""
        folder = self.folder / cell.path
        clear_failure(folder)
        if (folder / LOCK_FILE).exists() and self.locks.take(folder):
            self.locks.release(folder)

    def _failure_mark(self, cell: Cell) -> int | None:
        """What changes when a failure is recorded anew."""
        try:
            return (self.folder / cell.path / FAILURE_FILE).stat().st_mtime_ns
        except FileNotFoundError:
            return None
