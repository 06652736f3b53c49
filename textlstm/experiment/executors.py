"""Where cells run: one after another here, or side by side in long-lived worker processes of a few threads each.

Two processes of one thread do more work than one process of two wherever steps are small, and a cell's result is the
same in both, because it runs with its recipe's number of threads either way.

An executor draws cells from an iterator one at a time, when there is somebody to run them, and yields what came of
each. A cell that fails is a `Failure` among the runs, never an exception: the others go on.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process, resource_tracker
from pathlib import Path

from textlstm.errors import TrainingError
from textlstm.experiment.failures import Failure, failure_from, failure_of_exit
from textlstm.experiment.grid import Cell, RunCell
from textlstm.results import Run

Outcome = Run | Failure
"""What comes of a cell."""

Outcomes = Generator[tuple[Cell, Outcome], None, None]
"""Cells with what came of them, in the order in which they end; closing it ends whatever still runs."""

Executor = Callable[[Iterable[tuple[Cell, Path]], RunCell], Outcomes]
"""Runs cells, here or elsewhere: given cells with their folders, drawn lazily, and what runs one."""

_READY = "ready"  # a worker's first word, once it has imported the main module
_STILLBORN = 3  # workers in a row that end before it, after which there is no hope for the next

_SPENT = ("out_of_memory", "killed_worker")  # what a worker does not survive, or not unharmed


def attempt(run_cell: RunCell, cell: Cell, folder: Path) -> Outcome:
    """Run one cell, and make a failure of whatever it raises.

    Args:
        run_cell: trains one cell.
        cell: which.
        folder: where to.

    Returns:
        The run, or why there is none.
    """
    try:
        return run_cell(cell, folder)
    # A sweep of hundreds of cells must outlive anything that one of them can raise; the failure names it.
    except Exception as error:
        return failure_from(error)


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
    """

    workers: int

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
        idle: list[_Worker] = []
        busy: list[_Worker] = []
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
                    worker = idle.pop() if idle else _Worker(run_cell)
                    if (afresh and worker.used) or not worker.process.is_alive():
                        worker.dismiss()
                        worker = _Worker(run_cell)
                    busy.append(worker)
                    worker.give(*drawn)
                if not busy:
                    return
                worker = _first_ready(busy)
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


class _Worker:
    """One worker process with the pipe to it."""

    def __init__(self, run_cell: RunCell) -> None:
        # A forked child of a process that has started torch's threads may hang, so workers start afresh.
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        # Not daemonic for its own sake (it watches us itself): a cell may start processes of its own.
        self.process = context.Process(target=_serve, args=(theirs, run_cell), name="textlstm-worker")
        self.used = self.ready = False
        self.task: tuple[Cell, Path] | None = None
        _start_without_interrupts(self.process.start)
        theirs.close()  # so that the worker's death is the end of the pipe

    def give(self, cell: Cell, folder: Path) -> None:
        """Send a cell; a worker that is gone is noticed when the answer is waited for."""
        self.task, self.used = (cell, folder), True
        try:
            self.pipe.send(self.task)
        except OSError:
            self.pipe.close()

    def take(self) -> tuple[Cell, Path, Outcome] | None:
        """Receive what came of the cell, or None for a sign of life; called when pipe or process has a word to say."""
        assert self.task is not None  # noqa: S101 - only busy workers are asked
        try:
            answer = self.pipe.recv()
            if answer == _READY:
                self.ready = True
                return None
            outcome: Outcome = answer
        except (EOFError, OSError):  # closed, or cut off in the middle of an answer
            self.process.join()
            outcome = failure_of_exit(self.process.exitcode)
        cell, folder = self.task
        self.task = None
        return cell, folder, outcome

    def dismiss(self) -> None:
        """End the process, whatever it does."""
        self.pipe.close()
        self.process.terminate()
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()


def _first_ready(busy: list[_Worker]) -> _Worker:
    """Wait for the first of the workers that answers or ends."""
    by_handle: dict[object, _Worker] = {worker.process.sentinel: worker for worker in busy}
    by_handle |= {worker.pipe: worker for worker in busy if not worker.pipe.closed}
    # Both an answer and an end may be there at once; `take` reads the answer first.
    return by_handle[connection.wait(list(by_handle))[0]]  # type: ignore[arg-type] # keys are pipes and sentinels


def _start_without_interrupts(start: Callable[[], None]) -> None:
    """Start a process that Ctrl-C does not reach, not even before it can say so itself.

    A terminal sends Ctrl-C to the whole group. The mask is inherited; a signal that comes meanwhile is kept for us. It
    may also reach another of our threads, which is not masked, and would then end the start half-way: so the handler
    waits, too, where it can be set (in the main thread, which is the one that it interrupts).
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        start()
        return
    resource_tracker.ensure_running()  # which would lift the mask if it were started under it
    interrupts = 0

    def count(*_: object) -> None:
        nonlocal interrupts
        interrupts += 1

    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, count) if main else None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if main:
            signal.signal(signal.SIGINT, handler)
        if interrupts:
            signal.raise_signal(signal.SIGINT)


def _serve(pipe: connection.Connection, run_cell: RunCell) -> None:
    """Run cells for the parent until it closes the pipe or dies."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # each worker has its own share of the cores
    with suppress(OSError):  # the parent is gone
        pipe.send(_READY)
    first = True
    while True:
        try:
            cell, folder = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(attempt(run_cell, cell, folder))
        if first:
            # What it imported stays; without this, each training would begin with collections of garbage (accelerate's)
            # that walk through all of torch and transformers, a good part of a small cell.
            gc.collect()
            gc.freeze()
            first = False


def _end_with_parent() -> None:
    """End this process at once when its parent is gone, also in the middle of a cell: nobody would read the result."""
    parent = parent_process()
    assert parent is not None  # noqa: S101 - this is a child
    connection.wait([parent.sentinel])
    os._exit(1)
