"""The plan of a grid, and running it with a fake cell: kept, interrupted, gone on with, refused."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.analysis.comparison import summarize
from textlstm.errors import RecipeError, RunFolderError
from textlstm.experiment.executors import serial
from textlstm.experiment.grid import plan_cells, run_grid
from textlstm.experiment.runs import read_runs
from textlstm.results import write_run

GRID = {"grid.layers": [2, 1], "grid.sizes": ["full", 20], "grid.seeds": 2}


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.lists(st.integers(2, 9) | st.just("full"), min_size=1, max_size=4),
    st.integers(1, 3) | st.lists(st.integers(0, 9), min_size=1, max_size=3),
)
def test_a_plan_holds_every_cell_once_seed_by_seed_from_small_to_large(tiny_recipe, layers, sizes, seeds):
    recipe = tiny_recipe({"grid.layers": layers, "grid.sizes": sizes, "grid.seeds": seeds})
    cells = plan_cells(recipe)
    found = [(cell.layers, cell.size, cell.seed) for cell in cells]
    expected = set(range(seeds)) if isinstance(seeds, int) else set(seeds)
    assert set(found) == {(depth, size, seed) for depth in layers for size in sizes for seed in expected}
    assert len(found) == len(set(found)) == len({cell.path for cell in cells})
    first = found[: len(found) // len(expected)]
    assert {seed for _, _, seed in first} == {found[0][2]}  # a grid cut short is a smaller grid
    order = [(float("inf") if size == "full" else size, depth) for depth, size, _ in first]
    assert order == sorted(order)
    for cell in cells:
        assert (cell.recipe.model.num_layers, cell.recipe.data.size, cell.recipe.seed) == (
            cell.layers,
            cell.size,
            cell.seed,
        )


def test_work_grows_with_depth_and_size(tiny_recipe):
    by_cell = {
        (cell.layers, cell.size): cell.work
        for cell in plan_cells(tiny_recipe({"grid.layers": [1, 2], "grid.sizes": [20, 100, "full"]}))
    }
    assert by_cell[1, 20] < by_cell[1, 100] < by_cell[1, "full"] < by_cell[2, "full"]


def test_a_seed_below_zero_is_refused(tiny_recipe):
    with pytest.raises(RecipeError, match="seed"):
        plan_cells(tiny_recipe({"grid.seeds": [-1]}))


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
    assert [run.cell for run in runs] == [
        {"layers": c.layers, "size": c.size, "seed": c.seed} for c in plan_cells(recipe)
    ]
    told.clear()
    again = run_grid(
        recipe,
        tmp_path,
        run_cell=fake,
        executor=serial,
        listener=lambda cell, run, kept: told.append((cell.path, kept)),
    )
    assert again == runs
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
    assert summarize(runs) == summarize(reference)
    assert read_runs(tmp_path / "cut") == read_runs(tmp_path / "whole")


def test_the_order_of_the_table_does_not_depend_on_who_finishes_first(tmp_path, tiny_recipe, fake):
    def backwards(cells, run_cell):
        for cell, folder in reversed(list(cells)):
            yield cell, run_cell(cell, folder)

    recipe = tiny_recipe(GRID)
    runs = run_grid(recipe, tmp_path, run_cell=fake, executor=backwards)
    assert [run.cell["layers"] for run in runs] == [cell.layers for cell in plan_cells(recipe)]


def test_a_larger_grid_goes_on_from_a_smaller_one_and_ignores_what_else_lies_there(tmp_path, tiny_recipe, fake):
    run_grid(tiny_recipe(GRID), tmp_path, run_cell=fake, executor=serial)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "layers=9" / "size=full").mkdir(parents=True)
    (tmp_path / "layers=1" / "size=full" / "seed=0" / "chart.svg").write_text("<svg/>")
    fake.done.clear()
    larger = tiny_recipe({**GRID, "grid.layers": [1, 2, 3]})
    runs = run_grid(larger, tmp_path, run_cell=fake, executor=serial)
    assert {path.parts[0] for path in fake.done} == {"layers=3"}
    assert len(runs) == 12
    smaller = run_grid(tiny_recipe({**GRID, "grid.layers": [3]}), tmp_path, run_cell=fake, executor=serial)
    assert {run.cell["layers"] for run in smaller} == {3}


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


def test_a_failing_cell_leaves_the_finished_ones(tmp_path, tiny_recipe, fake):
    def failing(cell, folder):
        if cell.layers == 2:
            raise RuntimeError("no memory")
        return fake(cell, folder)

    with pytest.raises(RuntimeError, match="no memory"):
        run_grid(tiny_recipe(GRID), tmp_path, run_cell=failing, executor=serial)
    assert len(read_runs(tmp_path)) == 1
