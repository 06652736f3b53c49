"""A small trained model with texts to look at, for whole inspections."""

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest

from textlstm.analysis.diagnostics.notes import finetune_watched
from textlstm.text.protocol import load_recipe_data


@dataclass(frozen=True)
class Trained:
    """A model's folder, the folder of its data, and the share of its training that watching took."""

    model: Path
    data: Path
    watching: float


@pytest.fixture(scope="session")
def watched_model(tmp_path_factory, tiny_recipe, planted):
    """Two layers on 150 texts, watched; 120 texts to score on."""
    folder = tmp_path_factory.mktemp("inspected")
    data = folder / "data"
    data.mkdir()
    for seed, (name, rows) in enumerate({"train": 150, "validation": 40, "test": 120}.items()):
        texts, labels = planted(rows, seed)
        with (data / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([("text", "label"), *zip(texts, labels, strict=True)])
    recipe = tiny_recipe({"name": "watched", "data.source": str(data), "model.num_layers": 2, "training.epochs": 3})
    _, share = finetune_watched(recipe, load_recipe_data(recipe), out=folder / "model")
    return Trained(folder / "model", data, share)


@pytest.fixture(scope="session")
def inspection(watched_model):
    """A quick inspection of it."""
    from textlstm.analysis.diagnostics.inspection import inspect_model

    return inspect_model(watched_model.model, watched_model.data, quick=True, texts=6)
