"""Worker processes give what one process gives, and hand a cell's error on."""

import pytest

from textlstm.errors import DataError
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import Processes, serial
from textlstm.experiment.grid import plan_cells, run_grid
from textlstm.experiment.runs import read_runs
from textlstm.results import read_predictions


def test_workers_give_the_same_runs_and_an_error_keeps_what_was_finished(tmp_path, tiny_recipe, tiny_data):
    grid = {"grid.layers": [1], "training.epochs": 1}
    good = tiny_recipe({**grid, "grid.sizes": [20, 30]})
    alone = run_grid(good, tmp_path / "alone", run_cell=TrainCell(tiny_data), executor=serial)
    with pytest.raises(DataError, match="A subset of 5000 rows was asked for"):
        run_grid(
            tiny_recipe({**grid, "grid.sizes": [20, 30, 5000]}),
            tmp_path / "pool",
            run_cell=TrainCell(tiny_data),
            executor=Processes(1),  # one worker keeps the order, so both good cells are done before the bad one
        )
    pooled = read_runs(tmp_path / "pool")
    assert [(run.cell, run.metrics, run.history) for run in pooled] == [
        (run.cell, run.metrics, run.history) for run in alone
    ]
    for cell in plan_cells(good):
        ours, theirs = (read_predictions(tmp_path / name / cell.path, "test") for name in ("pool", "alone"))
        assert ours == theirs
    assert list(Processes(2)([], TrainCell(tiny_data))) == []
