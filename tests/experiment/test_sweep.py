"""Running a grid with a fake cell: kept, interrupted, gone on with, refused, failed, tried again, shared by drivers."""

import json
import multiprocessing
import threading
import time
from pathlib import Path

import pytest
from fast_grid import FastCell, fast_recipe, told

from textlstm.errors import RunFolderError
from textlstm.experiment.executors import Processes, serial
from textlstm.experiment.failures import FAILURE_FILE, Failure, read_failure, write_failure
from textlstm.experiment.grid import plan_cells
from textlstm.experiment.locks import LOCK_FILE, CellLocks
from textlstm.experiment.runs import read_runs
from textlstm.experiment.sweep import run_grid
from textlstm.results import write_run

GRID = {"grid.layers": [2, 1], "grid.sizes": ["full", 20], "grid.seeds": 2}


@pytest.fixture
def fake(make_run, make_predictions):
    """Runs a cell in no time; `stop_at` interrupts before that many cells are done."""

    class Fake:
        def __init__(self):
            self.done: list[Path] = []
            self.stop_at = None

        def __call__(self, cell, folder):
            if len(self.done) == self.stop_at:
                raise KeyboardInterrupt
            run = make_run(cell.recipe, accuracy=0.5 + 0.1 * cell.layers + 0.01 * cell.seed)
            write_run(folder, run, make_predictions(), cell.recipe.to_yaml())
            self.done.append(cell.path)
            return run

    return Fake()


def test_every_cell_is_run_once_in_order_and_then_kept(tmp_path, tiny_recipe, fake):
    recipe = tiny_recipe(GRID)
    told = []
    runs = run_grid(
        recipe,
        tmp_path,
        run_cell=fake,
        executor=serial,
        listener=lambda cell, run, kept: told.append((cell.path, kept)),
    )
    paths = [cell.path for cell in plan_cells(recipe)]
    assert fake.done == paths
    assert told == [(path, False) for path in paths]
    assert [run.cell for run in runs.runs] == [cell.coordinates for cell in plan_cells(recipe)]
    told.clear()
    again = run_grid(
        recipe,
        tmp_path,
        run_cell=fake,
        executor=serial,
        listener=lambda cell, run, kept: told.append((cell.path, kept)),
    )
    assert again == runs
    assert again.failures == []
    assert len(fake.done) == 8
    assert told == [(path, True) for path in paths]


@pytest.mark.parametrize("stop_at", [0, 3, 7])
def test_an_interrupted_grid_ends_in_the_same_table(tmp_path, tiny_recipe, fake, stop_at):
    recipe = tiny_recipe(GRID)
    reference = run_grid(recipe, tmp_path / "whole", run_cell=fake, executor=serial)
    fake.done.clear()
    fake.stop_at = stop_at
    with pytest.raises(KeyboardInterrupt):
        run_grid(recipe, tmp_path / "cut", run_cell=fake, executor=serial)
    fake.stop_at = None
    runs = run_grid(recipe, tmp_path / "cut", run_cell=fake, executor=serial)
    assert len(fake.done) == 8
    assert runs == reference
    assert read_runs(tmp_path / "cut") == read_runs(tmp_path / "whole")


def test_the_order_of_the_table_does_not_depend_on_who_finishes_first(tmp_path, tiny_recipe, fake):
    def backwards(cells, run_cell):
        for cell, folder in reversed(list(cells)):
            yield cell, run_cell(cell, folder)

    recipe = tiny_recipe(GRID)
    runs = run_grid(recipe, tmp_path, run_cell=fake, executor=backwards)
    assert [run.cell["layers"] for run in runs.runs] == [cell.layers for cell in plan_cells(recipe)]


def test_a_larger_grid_goes_on_from_a_smaller_one_and_ignores_what_else_lies_there(tmp_path, tiny_recipe, fake):
    run_grid(tiny_recipe(GRID), tmp_path, run_cell=fake, executor=serial)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "layers=9" / "size=full").mkdir(parents=True)
    (tmp_path / "layers=1" / "size=full" / "seed=0" / "chart.svg").write_text("<svg/>")
    fake.done.clear()
    larger = tiny_recipe({**GRID, "grid.layers": [1, 2, 3]})
    runs = run_grid(larger, tmp_path, run_cell=fake, executor=serial)
    assert {path.parts[0] for path in fake.done} == {"layers=3"}
    assert len(runs.runs) == 12
    smaller = run_grid(tiny_recipe({**GRID, "grid.layers": [3]}), tmp_path, run_cell=fake, executor=serial)
    assert {run.cell["layers"] for run in smaller.runs} == {3}


