"""Honesty: a poisoned test split changes what is said of the test rows, and nothing else, to the last bit."""

import csv
import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from textlstm.errors import DataError
from textlstm.inference.calibration import CALIBRATION_NAME, calibrate_model
from textlstm.text.datasets import load_data
from textlstm.text.splits import Split
from textlstm.training.finetuning import train, train_into
from textlstm.training.preparation import prepare


def poisoned(data):
    """The same data with a test split of unseen words, other lengths, another number of rows, and shuffled labels."""
    test = data.splits["test"]
    rng = np.random.default_rng(9)
    count = len(test) + 7
    texts = [" ".join(f"poison{word}" for word in rng.integers(0, 50, rng.integers(1, 40))) for _ in range(count)]
    labels = np.resize(test.labels[::-1], (count, *test.labels.shape[1:]))
    test = Split(pa.array(texts, pa.large_string()), labels, np.arange(count))
    return dataclasses.replace(data, splits={**data.splits, "test": test}, fingerprint="f" * 16, notes=["poisoned"])


def outcome(recipe, data):
    """Everything that comes of a run, but what is said of the test rows and of the data as a whole."""
    prepared = prepare(recipe, data)
    trained = train(recipe, prepared=prepared)
    weights = {name: value.numpy().tobytes() for name, value in trained.model.state_dict().items()}
    others = [name for name in prepared.encoded if name != "test"]
    ids = {name: (prepared.encoded[name].ids.tolist(), prepared.encoded[name].offsets.tolist()) for name in others}
    run = trained.run
    assert set(run.metrics) == {*others, "test"}
    return {
        "tokenizer": prepared.tokenizer.backend_tokenizer.to_str(),
        "ids": ids,
        "vectors": None if prepared.vectors is None else np.array(prepared.vectors.rows).tobytes(),
        "notes of vectors": None if prepared.vectors is None else prepared.vectors.notes,
        "further rows": None if prepared.transfer is None else prepared.transfer.encoded.ids.tolist(),
        "what a teacher says": getattr(getattr(prepared.transfer, "logits", None), "tolist", lambda: None)(),
        "weights": weights,
        "config": trained.model.config.to_dict(),
        "epoch": (run.best_epoch, run.stopped_early, run.cost.train_tokens),
        "history": run.history,
        "metrics": {name: run.metrics[name] for name in others},
        "predictions": {name: trained.predictions[name] for name in others},
    }


@pytest.fixture(scope="module")
def vectors(tmp_path_factory, planted):
    """Vectors of the training words and of a poison word, too wide for the model."""
    rng = np.random.default_rng(3)
    words = "the a film story it was and of plot seen good bad poison1 poison2".split()
    path = tmp_path_factory.mktemp("vectors") / "v.txt"
    path.write_text("".join(f"{word} {' '.join(map(str, rng.normal(size=12).round(4)))}\n" for word in words))
    return str(path)


SETTINGS = {
    "validation given": {},
    "no validation": {"data.size": 20},
    "validation held out": {"data.size": 500, "training.epochs": 2},
    "hold-out, mean weights, class weights": {
        "data.holdout": 0.25,
        "training.weight_averaging": 0.9,
        "training.class_weights": "balanced",
    },
    "pieces": {"tokenizer.kind": "bpe", "tokenizer.vocab_size": 300},
    "vectors": {"embeddings.projection": "pca", "embeddings.missing": "mean", "embeddings.scale": 0.5},
    "copies": {"augmentation.copies": 2, "augmentation.rules": ["deletion", "swap"]},
    "a teacher": {"distillation.unlabeled": None},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_nothing_but_the_score_hangs_on_the_test_split(name, tiny_recipe, planted, vectors, encoder):
    changes = {"training.epochs": 3, **SETTINGS[name]}
    if name == "vectors":
        changes["embeddings.source"] = vectors
    if name == "a teacher":
        changes["distillation.teacher"] = str(encoder)
    rows = 640 if name == "validation held out" else 60
    given = {} if name == "validation held out" else {"validation": planted(30, 1)}
    data = load_data(planted(rows, 0), test=planted(30, 2), **given)
    recipe = tiny_recipe({key: value for key, value in changes.items() if value is not None})
    clean, spoilt = outcome(recipe, data), outcome(recipe, poisoned(data))
    for part in clean:
        assert clean[part] == spoilt[part], part
    assert (name == "vectors") == (clean["vectors"] is not None)
    assert (name in ("copies", "a teacher")) == (clean["further rows"] is not None)


def test_the_test_rows_themselves_are_scored_as_they_are(tiny_recipe, tiny_data):
    clean, spoilt = (train(tiny_recipe({"training.epochs": 3}), data).run for data in (tiny_data, poisoned(tiny_data)))
    assert clean.metrics["test"].accuracy.value > 0.8 > spoilt.metrics["test"].accuracy.value
    assert spoilt.metrics["test"].rows == clean.metrics["test"].rows + 7


def write_csv(path, texts, labels):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *zip(texts, labels, strict=True)])
    return str(path)


def test_temperature_and_thresholds_are_not_fitted_on_the_test_split(tmp_path, tiny_recipe, planted):
    files = {name: write_csv(tmp_path / f"{name}.csv", *planted(60, seed)) for seed, name in enumerate("abc")}
    settings = {"data.source": files["a"], "data.validation": files["b"], "data.test": files["c"], "training.epochs": 2}
    recipe = tiny_recipe(settings)
    train_into(tmp_path / "model", recipe)
    calibrate_model(tmp_path / "model")
    before = (tmp_path / "model" / CALIBRATION_NAME).read_bytes()
    _, labels = planted(60, 2)
    write_csv(tmp_path / "c.csv", [f"poison {row}" for row in range(60)], labels[::-1])
    calibrate_model(tmp_path / "model")
    assert (tmp_path / "model" / CALIBRATION_NAME).read_bytes() == before
    alone = recipe.override({"data.validation": None})
    train_into(tmp_path / "alone", alone)
    with pytest.raises(DataError, match=r"kept no validation rows .* its test rows stay for the score"):
        calibrate_model(tmp_path / "alone")
    assert calibrate_model(tmp_path / "alone", data=files["b"]).path.exists()
