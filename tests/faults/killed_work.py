"""Work that is killed again and again at moments of its own progress, and then left to finish.

    python killed_work.py train|predict|grid FOLDER LOG KILLS SEED

Every try is a fork of this process, which has imported everything and started no thread, so that a kill costs no start
of an interpreter. Work notes each step in the log; a killer waits for some more of them, and for a part of a moment.
"""

import gc
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch  # noqa: F401 - before the forks

from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import Processes, serial
from textlstm.experiment.sweep import run_grid
from textlstm.inference.prediction_files import predict_file
from textlstm.inference.predictor import Predictor
from textlstm.recipe_files import load_recipe
from textlstm.text.protocol import load_recipe_data
from textlstm.training import finetuning, progress

STEPS_AT_ONCE = {"train": 6, "predict": 5, "grid": 2, "workers": 2}
"""Most steps that a killer waits for; the work has more of them than all killers together."""


class EveryThirdUpdate:
    """A clock for training: so much time passes that every third update asks for a checkpoint."""

    now = 0.0
    perf_counter = staticmethod(time.perf_counter)

    @classmethod
    def monotonic(cls):
        cls.now += 60.0
        return cls.now


def note(log, word):
    handle = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(handle, f"{word}\n".encode())
    os.close(handle)


def count(log, word):
    return log.read_text().split().count(word) if log.exists() else 0


def work(kind, folder, log):
    """Do all of it, or what is left of it."""

    def step(*_):
        note(log, "step")
        time.sleep(0.002)

    def cell_done(cell, run, before):
        if not before:
            step()

    if kind == "train":
        progress.time = EveryThirdUpdate
        recipe = load_recipe(folder / "recipe.yaml")
        if not (folder / "out" / "result.json").exists():
            finetuning.train_into(folder / "out", recipe, load_recipe_data(recipe), listener=step)
    elif kind == "predict":
        predictor = Predictor.load(folder / "model", backend="torch", threads=1)
        predict_file(predictor, folder / "in.csv", folder / "out.csv", window_rows=5, probabilities=True, progress=step)
    else:
        recipe = load_recipe(folder / "recipe.yaml")
        with TrainCell(load_recipe_data(recipe)) as run_cell:
            executor = serial if kind == "grid" else Processes(2)
            done = run_grid(recipe, folder / "out", run_cell=run_cell, executor=executor, listener=cell_done)
        assert not done.failures, done.failures


def kill_again_and_again(kind, folder, log, kills, seed):
    moments = random.Random(seed)
    gc.freeze()  # or each child would copy all of this memory, page by page, when it collects garbage
    for number in range(kills + 1):
        child = os.fork()
        if child == 0:
            os.setsid()
            code = 1
            try:
                work(kind, folder, log)
                code = 0
            finally:
                os._exit(code)
        if number < kills:
            wait_for_a_moment(kind, child, log, moments)
            os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        note(log, {0: "finished", -signal.SIGKILL: "killed"}.get(code, f"failed-with-{code}"))


def wait_for_a_moment(kind, child, log, moments):
    """Wait for some steps and a part of the next; once in four times for a span of time alone, at the start."""
    if moments.random() < 0.25:
        time.sleep(moments.uniform(0, 0.3))
        return
    awaited = count(log, "step") + moments.randint(1, STEPS_AT_ONCE[kind])
    deadline = time.monotonic() + 240
    while count(log, "step") < awaited and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{kind} came to {count(log, 'step')} steps of {awaited}")
        time.sleep(0.003)
    time.sleep(moments.uniform(0, 0.02))


if __name__ == "__main__":
    kind, folder, log, kills, seed = sys.argv[1:]
    kill_again_and_again(kind, Path(folder), Path(log), int(kills), int(seed))
