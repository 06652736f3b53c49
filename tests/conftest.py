"""Texts with a planted rule and a recipe so small that a run on them takes a third of a second."""

import numpy as np
import pytest

from textlstm.recipe import validate
from textlstm.text.datasets import load_data

FILLERS = "the a film story it was and of plot seen".split()
KEYS = {"neg": "bad", "pos": "good"}
TINY = {
    "name": "tiny",
    "data": {"source": "texts in memory"},
    "model": {
        "embedding_size": 8,
        "hidden_size": 8,
        "pooling": "max",
        "embedding_dropout": 0.0,
        "input_dropout": 0.1,
        "layer_dropout": 0.1,
        "output_dropout": 0.1,
    },
    "training": {"epochs": 4, "min_updates": 0, "batch_size": 8, "learning_rate": 0.02, "patience": 3},
}


def _planted(rows, seed):
    """Texts of fillers with one word, anywhere, that decides the label."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(list(KEYS), rows)
    labels[:2] = list(KEYS)
    texts = []
    for label in labels:
        words = list(rng.choice(FILLERS, rng.integers(3, 9)))
        words.insert(rng.integers(len(words) + 1), KEYS[label])
        texts.append(" ".join(words))
    return texts, labels.tolist()


def _recipe(changes=None):
    return validate(TINY, origin="the tests").override(changes or {})


@pytest.fixture(scope="session")
def planted():
    return _planted


@pytest.fixture(scope="session")
def tiny_recipe():
    """Makes the tiny recipe with changes by dotted keys."""
    return _recipe


@pytest.fixture(scope="session")
def tiny_data():
    """60 training, 30 validation and 30 test rows."""
    return load_data(_planted(60, 0), validation=_planted(30, 1), test=_planted(30, 2))
