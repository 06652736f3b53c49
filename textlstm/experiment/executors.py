"""Where cells run: one after another here, or side by side in long-lived worker processes of a few threads each.

Two processes of one thread do more work than one process of two wherever steps are small, and a cell's result is the
same in both, because it runs with its recipe's number of threads either way.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from textlstm.errors import TrainingError
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


@dataclass(frozen=True)
class Processes:
    """Runs cells in worker processes that import torch and take the data once, and live for many cells.

    Attributes:
        workers: number of processes; with one, or for one cell, no process is started.
    """

    workers: int

    def __call__(self, cells: Iterable[tuple[Cell, Path]], run_cell: RunCell) -> Iterator[tuple[Cell, Run]]:
        """Run cells side by side.

        Args:
            cells: each with its folder; started in this order.
            run_cell: sent to each worker once.

        Yields:
            Each cell with its run, as it is finished.

        Raises:
            TrainingError: a worker was ended from outside, most likely for lack of memory.
        """
        waiting = list(cells)
        if self.workers == 1 or len(waiting) < 2:
            yield from serial(waiting, run_cell)
            return
        # A forked child of a process that has started torch's threads may hang, so workers start afresh.
        pool = ProcessPoolExecutor(
            min(self.workers, len(waiting)), get_context("spawn"), initializer=_start_worker, initargs=(run_cell,)
        )
        done = False
        try:
            futures = {pool.submit(_work, cell, folder): cell for cell, folder in waiting}
            for future in as_completed(futures):
                yield futures[future], future.result()
            done = True
        except BrokenProcessPool:
            raise TrainingError(
                f"{self.workers} runs were to go on side by side, and one of their processes was ended from outside,"
                " most likely for lack of memory; what is finished is kept: go on with --workers 1."
            ) from None
        finally:
            if not done:  # an error or Ctrl-C: what runs now is given up, what is written stays
                for process in list(pool._processes.values()):
                    process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)


_run_cell: RunCell


def _start_worker(run_cell: RunCell) -> None:
    """Keep what every cell needs; leave Ctrl-C to the parent."""
    global _run_cell
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # each worker has its own share of the cores
    _run_cell = run_cell


def _work(cell: Cell, folder: Path) -> Run:
    """Run one cell in a worker."""
    return _run_cell(cell, folder)
