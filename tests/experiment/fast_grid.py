"""Cells that take no training: quick, failing, dying or stuck as they are told; and a driver that can be killed.

A module of its own, because worker processes import what they run.
"""

import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from textlstm.errors import DataError, NonFiniteLossError
from textlstm.experiment.executors import Processes, serial
from textlstm.experiment.sweep import run_grid
from textlstm.recipe import Recipe, validate
from textlstm.results import Cost, DataUse, Epoch, Estimate, Run, SplitMetrics, predictions_table, write_run


def fast_recipe(layers: int = 2, seeds: int = 2) -> Recipe:
    grid = {"layers": list(range(1, layers + 1)), "sizes": [20], "seeds": seeds}
    return validate({"name": "fast", "data": {"source": "nowhere"}, "grid": grid}, origin="the tests")


def fast_run(cell) -> Run:
    """A run whose figures tell its cell."""
    figure = Estimate(value=(cell.layers + cell.seed % 97) / 200)
    metrics = SplitMetrics(rows=4, accuracy=figure, macro_f1=figure, log_loss=figure, ece=figure, per_class=[])
    rows = {"train": 20, "test": 4}
    data = DataUse(
        source="nowhere",
        fingerprint="0" * 16,
        label_names=["a", "b"],
        multi_label=False,
        rows=rows,
        labels_used=20,
        notes=[],
    )
    cost = Cost(
        parameters=1,
        parameters_without_embeddings=1,
        flops_per_token=1,
        train_seconds=1.0,
        train_tokens=1,
        tokens_per_second=1.0,
        peak_memory_mb=1.0,
    )
    return Run(
        name="fast",
        cell=cell.coordinates,
        fingerprint=cell.recipe.fingerprint(),
        settings=cell.recipe.model_dump(mode="json", exclude={"grid"}),
        data=data,
        metrics={"test": metrics},
        history=[Epoch(epoch=1, step=1, train_loss=0.5, learning_rate=0.1, gradient_norm=1.0, clipped=0.0)],
        best_epoch=1,
        stopped_early=False,
        cost=cost,
        environment={"pid": str(os.getpid())},
    )


def note(log: Path, *words: object) -> None:
    """Add a line in one write, so that lines of several processes do not mix."""
    handle = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(handle, (" ".join(map(str, words)) + "\n").encode())
    os.close(handle)


def told(log: Path, word: str) -> list[str]:
    """What was noted after a word, in order."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.partition(" ")[2] for line in lines if line.split()[0] == word]


def tell_noise(cell, folder) -> Run:
    """Fail with what transformers would say here while it loads a model."""
    from transformers.utils import logging

    raise DataError(f"bars {logging.is_progress_bar_enabled()}, level {logging.get_verbosity()}")


@dataclass(frozen=True)
class FastCell:
    """Runs a cell by sleeping; `faults` tells what befalls the cell of a path, on which attempts."""

    log: Path
    seconds: float = 0.0
    faults: dict[str, tuple[str, int]] = field(default_factory=dict)

    def __call__(self, cell, folder):
        path = str(cell.path)
        if (folder / "result.json").exists():
            note(self.log, "again", path)
        note(self.log, "begin", path, os.getpid())
        fault, times = self.faults.get(path, ("", 0))
        if sum(line.split()[0] == path for line in told(self.log, "begin")) <= times:
            self.befall(fault)
        time.sleep(self.seconds)
        table = predictions_table(np.arange(4), np.ones(4, dtype=int), np.tile([0.25, 0.75], (4, 1)))
        run = fast_run(cell)
        write_run(folder, run, {"test": table}, cell.recipe.to_yaml())
        note(self.log, "done", path)
        return run

    @staticmethod
    def befall(fault):
        if fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "exit":
            os._exit(3)
        if fault == "memory":
            raise MemoryError
        if fault == "device memory":
            raise type("OutOfMemoryError", (RuntimeError,), {})("tried to allocate 2 GiB")
        if fault == "nan":
            raise NonFiniteLossError("the loss became nan")
        if fault == "data":
            raise DataError("the data is wrong")
        if fault == "bug":
            raise ZeroDivisionError("division by zero\nsecond line")
        if fault == "stuck":
            time.sleep(600)


def _session_members(session: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, *rest = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(rest[2]) == session and state not in "ZX":
            found.append(int(stat.parent.name))
    return found


def _wait_for_a_moment(moments: random.Random, log: Path, most: int) -> None:
    """Wait, once in three times for a part of a second and else for some cells to begin.

    A span of time alone would fall before the first cell on a slow machine and after the last on a fast one.

    Raises:
        TimeoutError: If no cell begins for a minute.
    """
    if moments.random() < 1 / 3:
        time.sleep(moments.uniform(0, 0.5))
        return
    awaited = len(told(log, "begin")) + moments.randint(1, most)
    deadline = time.monotonic() + 60
    while len(told(log, "begin")) < awaited:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{awaited} cells were to begin, {len(told(log, 'begin'))} did")
        time.sleep(0.005)
    time.sleep(moments.uniform(0, 0.03))


def kill_again_and_again(folder: Path, log: Path, *, kills: int, workers: int, seed: int, layers: int) -> None:
    """Start a driver, kill it at a random moment, and so on; then let one finish.

    Drivers are forked from this process, which has imported everything and started no thread, so that a kill costs no
    start of an interpreter.
    """
    moments = random.Random(seed)
    most = 20 * layers // (2 * (kills + 1))  # so few that the grid outlasts the kills
    recipe = fast_recipe(layers=layers, seeds=20)
    executor = serial if workers == 1 else Processes(workers)
    for number in range(kills + 1):
        driver = os.fork()
        if driver == 0:
            os.setsid()
            code = 1
            try:
                sweep = run_grid(recipe, folder, run_cell=FastCell(log, 0.02), executor=executor)
                code = 0 if len(sweep.runs) == 20 * layers and not sweep.failures else 2
            finally:
                os._exit(code)
        if number < kills:
            _wait_for_a_moment(moments, log, most)
            os.kill(driver, signal.SIGKILL)
            os.waitpid(driver, 0)
            finished = len(list(folder.rglob("result.json")))
            note(log, "killed", finished)
        else:
            note(log, "code", os.waitstatus_to_exitcode(os.waitpid(driver, 0)[1]))
        deadline = time.monotonic() + 3
        while _session_members(driver) and time.monotonic() < deadline:
            time.sleep(0.01)
        for pid in _session_members(driver):
            note(log, "orphan", pid)


if __name__ == "__main__":
    folder, log, *numbers = sys.argv[1:]
    kills, workers, seed, layers = map(int, numbers)
    kill_again_and_again(Path(folder), Path(log), kills=kills, workers=workers, seed=seed, layers=layers)
