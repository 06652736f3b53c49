"""Worker processes give what one process gives, outlive what befalls a cell, and end with their driver."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fast_grid import FastCell, fast_recipe, tell_noise, told

from textlstm.errors import DataError
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import Processes, serial
from textlstm.experiment.failures import Failure
from textlstm.experiment.grid import plan_cells
from textlstm.experiment.sweep import run_grid
from textlstm.experiment.workers import started_ahead
from textlstm.results import PREDICTIONS_FILE, Run


@pytest.mark.slow
def test_workers_give_the_same_runs_as_one_process(tmp_path, tiny_recipe, tiny_data):
    recipe = tiny_recipe({"grid.layers": [1, 2], "grid.sizes": [20, "full"], "training.epochs": 2})
    alone, pooled = (
        run_grid(recipe, tmp_path / name, run_cell=TrainCell(tiny_data), executor=executor).runs
        for name, executor in (("alone", serial), ("pool", Processes(2)))
    )
    assert [(run.cell, run.metrics, run.history, run.best_epoch, run.data) for run in pooled] == [
        (run.cell, run.metrics, run.history, run.best_epoch, run.data) for run in alone
    ]
    for cell in plan_cells(recipe):
        ours, theirs = (tmp_path / name / cell.path / PREDICTIONS_FILE for name in ("pool", "alone"))
        assert ours.read_bytes() == theirs.read_bytes()  # every split, to the last bit


@pytest.fixture
def cells(tmp_path):
    return [(cell, tmp_path / "runs" / cell.path) for cell in plan_cells(fast_recipe(layers=3, seeds=2))]


def begun(log):
    return [line.split()[0] for line in told(log, "begin")]


def test_no_worker_is_this_process_and_no_cells_need_none(tmp_path, cells):
    found = list(Processes(0)(cells, FastCell(tmp_path / "log")))
    assert [cell for cell, _ in found] == [cell for cell, _ in cells]
    assert {run.environment["pid"] for _, run in found} == {str(os.getpid())}
    assert list(Processes(4)([], FastCell(tmp_path / "log"))) == []


def test_one_worker_may_be_killed_and_costs_its_cell_alone(tmp_path, cells):
    victim = str(cells[2][0].path)
    found = list(Processes(1)(cells, FastCell(tmp_path / "log", faults={victim: ("kill", 9)})))
    assert [cell for cell, _ in found] == [cell for cell, _ in cells]
    assert [outcome.kind for _, outcome in found if isinstance(outcome, Failure)] == ["killed_worker"]
    pids = {outcome.environment["pid"] for _, outcome in found if not isinstance(outcome, Failure)}
    assert len(pids) == 2 and str(os.getpid()) not in pids


@pytest.mark.parametrize(
    ("fault", "kind", "words", "final"),
    [
        ("memory", "out_of_memory", "The run was out of memory (MemoryError).", False),
        ("device memory", "out_of_memory", "(OutOfMemoryError: tried to allocate 2 GiB)", False),
        ("nan", "non_finite_loss", "the loss became nan", False),
        ("data", "error", "the data is wrong", True),
        ("bug", "error", "ZeroDivisionError: division by zero", False),
    ],
)
def test_whatever_a_cell_raises_is_a_failure_among_the_runs(tmp_path, cells, fault, kind, words, final):
    bad = str(cells[2][0].path)
    run_cell = FastCell(tmp_path / "log", faults={bad: (fault, 1)})
    found = {str(cell.path): outcome for cell, outcome in serial(iter(cells), run_cell)}
    failure = found.pop(bad)
    assert (failure.kind, failure.final, failure.attempts) == (kind, final, 1)
    assert words in failure.reason
    assert "\n" not in failure.reason
    assert ("fast_grid.py" in failure.trace) == (fault == "bug")
    assert len(found) == 5
    assert all(isinstance(run, Run) for run in found.values())


def test_a_killed_worker_costs_its_cell_and_nothing_else(tmp_path, cells):
    log = tmp_path / "log"
    faults = {str(cells[1][0].path): ("kill", 1), str(cells[3][0].path): ("exit", 1), str(cells[4][0].path): ("bug", 1)}
    found = list(Processes(2)(iter(cells), FastCell(log, 0.05, faults)))
    by_cell = {cell.path: outcome for cell, outcome in found}
    assert len(found) == len(by_cell) == 6
    assert by_cell[cells[1][0].path] == Failure(
        "killed_worker", "killed worker (signal 9, most likely for lack of memory)"
    )
    assert "exit code 3" in by_cell[cells[3][0].path].reason
    assert by_cell[cells[4][0].path].kind == "error"
    assert sorted(begun(log)) == sorted(str(cell.path) for cell, _ in cells)  # the others were not disturbed
    pids = {line.split()[1] for line in told(log, "begin")}
    assert len(pids) == 4  # two, and one in place of each that died; an exception costs no process


def test_workers_live_for_many_cells_and_cells_are_drawn_one_a_worker(tmp_path, cells):
    log, drawn = tmp_path / "log", []

    def queue():
        for cell, folder in cells:
            drawn.append(cell.path)
            yield cell, folder

    finished = 0
    for _ in Processes(2)(queue(), FastCell(log, 0.05)):
        finished += 1
        assert len(drawn) <= finished + 1  # at the time of the draw two ran
    assert finished == 6
    assert len({line.split()[1] for line in told(log, "begin")}) == 2


def test_the_libraries_of_a_worker_draw_no_bars_into_those_of_the_driver(cells):
    ((_, outcome),) = Processes(1)(cells[:1], tell_noise)
    assert outcome.reason.endswith(f"bars False, level {logging.ERROR}")


def test_a_cell_that_comes_again_gets_a_fresh_worker(tmp_path, cells):
    log, (first, second, *_) = tmp_path / "log", cells
    run_cell = FastCell(log, 0.5, {str(first[0].path): ("nan", 1)})
    outcomes = [outcome for _, outcome in Processes(2)(iter([first, second, first]), run_cell)]
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Failure", "Run", "Run"]
    assert len({line.split()[1] for line in told(log, "begin")}) == 3


def test_workers_started_ahead_are_taken_first_and_those_too_many_end(tmp_path, cells):
    with started_ahead(2) as ahead:
        early = {str(worker.process.pid) for worker in ahead}
        found = list(Processes(1, ahead)(cells, FastCell(tmp_path / "log")))
        assert ahead == []
    pids = {run.environment["pid"] for _, run in found}
    assert len(pids) == 1 and pids < early
    assert not any(alive(int(pid)) for pid in early)


def test_a_worker_that_died_before_its_first_cell_is_replaced(tmp_path, cells):
    with started_ahead(1) as ahead:
        os.kill(ahead[0].process.pid, signal.SIGKILL)
        ahead[0].process.join()
        assert len(list(Processes(1, ahead)(cells, FastCell(tmp_path / "log")))) == len(cells)


def test_workers_started_ahead_end_with_what_needed_none():
    def read_wrong_data():
        with started_ahead(2) as ahead:
            early.extend(worker.process.pid for worker in ahead)
            raise DataError("no such column")

    early = []
    with pytest.raises(DataError):
        read_wrong_data()
    assert len(early) == 2 and not any(map(alive, early))


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_closing_ends_the_workers_in_the_middle_of_their_cells(tmp_path, cells):
    log = tmp_path / "log"
    stuck = {str(cell.path): ("stuck", 9) for cell, _ in cells[1:]}
    outcomes = Processes(2)(iter(cells), FastCell(log, faults=stuck))
    next(outcomes)
    while len(begun(log)) < 2:
        time.sleep(0.01)
    began = time.monotonic()
    outcomes.close()
    assert time.monotonic() - began < 60  # a cell that is stuck sleeps ten minutes
    for pid in {int(line.split()[1]) for line in told(log, "begin")}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_ctrl_c_at_any_moment_ends_the_driver_without_a_word_from_the_workers(tmp_path):
    """Also while they are starting: a terminal sends the signal to all of them."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from fast_grid import *\n"
        "if __name__ == '__main__':\n"
        "    out = Path(sys.argv[2])\n"
        "    print('ready', flush=True)\n"
        "    try:\n"
        "        run_grid(fast_recipe(5, 20), out, run_cell=FastCell(out / 'log', 0.05), executor=Processes(2))\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted', flush=True)\n"
    )
    script = tmp_path / "driver.py"
    script.write_text(code)
    for number, pause in enumerate((0.02, 0.15, 0.2, 0.25, 0.4, 1.2)):
        out = tmp_path / str(number)
        out.mkdir()
        with subprocess.Popen(
            [sys.executable, script, Path(__file__).parent, out],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as driver:
            assert driver.stdout.readline() == "ready\n"
            time.sleep(pause)
            os.killpg(driver.pid, signal.SIGINT)
            said, complained = driver.communicate(timeout=30)
        assert (said, complained) == ("interrupted\n", "")
        assert not list(out.rglob("running.lock"))


def test_a_sweep_may_run_beside_other_threads(tmp_path, cells):
    """A notebook or a server does not call from the main thread, where alone signal handlers may be set."""
    found = []
    thread = threading.Thread(target=lambda: found.extend(Processes(2)(iter(cells), FastCell(tmp_path / "log"))))
    thread.start()
    thread.join(60)
    assert len(found) == 6


SCRIPT = """
import sys
from pathlib import Path

from fast_grid import FastCell, fast_recipe

from textlstm.experiment.executors import Processes
from textlstm.experiment.sweep import run_grid

folder = Path(sys.argv[1])
run_grid(fast_recipe(layers=4, seeds=4), folder / "runs", run_cell=FastCell(folder / "log"), executor=Processes(2))
"""


def test_a_script_without_a_main_guard_is_told_so_after_a_few_workers(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "3 worker processes in a row ended before they could begin" in done.stderr.splitlines()[-1]
    assert "__main__" in done.stderr.splitlines()[-1]
    assert done.stderr.count("bootstrapping phase") <= 4  # one may be on its way; without the limit 32


def test_cells_that_end_their_workers_are_no_sign_of_a_wrong_script(tmp_path, cells):
    faults = {str(cell.path): ("kill", 9) for cell, _ in cells}
    outcomes = list(Processes(2)(cells, FastCell(tmp_path / "log", faults=faults)))
    assert [outcome.kind for _, outcome in outcomes] == ["killed_worker"] * 6
