"""Texts with a planted rule, a recipe so small that a run takes a third of a second, and runs made without training."""

import gc

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from textlstm.recipe import validate
from textlstm.results import Cost, DataUse, Epoch, Estimate, Run, SplitMetrics, predictions_table
from textlstm.text.datasets import load_data

# A busy machine is no failure: no test is timed. `make test` draws the same cases each time, so that no change is
# refused for what it did not touch; `make test-all` draws others (--hypothesis-profile=wide).
_UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", _UNTIMED, derandomize=True)
settings.register_profile("wide", _UNTIMED, derandomize=False)
settings.load_profile("steady")

FILLERS = "the a film story it was and of plot seen".split()
KEYS = {"neg": "bad", "pos": "good"}
TINY = {
    "name": "tiny",
    "data": {"source": "texts in memory"},
    "tokenizer": {"kind": "word", "min_frequency": 1},
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


def pytest_collection_finish():
    """Take what is imported now out of garbage collections: accelerate asks for one after every training, and to walk
    through all of torch and transformers takes as long as the training of a tiny stack."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _no_old_garbage():
    """The same for what the tests before, in other files, have imported and kept."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Nothing that a test asks a teacher stays on the machine, or comes from there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTLSTM_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


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


def _metrics(accuracy, rows=40):
    figure = Estimate(value=accuracy, low=max(0.0, accuracy - 0.1), high=min(1.0, accuracy + 0.1))
    return SplitMetrics(rows=rows, accuracy=figure, macro_f1=figure, log_loss=figure, ece=figure, per_class=[])


def _run(recipe, *, accuracy=0.75, fingerprint="0" * 16):
    layers = recipe.model.num_layers
    return Run(
        name=recipe.name,
        cell={"layers": layers, "size": recipe.data.size, "seed": recipe.seed},
        fingerprint=recipe.fingerprint(),
        settings=recipe.model_dump(mode="json", exclude={"grid"}),
        data=DataUse(
            source="here",
            fingerprint=fingerprint,
            label_names=["neg", "pos"],
            multi_label=False,
            rows={"train": 60, "test": 40},
            labels_used=60,
            notes=[],
        ),
        metrics={"train": _metrics(1.0), "test": _metrics(accuracy)},
        history=[Epoch(epoch=1, step=8, train_loss=0.5, learning_rate=0.1, gradient_norm=1.0, clipped=0.0)],
        best_epoch=1,
        stopped_early=False,
        cost=Cost(
            parameters=1000 * layers,
            parameters_without_embeddings=800,
            flops_per_token=1600,
            train_seconds=float(layers),
            train_tokens=500,
            tokens_per_second=500.0,
            peak_memory_mb=300.0,
        ),
        environment={"torch": "2"},
    )


def _predictions(rows=4):
    chances = np.tile([0.25, 0.75], (rows, 1))
    return {name: predictions_table(np.arange(rows), np.ones(rows, dtype=int), chances) for name in ("train", "test")}


@pytest.fixture(scope="session")
def make_run():
    """Makes a run of a recipe as plain values."""
    return _run


@pytest.fixture(scope="session")
def make_predictions():
    return _predictions
