"""Worker processes give what one process gives, and hand on what went wrong."""

import ctypes
import operator
import os

import pytest

from textlstm.errors import TrainingError
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import Processes, serial
from textlstm.experiment.grid import plan_cells, run_grid
from textlstm.results import read_predictions


def test_workers_give_the_same_runs_as_one_process(tmp_path, tiny_recipe, tiny_data):
    recipe = tiny_recipe({"grid.layers": [1, 2], "grid.sizes": [20], "training.epochs": 1})
    alone, pooled = (
        run_grid(recipe, tmp_path / name, run_cell=TrainCell(tiny_data), executor=executor)
        for name, executor in (("alone", serial), ("pool", Processes(2)))
    )
    assert [(run.cell, run.metrics, run.history) for run in pooled] == [
        (run.cell, run.metrics, run.history) for run in alone
    ]
    for cell in plan_cells(recipe):
        ours, theirs = (read_predictions(tmp_path / name / cell.path, "test") for name in ("pool", "alone"))
        assert ours == theirs


@pytest.mark.parametrize(("workers", "cells"), [(1, 3), (4, 1), (4, 0)])
def test_no_process_is_started_where_one_would_do(workers, cells):
    found = list(Processes(workers)([(number, None) for number in range(cells)], lambda cell, folder: os.getpid()))
    assert found == [(number, os.getpid()) for number in range(cells)]


def test_a_cells_error_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(Processes(2)([(1, 1), (1, 0)], operator.truediv))


def test_a_worker_that_is_ended_from_outside_is_said():
    """Reading address 1 stands for the kernel's out-of-memory killer: the process is gone without a word."""
    with pytest.raises(TrainingError, match="lack of memory; what is finished is kept: go on with --workers 1"):
        list(Processes(2)([(1, 1), (1, 1)], ctypes.string_at))
