"""SIGKILL of the driver at any moment: what was finished stays, nothing is half there, and the rest is done once."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from fast_grid import fast_recipe, told

from textlstm.experiment.grid import plan_cells
from textlstm.results import read_predictions, read_run


def check_after_kills(tmp_path, *, kills, workers, seed, layers):
    folder, log = tmp_path / "runs", tmp_path / "log"
    folder.mkdir()
    options = map(str, (folder, log, kills, workers, seed, layers))
    subprocess.run([sys.executable, Path(__file__).parent / "fast_grid.py", *options], check=True, timeout=1200)
    assert told(log, "code") == ["0"]
    assert len(told(log, "killed")) == kills
    assert told(log, "orphan") == []
    assert told(log, "again") == []  # no cell was begun that had a result
    done = Counter(told(log, "done"))
    assert max(done.values()) == 1
    begun = Counter(line.split()[0] for line in told(log, "begin"))
    # Each kill costs at most the cells in flight.
    assert sum(begun.values()) - len(begun) <= kills * workers
    cells = plan_cells(fast_recipe(layers=layers, seeds=20))
    for cell in cells:
        run = read_run(folder / cell.path)
        assert (run.cell, run.fingerprint) == (cell.coordinates, cell.recipe.fingerprint())
        assert len(read_predictions(folder / cell.path, "test")) == 4
    left = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    names = ("environment.json", "predictions.parquet", "recipe.yaml", "result.json")
    assert left == {cell.path / name for cell in cells for name in names}
    return [int(count) for count in told(log, "killed")]


@pytest.mark.parametrize(("workers", "kills"), [(1, 6), (2, 4)])
def test_a_driver_may_be_killed_a_few_times(tmp_path, workers, kills):
    check_after_kills(tmp_path, kills=kills, workers=workers, seed=workers, layers=4)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "kills", "layers"), [(1, 30, 40), (2, 100, 80)])
def test_a_driver_may_be_killed_at_any_of_many_moments(tmp_path, workers, kills, layers):
    finished = check_after_kills(tmp_path, kills=kills, workers=workers, seed=10 + workers, layers=layers)
    assert finished == sorted(finished)
    assert 0 < finished[-1] < 20 * layers  # kills fell into the middle of the grid
    assert sum(0 < count for count in finished) >= kills / 2