@pytest.mark.parametrize(
    ("changes", "fingerprint", "words"),
    [({"training.epochs": 9}, "0" * 16, r"training\.epochs was 4, is 9"), ({}, "b" * 16, "on other data")],
)
def test_a_folder_of_something_else_is_refused_before_anything_runs(
    tmp_path, tiny_recipe, fake, changes, fingerprint, words
):
    fake.stop_at = 5
    with pytest.raises(KeyboardInterrupt):
        run_grid(tiny_recipe(GRID), tmp_path, run_cell=fake, executor=serial)
    fake.stop_at = 0
    with pytest.raises(RunFolderError, match=words):
        run_grid(
            tiny_recipe({**GRID, **changes}), tmp_path, run_cell=fake, executor=serial, data_fingerprint=fingerprint
        )
    assert len(fake.done) == 5


def paths_of(recipe):
    return [str(cell.path) for cell in plan_cells(recipe)]


@pytest.mark.parametrize("executor", [serial, Processes(2)])
@pytest.mark.parametrize("fault", ["memory", "nan", "bug", "kill"])
def test_a_failed_cell_is_tried_once_more_after_the_others(tmp_path, executor, fault):
    if (executor, fault) == (serial, "kill"):
        pytest.skip("it would kill this process")
    log, recipe = tmp_path / "log", fast_recipe(layers=3, seeds=2)
    first = paths_of(recipe)[0]
    told_of = []
    sweep = run_grid(
        recipe,
        tmp_path / "runs",
        run_cell=FastCell(log, 0.05, {first: (fault, 1)}),
        executor=executor,
        on_failure=lambda cell, failure, again: told_of.append((str(cell.path), failure.attempts, again)),
    )
    assert len(sweep.runs) == 6
    assert sweep.failures == []
    assert told_of == [(first, 1, True)]
    begun = [line.split()[0] for line in told(log, "begin")]
    assert begun.count(first) == 2
    # The last two cells go to two workers at once, and either may begin first.
    assert first in begun[-1:] if executor is serial else first in begun[-2:]
    assert not list((tmp_path / "runs").rglob(FAILURE_FILE))
    assert not list((tmp_path / "runs").rglob(LOCK_FILE))


@pytest.mark.parametrize("executor", [serial, Processes(2)])
def test_a_second_failure_is_recorded_and_the_next_sweep_tries_anew(tmp_path, executor):
    log, folder, recipe = tmp_path / "log", tmp_path / "runs", fast_recipe(layers=3, seeds=2)
    bad, worse = paths_of(recipe)[1], paths_of(recipe)[4]
    faults = {bad: ("nan", 3), worse: ("bug", 9)}
    told_of = []
    sweep = run_grid(
        recipe,
        folder,
        run_cell=FastCell(log, 0.02, faults),
        executor=executor,
        on_failure=lambda cell, failure, again: told_of.append((str(cell.path), failure.attempts, again)),
    )
    assert len(sweep.runs) == 4
    assert [(str(cell.path), failure.kind, failure.attempts) for cell, failure in sweep.failures] == [
        (bad, "non_finite_loss", 2),
        (worse, "error", 2),
    ]
    assert sorted(told_of) == sorted([(p, n, n == 1) for p in (bad, worse) for n in (1, 2)])
    record = json.loads((folder / bad / FAILURE_FILE).read_text())
    assert (record["kind"], record["reason"], record["attempts"]) == ("non_finite_loss", "the loss became nan", 2)
    assert not (folder / bad / "result.json").exists()
    again = run_grid(recipe, folder, run_cell=FastCell(log, 0.02, faults), executor=executor)
    assert len(again.runs) == 5  # the third attempt of `bad` failed, its fourth went well
    assert [str(cell.path) for cell, _ in again.failures] == [worse]
    assert read_failure(folder / bad) is None
    assert len([line for line in told(log, "begin") if line.startswith(worse)]) == 4


def test_wrong_input_is_not_tried_again(tmp_path):
    log, recipe = tmp_path / "log", fast_recipe(layers=2, seeds=1)
    faults = dict.fromkeys(paths_of(recipe), ("data", 9))
    sweep = run_grid(recipe, tmp_path / "runs", run_cell=FastCell(log, faults=faults), executor=serial)
    assert sweep.runs == []
    assert [(failure.reason, failure.attempts) for _, failure in sweep.failures] == [("the data is wrong", 1)] * 2
    assert len(told(log, "begin")) == 2


def test_a_worker_killed_right_after_the_result_has_still_given_it(tmp_path):
    recipe, lost = fast_recipe(layers=2, seeds=1), []

    def executor(cells, run_cell):
        for cell, folder in cells:
            run_cell(cell, folder)
            lost.append(cell.path)
            yield cell, Failure("killed_worker", "gone")

    sweep = run_grid(recipe, tmp_path / "runs", run_cell=FastCell(tmp_path / "log"), executor=executor)
    assert len(sweep.runs) == len(lost) == 2
    assert sweep.failures == []


