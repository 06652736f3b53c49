"""Long-lived worker processes: how one starts, what it is sent, what it answers, and how it ends."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing import connection, get_context, parent_process, resource_tracker
from pathlib import Path

from textlstm.experiment.failures import Failure, failure_from, failure_of_exit
from textlstm.experiment.grid import Cell, RunCell
from textlstm.garbage import uncollected
from textlstm.results import Run

Outcome = Run | Failure
"""What comes of a cell."""

TRAINING = "textlstm.training.finetuning"
"""The module that a worker is going to need for a cell: seconds to import."""

WORKER_VARIABLES = {
    "TOKENIZERS_PARALLELISM": "false",  # each worker has its own share of the cores
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # transformers' bars too: they would break into the driver's
    "TRANSFORMERS_VERBOSITY": "error",
}
"""What a worker's environment holds before it imports the libraries that read it."""

_READY = "ready"  # a worker's first word, once it has imported the main module


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


@contextmanager
def started_ahead(workers: int) -> Iterator[list[Worker]]:
    """Start worker processes before there is anything to run, so that they import torch while data is read.

    Args:
        workers: how many; none with 0.

    Yields:
        The workers; who takes one out of the list has to dismiss it, and those that are left at the end are dismissed.
    """
    ahead: list[Worker] = []
    try:
        for _ in range(workers):
            ahead.append(Worker(imports=TRAINING))
        yield ahead
    finally:
        for worker in ahead:
            worker.dismiss()


class Worker:
    """One worker process with the pipe to it."""

    def __init__(self, *, imports: str | None = None) -> None:
        """Start the process.

        Args:
            imports: a module that it imports before it waits for what to do.
        """
        # A forked child of a process that has started torch's threads may hang, so workers start afresh.
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        # Not daemonic for its own sake (it watches us itself): a cell may start processes of its own.
        self.process = context.Process(target=_serve, args=(theirs, imports), name="textlstm-worker")
        self.used = self.ready = False
        self.task: tuple[Cell, Path] | None = None
        _start_without_interrupts(self.process.start)
        theirs.close()  # so that the worker's death is the end of the pipe

    def give(self, cell: Cell, folder: Path, run_cell: RunCell) -> None:
        """Send a cell, and before the first what runs one; a worker that is gone is noticed when it should answer."""
        first, self.used = not self.used, True
        self.task = (cell, folder)
        try:
            if first:
                self.pipe.send(run_cell)
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


def first_ready(busy: list[Worker]) -> Worker:
    """Wait for the first of the workers that answers or ends.

    Args:
        busy: workers that have a cell.

    Returns:
        One that has something to take.
    """
    by_handle: dict[object, Worker] = {worker.process.sentinel: worker for worker in busy}
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


def _serve(pipe: connection.Connection, imports: str | None) -> None:
    """Run cells for the parent until it closes the pipe or dies."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    os.environ.update(WORKER_VARIABLES)
    with suppress(OSError):  # the parent is gone
        pipe.send(_READY)
    if imports is not None:
        with uncollected(), suppress(Exception):  # the cell that needs it will say why it cannot be imported
            import_module(imports)
    run_cell: RunCell | None = None
    first = True
    while True:
        try:
            if run_cell is None:
                run_cell = pipe.recv()
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
