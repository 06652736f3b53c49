"""Where cells run: one after another here, or side by side in long-lived worker processes of a few threads each.

Two processes of one thread do more work than one process of two wherever steps are small, and a cell's result is the
same in both, because it runs with its recipe's number of threads either way.

An executor draws cells from an iterator one at a time, when there is somebody to run them, and yields what came of
each. A cell that fails is a `Failure` among the runs, never an exception: the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from textlstm.errors import TrainingError
from textlstm.experiment.failures import Failure
from textlstm.experiment.grid import Cell, RunCell
from textlstm.experiment.workers import Outcome, Worker, attempt, first_ready

Outcomes = Generator[tuple[Cell, Outcome], None, None]
"""Cells with what came of them, in the order in which they end; closing it ends whatever still runs."""

Executor = Callable[[Iterable[tuple[Cell, Path]], RunCell], Outcomes]
"""Runs cells, here or elsewhere: given cells with their folders, drawn lazily, and what runs one."""

_STILLBORN = 3  # workers in a row that end before it, after which there is no hope for the next

_SPENT = ("out_of_memory", "killed_worker")  # what a worker does not survive, or not unharmed


def serial(cells: Iterable[tuple[Cell, Path]], run_cell: RunCell) -> Generator[tuple[Cell, Outcome], None, None]:
    """Run cells one after another in this process.

    Args:
        cells: each with its folder.
        run_cell: trains one cell.

    Yields:
        Each cell with what came of it.
    """
    for cell, folder in cells:
        yield cell, attempt(run_cell, cell, folder)


@dataclass(frozen=True)
class Processes:
    """Runs cells in worker processes that import torch and take the data once, and live for many cells.

    A worker that is ended from outside costs its cell and nothing else: another takes its place. A cell that has failed
    and comes again gets a fresh worker. When this process dies, even by SIGKILL, its workers end by themselves.

    Attributes:
        workers: number of processes; with 0, cells run in this process, which then does not outlive what would end a
            worker, such as the system's taking back memory.
        ahead: workers that were started before there were cells, which are taken first; see `started_ahead`.
    """

    workers: int
    ahead: list[Worker] = field(default_factory=list, repr=False, compare=False)

    def __call__(
        self, cells: Iterable[tuple[Cell, Path]], run_cell: RunCell
    ) -> Generator[tuple[Cell, Outcome], None, None]:
        """Run cells side by side.

        Args:
            cells: each with its folder; started in this order, and drawn when a worker is free.
            run_cell: sent to each worker once.

        Yields:
            Each cell with what came of it, as it ends.

        Raises:
            TrainingError: workers cannot start.
        """
        if self.workers == 0:
            yield from serial(cells, run_cell)
            return
        queue = iter(cells)
        idle: list[Worker] = []
        while self.ahead:
            idle.append(self.ahead.pop())
            if len(idle) > self.workers:
                idle.pop().dismiss()
        busy: list[Worker] = []
        failed: set[Path] = set()
        drained = False
        stillborn = 0
        try:
            while True:
                while not drained and len(busy) < self.workers:
                    drawn = next(queue, None)
                    if drawn is None:
                        drained = True
                        break
                    afresh = drawn[1] in failed
                    worker = idle.pop() if idle else Worker()
                    if (afresh and worker.used) or not worker.process.is_alive():
                        worker.dismiss()
                        worker = Worker()
                    busy.append(worker)
                    worker.give(*drawn, run_cell)
                if not busy:
                    return
                worker = first_ready(busy)
                taken = worker.take()
                if worker.ready:
                    stillborn = 0
                if taken is None:
                    continue
                busy.remove(worker)
                cell, folder, outcome = taken
                if not worker.ready:
                    stillborn += 1
                if stillborn == _STILLBORN:
                    idle.append(worker)  # to be dismissed with the others
                    raise TrainingError(
                        f"{_STILLBORN} worker processes in a row ended before they could begin (the last with exit code"
                        f" {worker.process.exitcode}); they import the script that started them, so most likely it runs"
                        " the grid without `if __name__ == '__main__':` around it. Add that, or set workers to 0, which"
                        " trains in the script itself."
                    )
                if isinstance(outcome, Failure):
                    failed.add(folder)
                if isinstance(outcome, Failure) and outcome.kind in _SPENT:
                    worker.dismiss()
                else:
                    idle.append(worker)
                yield cell, outcome
        finally:  # the end, an error or Ctrl-C: what runs now is given up, what is written stays
            for worker in idle + busy:
                worker.dismiss()