def test_cells_with_one_path_are_one_run_with_two_places(tmp_path):
    recipe = fast_recipe(layers=2, seeds=1)
    cells = plan_cells(recipe)
    twin = cells[0].__class__(**{**vars(cells[0]), "others": {"control": "matched_compute"}})
    told_of = []
    sweep = run_grid(
        recipe,
        tmp_path,
        cells=[*cells, twin],
        run_cell=FastCell(tmp_path / "log"),
        executor=serial,
        listener=lambda cell, run, kept: told_of.append((cell.coordinates, kept)),
    )
    assert [run.cell for run in sweep.runs] == [cell.coordinates for cell in (*cells, twin)]
    assert len(told(tmp_path / "log", "begin")) == 2
    assert told_of == [(cells[0].coordinates, False), (twin.coordinates, True), (cells[1].coordinates, False)]


def drive(folder, log, workers):
    recipe = fast_recipe(layers=6, seeds=5)
    sweep = run_grid(recipe, folder, run_cell=FastCell(log, 0.02), executor=Processes(workers), poll_seconds=0.05)
    assert [run.cell for run in sweep.runs] == [cell.coordinates for cell in plan_cells(recipe)]


def test_several_drivers_share_a_folder_and_each_cell_is_run_once(tmp_path):
    folder, log = tmp_path / "runs", tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    drivers = [context.Process(target=drive, args=(folder, log, workers)) for workers in (1, 1, 2)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join(60)
    assert [driver.exitcode for driver in drivers] == [0, 0, 0]  # each has all 30 runs in the end
    begun = [line.split()[0] for line in told(log, "begin")]
    assert len(begun) == len(set(begun)) == 30
    assert len({line.split()[1] for line in told(log, "begin")}) >= 3
    assert not list(folder.rglob(LOCK_FILE))


def test_what_another_driver_runs_is_waited_for_and_said(tmp_path):
    recipe, said = fast_recipe(layers=3, seeds=1), []
    cell = plan_cells(recipe)[1]
    run_cell = FastCell(tmp_path / "log")

    def other():
        while len(said) < 1:
            time.sleep(0.01)
        run_cell(cell, tmp_path / cell.path)
        theirs.release(tmp_path / cell.path)

    with CellLocks() as theirs:
        theirs.take(tmp_path / cell.path)
        thread = threading.Thread(target=other)
        thread.start()
        kept = []
        sweep = run_grid(
            recipe,
            tmp_path,
            run_cell=run_cell,
            executor=serial,
            on_wait=said.append,
            listener=lambda cell, run, elsewhere: kept.append((cell.layers, elsewhere)),
            poll_seconds=0.05,
        )
        thread.join()
    assert len(sweep.runs) == 3
    assert kept == [(1, False), (3, False), (2, True)]
    assert len(said) == 1
    assert said[0].startswith("Waiting for 1 run that is done by process ")


def test_the_cell_of_a_driver_that_falls_silent_is_taken_over(tmp_path):
    recipe = fast_recipe(layers=3, seeds=1)
    cell = plan_cells(recipe)[1]
    with CellLocks(heartbeat_seconds=60) as silent:
        silent.take(tmp_path / cell.path)
        sweep = run_grid(
            recipe,
            tmp_path,
            run_cell=FastCell(tmp_path / "log"),
            executor=serial,
            locks=CellLocks(stale_seconds=0.3),
            poll_seconds=0.05,
        )
    assert len(sweep.runs) == 3


def test_a_cell_that_another_driver_has_given_up_is_not_tried_again_here(tmp_path):
    recipe, said = fast_recipe(layers=2, seeds=1), []
    cell, log = plan_cells(recipe)[0], tmp_path / "log"
    folder = tmp_path / "runs"
    old = run_grid(recipe, folder, run_cell=FastCell(log, faults={str(cell.path): ("nan", 99)}), executor=serial)
    assert len(old.failures) == 1  # the record of an earlier sweep, which does not stop this one from trying

    def other():
        while not said:
            time.sleep(0.01)
        write_failure(folder / cell.path, Failure("out_of_memory", "theirs", attempts=2))
        theirs.release(folder / cell.path)

    with CellLocks() as theirs:
        theirs.take(folder / cell.path)
        thread = threading.Thread(target=other)
        thread.start()
        begun = len(told(log, "begin"))
        sweep = run_grid(
            recipe, folder, run_cell=FastCell(log), executor=serial, on_wait=said.append, poll_seconds=0.05
        )
        thread.join()
    assert [(failure.kind, failure.reason) for _, failure in sweep.failures] == [("out_of_memory", "theirs")]
    assert len(told(log, "begin")) == begun


def test_a_failure_of_a_run_that_several_cells_share_is_told_once(tmp_path):
    recipe = fast_recipe().override({"grid.controls": ["fixed_width", "matched_parameters"]})
    path = next(cell.path for cell in plan_cells(recipe) if cell.others["control"].endswith("shallowest"))
    told = []
    sweep = run_grid(
        recipe,
        tmp_path,
        run_cell=FastCell(tmp_path / "log", faults={str(path): ("data", 9)}),
        executor=serial,
        on_failure=lambda cell, failure, again: told.append((cell.path, again)),
    )
    assert told == [(path, False)]
    assert len({cell.path for cell, _ in sweep.failures}) == 1 < len(sweep.failures)
