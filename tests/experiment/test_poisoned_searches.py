"""Honesty of searches and baselines: a poisoned test split changes no trial, no choice and no fitted model."""

import dataclasses

import numpy as np
import pyarrow as pa

from textlstm.experiment.baselines import read_baselines, run_baselines
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import serial
from textlstm.experiment.grid import DataFacts, plan_cells
from textlstm.experiment.sweep import run_grid
from textlstm.experiment.tuned import chosen_trials
from textlstm.experiment.tuning import tune
from textlstm.experiment.tuning_journal import Limits
from textlstm.results import read_predictions
from textlstm.text.splits import Split


def poisoned(data, *, keep=0):
    """The same data with a test split of unseen words and turned labels, behind so many rows that stay."""
    test = data.splits["test"]
    texts = [*test.text_list()[:keep], *(f"poison{row} poison" for row in range(len(test)))]
    labels = np.concatenate([test.labels[:keep], 1 - test.labels])
    other = Split(pa.array(texts, pa.large_string()), labels, np.arange(len(texts)))
    return dataclasses.replace(data, splits={**data.splits, "test": other}, fingerprint="f" * 16)


def test_a_search_draws_and_chooses_the_same(tmp_path, tiny_recipe, tiny_data):
    fixed = {"model.hidden_size": 4, "model.embedding_size": 4, "training.epochs": 2}
    found = [
        tune(tiny_recipe(fixed), data, tmp_path / name, fixed=fixed, limits=Limits(trials=2, max_layers=1))
        for name, data in (("clean", tiny_data), ("poisoned", poisoned(tiny_data)))
    ]
    clean, spoilt = ([(t.outcome, t.settings, t.loss) for t in one.trials] for one in found)
    assert clean == spoilt
    assert found[0].judged_by == found[1].judged_by == "log loss on validation rows"


def test_the_tuned_control_chooses_the_same_trial(tmp_path, tiny_recipe, tiny_data):
    grid = {"grid.layers": [1], "grid.sizes": ["full"], "grid.controls": ["tuned"], "grid.tuning.trials": 3}
    recipe = tiny_recipe({**grid, "training.epochs": 2})
    cells = plan_cells(recipe, DataFacts(given_validation=True))
    losses, choices = [], []
    for name, data in (("clean", tiny_data), ("poisoned", poisoned(tiny_data))):
        done = run_grid(recipe, tmp_path / name, run_cell=TrainCell(data), executor=serial, cells=cells)
        losses.append([run.metrics["validation"] for run in done.runs])
        choices.append(chosen_trials(tmp_path / name, done.runs))
        assert all("test" not in run.metrics for run in done.runs)
    assert losses[0] == losses[1]
    assert choices[0] == choices[1]
    assert len(choices[0]) == 1


def test_baselines_fit_the_same(tmp_path, tiny_recipe, tiny_data):
    recipe = tiny_recipe({"grid.sizes": ["full"], "grid.seeds": 1, "grid.baselines": ["majority", "tfidf"]})
    rows = len(tiny_data.splits["test"])
    probabilities, strengths = {}, {}
    for name, data in (("clean", tiny_data), ("poisoned", poisoned(tiny_data, keep=rows))):
        run_baselines(recipe, data, tmp_path / name)
        results = read_baselines(tmp_path / name)
        strengths[name] = [result.strength for result in results]
        tables = [read_predictions(tmp_path / name / result.path, "test") for result in results]
        probabilities[name] = [table["probabilities"].to_pylist()[:rows] for table in tables]
    assert strengths["clean"] == strengths["poisoned"]
    assert probabilities["clean"] == probabilities["poisoned"]
