"""SIGKILL of real work at any moment of its progress: the same command then gives what undisturbed work gives."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from killed_work import count

from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import serial
from textlstm.experiment.grid import plan_cells
from textlstm.experiment.sweep import run_grid
from textlstm.inference.prediction_files import predict_file
from textlstm.inference.predictor import Predictor
from textlstm.recipe_files import load_recipe
from textlstm.results import read_run
from textlstm.text.protocol import load_recipe_data
from textlstm.training.finetuning import train_into


def killed(kind, folder, *, kills, seed):
    """Kill the work so often, let it finish, and give how often a kill found it alive."""
    log = folder / "log"
    command = [sys.executable, Path(__file__).parent / "killed_work.py", kind, folder, log, kills, seed]
    subprocess.run(list(map(str, command)), check=True, timeout=1200)
    words = log.read_text().split()
    assert not [word for word in words if word.startswith("failed")]
    assert words[-1] == "finished"
    assert count(log, "step") > 0
    return words.count("killed")


def write_csv(path, head, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


@pytest.fixture(scope="module")
def place(tmp_path_factory, planted, tiny_recipe):
    """Data, and a recipe of some hundred updates with validation, patience and mean weights."""
    place = tmp_path_factory.mktemp("work")
    for seed, (name, rows) in enumerate({"train": 60, "validation": 30, "test": 30}.items()):
        write_csv(place / f"{name}.csv", ("text", "label"), zip(*planted(rows, seed), strict=True))
    recipe = tiny_recipe(
        {
            "data.source": str(place / "train.csv"),
            "data.validation": str(place / "validation.csv"),
            "data.test": str(place / "test.csv"),
            "training.epochs": 12,
            "training.patience": 12,
            "training.weight_averaging": 0.9,
        }
    )
    (place / "recipe.yaml").write_text(recipe.to_yaml())
    return place


@pytest.fixture(scope="module")
def undisturbed(place):
    recipe = load_recipe(place / "recipe.yaml")
    train_into(place / "whole", recipe, load_recipe_data(recipe))
    return place / "whole"


@pytest.mark.parametrize(
    ("kills", "seed"), [(3, 1), *(pytest.param(50, seed, marks=pytest.mark.slow) for seed in (2, 3))]
)
def test_a_killed_training_ends_like_an_undisturbed_one(place, undisturbed, tmp_path, kills, seed):
    recipe = load_recipe(place / "recipe.yaml")
    if kills > 3:  # more kills take more updates
        recipe = recipe.override({"training.epochs": 2 * kills, "training.patience": 2 * kills})
        train_into(tmp_path / "whole", recipe, load_recipe_data(recipe))
        undisturbed = tmp_path / "whole"
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert killed("train", tmp_path, kills=kills, seed=seed) >= kills - 1
    ours, whole = tmp_path / "out", undisturbed
    for name in ("model.safetensors", "predictions.parquet", "tokenizer.json", "config.json", "recipe.yaml"):
        assert (ours / name).read_bytes() == (whole / name).read_bytes(), name
    mine, theirs = read_run(ours), read_run(whole)
    assert (mine.metrics, mine.history, mine.best_epoch) == (theirs.metrics, theirs.history, theirs.best_epoch)
    assert mine.data == theirs.data
    left = {path.name for path in ours.iterdir()} - {"checkpoints"}  # a kill after the last word leaves those
    assert left == {path.name for path in whole.iterdir()}


@pytest.mark.parametrize(
    ("kills", "seed"), [(3, 4), *(pytest.param(50, seed, marks=pytest.mark.slow) for seed in (5, 6))]
)
def test_a_killed_prediction_writes_the_bytes_of_an_undisturbed_one(undisturbed, tmp_path, kills, seed):
    rng = np.random.default_rng(seed)
    words = "the a film story good bad it was never seen".split()
    rows = [(number, " ".join(rng.choice(words, rng.integers(1, 12)))) for number in range(40 * kills)]
    write_csv(tmp_path / "in.csv", ("id", "text"), rows)
    shutil.copytree(undisturbed, tmp_path / "model")
    predictor = Predictor.load(tmp_path / "model", backend="torch", threads=1)
    predict_file(predictor, tmp_path / "in.csv", tmp_path / "whole.csv", window_rows=5, probabilities=True)
    assert killed("predict", tmp_path, kills=kills, seed=seed) >= kills - 1
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seed"), [("grid", 7), ("workers", 8)])
def test_a_grid_of_real_cells_killed_five_times_ends_like_an_undisturbed_one(place, tmp_path, kind, seed):
    grid = {"grid.layers": [1, 2], "grid.sizes": [20, "full"], "grid.seeds": 6, "training.epochs": 2}
    recipe = load_recipe(place / "recipe.yaml").override(grid)
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    whole = run_grid(recipe, tmp_path / "whole", run_cell=TrainCell(load_recipe_data(recipe)), executor=serial)
    assert killed(kind, tmp_path, kills=5, seed=seed) >= 4
    cells = plan_cells(recipe)
    for cell, run in zip(cells, whole.runs, strict=True):
        ours = read_run(tmp_path / "out" / cell.path)
        assert (ours.cell, ours.metrics, ours.history, ours.data) == (run.cell, run.metrics, run.history, run.data)
        name = cell.path / "predictions.parquet"
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    left = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()}
    names = ("environment.json", "predictions.parquet", "recipe.yaml", "result.json")
    assert left == {cell.path / name for cell in cells for name in names}
