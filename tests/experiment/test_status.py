"""A sweep's state from its folder alone, in every stage, without touching it."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest
from fast_grid import FastCell, fast_recipe

from textlstm.errors import RunFolderError
from textlstm.experiment.executors import serial
from textlstm.experiment.failures import Failure, write_failure
from textlstm.experiment.grid import DataFacts, plan_cells
from textlstm.experiment.locks import LOCK_FILE, CellLocks, Holder
from textlstm.experiment.openings import note_opening
from textlstm.experiment.plan import make_plan, write_plan
from textlstm.experiment.status import format_status, sweep_status
from textlstm.experiment.sweep import run_grid
from textlstm.text.datasets import load_data

RECIPE = fast_recipe(layers=3, seeds=2)


@pytest.fixture
def cells(tmp_path, tiny_data):
    """The six cells of a planned grid; two places in the plan are one run."""
    planned = [replace(cell, work=60.0 * cell.layers) for cell in plan_cells(RECIPE)]
    twin = replace(planned[0], others={"control": "matched_compute"})
    write_plan(tmp_path, make_plan(RECIPE, tiny_data, DataFacts(), [*planned, twin], command="textlstm run fast"))
    return planned


def finish(folder, cells, seconds=None):
    run_grid(RECIPE, folder, cells=cells, run_cell=FastCell(folder.parent / "log"), executor=serial)
    for cell in cells if seconds is not None else []:
        path = folder / cell.path / "result.json"
        content = json.loads(path.read_text())
        content["cost"]["train_seconds"] = seconds * cell.layers
        path.write_text(json.dumps(content))


def counts(status):
    return tuple(status.count(state) for state in ("done", "running", "failed", "waiting"))


def test_before_the_first_cell_all_wait_and_the_time_is_not_known(tmp_path, cells):
    status = sweep_status(tmp_path)
    assert counts(status) == (0, 0, 0, 6)
    assert status.remaining_minutes is None
    assert format_status(status).splitlines()[0] == "0 of 6 runs done, 6 waiting"
    assert "not known before the first run is done" in format_status(status)


def test_in_the_middle_each_cell_has_its_state_and_the_rest_its_time(tmp_path, cells):
    finish(tmp_path, cells[:2], seconds=120)  # twice the planned minute a layer
    write_failure(tmp_path / cells[2].path, Failure("out_of_memory", "no room", attempts=2))
    note_opening(tmp_path, what="a")
    with CellLocks() as locks:
        locks.take(tmp_path / cells[3].path)
        locks.take(tmp_path / cells[4].path)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        status = sweep_status(tmp_path)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert [cell.state for cell in status.cells] == ["done", "done", "failed", "running", "running", "waiting"]
    # Layers 1 and 2 run and 3 waits: 12 minutes of work, by two.
    assert status.remaining_minutes == pytest.approx(6.0, abs=0.05)
    text = format_status(status)
    assert text.splitlines()[:3] == [
        "2 of 6 runs done, 2 running, 1 failed, 1 waiting",
        "time left: about 6 minutes",
        "the test split was scored 1 time",
    ]
    assert f"{cells[3].path}  by process {os.getpid()} on {Holder.here().host} since 20" in text
    assert f"{cells[2].path}  out of memory after 2 tries: no room" in text
    plain = json.loads(json.dumps(status.to_dict()))
    assert (plain["done"], plain["running"], plain["failed"], plain["waiting"]) == (2, 2, 1, 1)
    assert plain["cells"][3]["holder"]["pid"] == os.getpid()
    assert plain["cells"][2]["failure"]["reason"] == "no room"
    assert plain["test_openings"] == 1


def test_what_a_dead_or_silent_driver_held_waits(tmp_path, cells):
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    dead, silent = (tmp_path / cell.path for cell in cells[:2])
    for folder, holder in ((dead, replace(Holder.here(), pid=done.pid)), (silent, replace(Holder.here(), machine="x"))):
        folder.mkdir(parents=True)
        (folder / LOCK_FILE).write_text(json.dumps(asdict(holder)))
    os.utime(silent / LOCK_FILE, (time.time() - 100,) * 2)
    assert counts(sweep_status(tmp_path)) == (0, 0, 0, 6)


def test_at_the_end_nothing_is_left(tmp_path, cells):
    finish(tmp_path, cells)
    status = sweep_status(tmp_path)
    assert counts(status) == (6, 0, 0, 0)
    assert status.remaining_minutes == 0
    assert "left" not in format_status(status)


def test_between_two_sessions_the_time_is_that_of_one_worker(tmp_path, cells):
    finish(tmp_path, cells[:3], seconds=60)
    assert "nothing runs now; one worker would need about 6 minutes more" in format_status(sweep_status(tmp_path))


def test_a_result_wins_over_what_a_killed_driver_left_beside_it(tmp_path, cells):
    finish(tmp_path, cells[:1])
    write_failure(tmp_path / cells[0].path, Failure("error", "old"))
    with CellLocks() as locks:
        locks.take(tmp_path / cells[0].path)
        assert sweep_status(tmp_path).cells[0].state == "done"


def test_a_folder_without_a_plan_is_said(tmp_path):
    with pytest.raises(RunFolderError, match=r"plan\.json"):
        sweep_status(tmp_path / "nowhere")


def test_many_failures_are_counted_and_a_damaged_result_is_done_as_far_as_one_sees(tmp_path, cells):
    wide = fast_recipe(layers=20, seeds=1)
    planned = plan_cells(wide)
    plan = make_plan(wide, load_data((["a", "b"], ["x", "y"])), DataFacts(), planned, command="textlstm run wide")
    write_plan(tmp_path, plan)
    for cell in planned[1:]:
        write_failure(tmp_path / cell.path, Failure("error", "it broke", attempts=1))
    (tmp_path / planned[0].path).mkdir(parents=True)
    (tmp_path / planned[0].path / "result.json").write_text("{")
    status = sweep_status(tmp_path)
    assert counts(status) == (1, 0, 19, 0)
    assert "error after 1 try: it broke" in format_status(status)
    assert "  and 7 more" in format_status(status).splitlines()
    (tmp_path / planned[0].path / "result.json").unlink()
    assert sweep_status(tmp_path).remaining_minutes is None


def test_days_of_work_are_told_in_hours(tmp_path, cells):
    finish(tmp_path, cells[:1], seconds=36_000)
    assert "one worker would need about 110.0 hours more" in format_status(sweep_status(tmp_path))
