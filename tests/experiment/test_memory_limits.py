"""A worker that is refused memory by the system: its cell is recorded as out of memory, and the others go on."""

import sys

import pytest
from hungry_cells import HungryCell

from textlstm.experiment.executors import Processes
from textlstm.experiment.failures import read_failure
from textlstm.experiment.grid import DataFacts, plan_cells
from textlstm.experiment.plan import make_plan, write_plan
from textlstm.experiment.status import format_status, sweep_status
from textlstm.experiment.sweep import run_grid


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS is Linux's")
@pytest.mark.parametrize("kind", ["numpy", "torch", "python"])
def test_a_worker_without_memory_is_recorded_as_such(tmp_path, tiny_recipe, tiny_data, kind):
    recipe = tiny_recipe({"grid.layers": [1, 2], "grid.sizes": [20]})
    cells = plan_cells(recipe)
    write_plan(tmp_path, make_plan(recipe, tiny_data, DataFacts(), cells, command="textlstm run tiny"))
    told = []
    done = run_grid(
        recipe,
        tmp_path,
        run_cell=HungryCell(kind, hungry=2),
        executor=Processes(1),
        cells=cells,
        on_failure=lambda cell, failure, again: told.append((cell.layers, failure.kind, again)),
    )
    assert [run.cell["layers"] for run in done.runs] == [1]
    assert told == [(2, "out_of_memory", True), (2, "out_of_memory", False)]
    ((cell, failure),) = done.failures
    assert (failure.kind, failure.attempts) == ("out_of_memory", 2)
    assert read_failure(tmp_path / cell.path) == failure
    assert "memory" in format_status(sweep_status(tmp_path))
