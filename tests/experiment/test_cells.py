"""Real cells on tiny data: written down, paired over depths, and the same whether or not the grid was interrupted."""

import pickle

import pytest

import textlstm.training.preparation as preparation
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import serial
from textlstm.experiment.grid import plan_cells
from textlstm.experiment.openings import count_openings
from textlstm.experiment.runs import read_runs
from textlstm.experiment.sweep import run_grid
from textlstm.results import read_predictions, read_run
from textlstm.training.finetuning import train

GRID = {"grid.layers": [1, 2], "grid.sizes": [20, "full"], "training.epochs": 1}


def figures(runs):
    """All that must not depend on the clock."""
    return [(run.cell, run.metrics, run.history, run.best_epoch, run.cost.train_tokens) for run in runs]


def test_a_grid_interrupted_in_the_middle_ends_like_one_that_was_not(tmp_path, tiny_recipe, tiny_data):
    recipe = tiny_recipe(GRID)
    whole = run_grid(recipe, tmp_path / "whole", run_cell=TrainCell(tiny_data), executor=serial)

    def stop(cell, run, finished_before):
        if (cell.layers, cell.size) == (1, "full"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_grid(recipe, tmp_path / "cut", run_cell=TrainCell(tiny_data), executor=serial, listener=stop)
    assert len(read_runs(tmp_path / "cut")) == 3
    kept = []
    cut = run_grid(
        recipe,
        tmp_path / "cut",
        run_cell=TrainCell(tiny_data),
        executor=serial,
        data_fingerprint=tiny_data.fingerprint,
        listener=lambda cell, run, finished_before: kept.append(finished_before),
    )
    assert kept.count(True) == 3
    assert figures(cut.runs) == figures(whole.runs)
    for cell in plan_cells(recipe):
        ours, theirs = (read_predictions(tmp_path / name / cell.path, "test") for name in ("cut", "whole"))
        assert ours == theirs
        assert len(ours) == 30


def test_depths_of_one_size_and_seed_share_their_rows_and_are_encoded_once(
    tmp_path, tiny_recipe, tiny_data, monkeypatch
):
    prepared = []
    prepare = preparation.prepare

    def counted(recipe, data):
        prepared.append((recipe.data.size, recipe.seed))
        return prepare(recipe, data)

    monkeypatch.setattr(preparation, "prepare", counted)
    recipe = tiny_recipe({**GRID, "grid.seeds": 2, "grid.sizes": [20]})
    run_grid(recipe, tmp_path, run_cell=TrainCell(tiny_data), executor=serial)
    assert prepared == [(20, 0), (20, 1)]
    rows = {
        cell.path: read_predictions(tmp_path / cell.path, "train")["row"].to_pylist() for cell in plan_cells(recipe)
    }
    one, two = ([path for path in rows if f"seed={seed}" in str(path)] for seed in (0, 1))
    assert rows[one[0]] == rows[one[1]] != rows[two[0]] == rows[two[1]]


def test_each_scored_cell_counts_as_one_opening_of_the_test_split(tmp_path, tiny_recipe, tiny_data):
    recipe = tiny_recipe({**GRID, "grid.sizes": [20]})
    for _ in range(2):  # the second time nothing is scored
        run_grid(recipe, tmp_path, run_cell=TrainCell(tiny_data, root=tmp_path), executor=serial)
    assert count_openings(tmp_path) == 2
    closed = tiny_recipe({**GRID, "grid.sizes": [20], "data.score_test": False})
    sweep = run_grid(closed, tmp_path / "closed", run_cell=TrainCell(tiny_data, root=tmp_path), executor=serial)
    assert [set(run.metrics) for run in sweep.runs] == [{"train"}] * 2
    assert count_openings(tmp_path) == 2


def test_a_run_that_is_cut_off_counts_as_a_look_at_the_test_split_and_a_trial_does_not(
    tmp_path, tiny_recipe, tiny_data, monkeypatch
):
    def cut_off(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("textlstm.training.finetuning.train", cut_off)
    run_cell = TrainCell(tiny_data, root=tmp_path)
    for scored in (False, True):
        (cell,) = plan_cells(tiny_recipe({"data.score_test": scored}))
        with pytest.raises(KeyboardInterrupt):
            run_cell(cell, tmp_path / cell.path)
        assert count_openings(tmp_path) == int(scored)


def test_on_this_machine_a_path_travels_and_elsewhere_the_data(tmp_path, tiny_recipe, tiny_data):
    (cell,) = plan_cells(tiny_recipe({"grid.layers": [2], "grid.sizes": [20], "training.epochs": 1}))
    with TrainCell(tiny_data, root=tmp_path) as here:
        ours = here(cell, tmp_path / "ours")
        sent = pickle.dumps(here)
        assert len(sent) < 1000
        worker = pickle.loads(sent)  # noqa: S301 - our own
        theirs = worker(cell, tmp_path / "theirs")
        assert worker(cell, tmp_path / "again").metrics == theirs.metrics
        far = pickle.loads(pickle.dumps(here.with_data()))  # noqa: S301 - our own
    assert count_openings(tmp_path) == 3  # this process and the worker twice
    elsewhere = far(cell, tmp_path / "elsewhere")  # the files of this machine are gone by now
    assert count_openings(tmp_path) == 3
    here.arrived(cell, elsewhere)
    here.arrived(cell, elsewhere.model_copy(update={"metrics": {"train": elsewhere.metrics["train"]}}))
    assert count_openings(tmp_path) == 4
    assert figures([theirs]) == figures([elsewhere]) == figures([ours])
    for name in ("theirs", "elsewhere"):
        assert read_predictions(tmp_path / name, "test") == read_predictions(tmp_path / "ours", "test")


def test_who_wants_more_than_scores_may_train_by_himself(tmp_path, tiny_recipe, tiny_data):
    def train_and_keep(recipe, prepared, folder):
        trained = train(recipe, prepared=prepared)
        (folder / "notes.txt").write_text(trained.run.name)
        return trained

    (cell,) = plan_cells(tiny_recipe({"training.epochs": 1}))
    run = TrainCell(tiny_data, train_one=train_and_keep)(cell, tmp_path / "run")
    assert read_run(tmp_path / "run") == run
    assert (tmp_path / "run" / "notes.txt").read_text() == "tiny"
