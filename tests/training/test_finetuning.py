"""One run from end to end: it learns, repeats to the bit, survives interruptions, and leaves a usable model."""

import dataclasses

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import textlstm.training.finetuning as finetuning
from textlstm.errors import DataError, NonFiniteLossError, RecipeError
from textlstm.inference.predictor import Predictor
from textlstm.inference.torch_classifier import TorchClassifier
from textlstm.text.datasets import load_data
from textlstm.training.finetuning import finetune, train


def changed_split(data, name, **changes):
    """The same data with one split changed."""
    return dataclasses.replace(data, splits={**data.splits, name: dataclasses.replace(data.splits[name], **changes)})


def without(data, *names):
    return dataclasses.replace(data, splits={name: part for name, part in data.splits.items() if name not in names})


@pytest.fixture(scope="module")
def trained(tiny_recipe, tiny_data):
    return train(tiny_recipe(), tiny_data)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_planted_rule_is_learned(planted, tiny_recipe, layers):
    data = load_data(planted(200, 3), test=planted(100, 4))
    run = finetune(tiny_recipe({"model.num_layers": layers, "training.epochs": 12}), data)
    assert run.score >= 0.97
    assert run.history[-1].train_loss < 0.3 * run.history[0].train_loss


def test_the_same_seed_gives_the_same_run_and_another_seed_another(trained, tiny_recipe, tiny_data, assert_same_run):
    torch.manual_seed(123)  # what a caller did before does not matter
    np.random.seed(7)  # noqa: NPY002 - the global generator is the point
    assert_same_run(train(tiny_recipe(), tiny_data), trained)
    other = train(tiny_recipe({"seed": 1}), tiny_data)
    assert other.run.history != trained.run.history


def test_texts_read_in_windows_train_the_same_model(trained, tiny_recipe, tiny_data):
    """Texts have 4 to 9 words; dropout is drawn the same, so that only rounding is between the two."""
    done = train(tiny_recipe({"model.window": 3}), tiny_data)
    assert done.model.config.window == 3
    assert done.run.best_epoch == trained.run.best_epoch
    for name, weight in trained.model.state_dict().items():
        torch.testing.assert_close(done.model.state_dict()[name], weight, atol=1e-3, rtol=0)
    for split, table in trained.predictions.items():
        wanted, found = (np.array(one["probabilities"].to_pylist()) for one in (table, done.predictions[split]))
        np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_the_test_split_never_influences_training(trained, tiny_recipe, tiny_data, planted):
    texts, labels = planted(30, 2)
    poisoned = load_data(
        planted(60, 0),
        validation=planted(30, 1),
        test=([f"poison {text} bad good" for text in texts], ["pos" if label == "neg" else "neg" for label in labels]),
    )
    assert poisoned.fingerprint != tiny_data.fingerprint
    found = train(tiny_recipe(), poisoned)
    for name, weight in trained.model.state_dict().items():
        assert torch.equal(weight, found.model.state_dict()[name])
    assert found.predictions["validation"] == trained.predictions["validation"]
    assert found.predictions["test"] != trained.predictions["test"]


def test_predictions_come_in_input_order(trained, tiny_data):
    predictor = Predictor(TorchClassifier(trained.model, trained.tokenizer))
    for name, split in tiny_data.splits.items():
        table = trained.predictions[name]
        assert table["row"].to_pylist() == split.rows.tolist()
        assert table["label"].to_pylist() == split.labels.tolist()
        stored = np.array(table["probabilities"].to_pylist())
        np.testing.assert_allclose(stored, predictor.probabilities(split.texts), atol=1e-6)
        assert trained.run.metrics[name].accuracy.value == np.mean(stored.argmax(1) == split.labels)


def test_a_subset_reports_the_rows_of_the_source(tiny_recipe, tiny_data):
    done = train(tiny_recipe({"data.size": 20, "training.epochs": 1}), tiny_data)
    rows = done.predictions["train"]["row"].to_pylist()
    assert len(set(rows)) == done.run.data.labels_used == 20
    assert set(rows) <= set(range(60))
    assert done.run.cell == {"layers": 1, "size": 20, "seed": 0}


@pytest.mark.parametrize(("choose_by", "averaging"), [("log_loss", 0.9), ("accuracy", 0.0)])
def test_the_best_epochs_weights_are_restored(tiny_recipe, tiny_data, choose_by, averaging):
    changes = {"training.choose_by": choose_by, "training.weight_averaging": averaging, "training.patience": None}
    run = train(tiny_recipe({**changes, "training.learning_rate": 0.2}), tiny_data).run
    figures = {
        "log_loss": [-epoch.validation_loss for epoch in run.history],
        "accuracy": [epoch.validation_accuracy for epoch in run.history],
    }[choose_by]
    best = int(np.argmax(figures))  # the first of equals
    assert run.best_epoch == run.history[best].epoch
    assert run.metrics["validation"].log_loss.value == pytest.approx(run.history[best].validation_loss, abs=1e-6)
    assert run.metrics["validation"].accuracy.value == run.history[best].validation_accuracy


def test_without_validation_the_last_weights_are_kept_or_their_mean(tiny_recipe, tiny_data):
    data = without(tiny_data, "validation")
    plain = train(tiny_recipe({"training.epochs": 3}), data)
    mean = train(tiny_recipe({"training.epochs": 3, "training.weight_averaging": 0.9}), data)
    assert "validation" not in plain.run.metrics
    assert plain.run.best_epoch == plain.run.history[-1].epoch == 3
    assert plain.run.history == mean.run.history  # averaging changes what is kept, not what is trained
    assert plain.predictions["test"] != mean.predictions["test"]


def test_a_small_subset_still_gets_enough_updates(tiny_recipe, tiny_data):
    changes = {"data.size": 16, "training.epochs": 1, "training.min_updates": 23}
    run = train(tiny_recipe(changes), tiny_data).run
    assert 23 <= run.history[-1].step < 23 + 4
    assert run.history[-1].epoch == len(run.history) > 1
    accumulated = train(tiny_recipe({**changes, "training.gradient_accumulation": 2}), tiny_data).run
    assert accumulated.history[-1].step >= 23


def test_tokens_are_counted_by_the_batch_whatever_an_update_holds(tiny_recipe, tiny_data):
    runs = [
        train(tiny_recipe({"training.gradient_accumulation": n, "training.patience": None}), tiny_data).run
        for n in (1, 3)
    ]
    assert runs[0].cost.train_tokens == runs[1].cost.train_tokens > 0
    assert runs[0].history[-1].step > 2 * runs[1].history[-1].step


def test_a_run_leaves_nothing_behind_where_it_was_started(tiny_recipe, tiny_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(tiny_recipe({"training.epochs": 1}), tiny_data)
    assert list(tmp_path.iterdir()) == []


# Every key of the `training:` section does something.

SECOND = {
    "epochs": 2,
    "min_updates": 60,
    "batch_size": 4,
    "learning_rate": 0.01,
    "embedding_learning_rate": 0.001,
    "schedule": "constant",
    "warmup": 0.5,
    "weight_decay": 0.5,
    "max_grad_norm": 1e-3,
    "gradient_accumulation": 2,
    "patience": 1,
    "choose_by": "accuracy",
    "weight_averaging": 0.9,
    "class_weights": "balanced",
    "update_share": 0.5,
}
"""Another value for each key; `precision` and `checkpoint_seconds` have tests of their own."""


FIRST = {
    "epochs": 8,
    "min_updates": 0,
    "batch_size": 8,
    "learning_rate": 0.05,
    "embedding_learning_rate": None,
    "schedule": "cosine",
    "warmup": 0.1,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "gradient_accumulation": 1,
    "patience": None,
    "choose_by": "log_loss",
    "weight_averaging": 0.0,
    "class_weights": "none",
    "update_share": 1.0,
}


@pytest.fixture(scope="module")
def section_base(tiny_recipe, noise):
    recipe = tiny_recipe({f"training.{key}": value for key, value in FIRST.items()})
    return recipe, train(recipe, noise)


@pytest.mark.parametrize("key", SECOND)
def test_every_training_key_changes_the_run(section_base, noise, key):
    recipe, base = section_base
    other = train(recipe.override({f"training.{key}": SECOND[key]}), noise)
    assert (other.run.history, other.run.best_epoch, other.predictions) != (
        base.run.history,
        base.run.best_epoch,
        base.predictions,
    )


def test_every_training_key_is_tried(tiny_recipe):
    elsewhere = {"precision", "checkpoint_seconds"}
    assert set(FIRST) & set(SECOND) | elsewhere == set(type(tiny_recipe().training).model_fields)


def test_checkpoints_are_as_far_apart_as_asked(tiny_recipe, tiny_data, tmp_path, checkpoint_every_update):
    def checkpoints_seen(seconds):
        seen = set()
        folder = tmp_path / str(seconds)
        changes = {"training.checkpoint_seconds": seconds, "training.epochs": 2}
        train(
            tiny_recipe(changes),
            tiny_data,
            checkpoints=folder,
            listener=lambda report: seen.update(path.name for path in folder.glob("checkpoint-*")),
        )
        return len(seen)

    assert checkpoints_seen(3600) > checkpoints_seen(4 * 3600) > checkpoints_seen(10**9) == 0


def test_bf16_works_on_the_cpu_and_fp16_is_refused_there(trained, tiny_recipe, tiny_data):
    low = train(tiny_recipe({"training.precision": "bf16", "device": "cpu"}), tiny_data)
    assert low.run.history != trained.run.history
    assert all(weight.dtype == torch.float32 for weight in low.model.parameters())
    with pytest.raises(RecipeError, match=r"training\.precision: fp16 needs a GPU"):
        train(tiny_recipe({"training.precision": "fp16", "device": "cpu"}), tiny_data)


def test_balanced_class_weights_make_the_rare_class_likelier(tiny_recipe, planted):
    texts, labels = planted(80, 8)
    keep = [row for row, label in enumerate(labels) if label == "neg" or row % 8 == 1]
    data = load_data(([texts[row] for row in keep], [labels[row] for row in keep]), test=planted(40, 9))
    plain, balanced = (
        train(tiny_recipe({"training.class_weights": value, "training.epochs": 2}), data)
        for value in ("none", "balanced")
    )
    rare = [np.array(done.predictions["test"]["probabilities"].to_pylist())[:, 1].mean() for done in (plain, balanced)]
    assert rare[1] > rare[0] + 0.02


# Embeddings.


def test_the_embedding_is_sparse_on_the_cpu_and_a_rate_of_zero_freezes_it(trained, tiny_recipe, tiny_data):
    embedding = trained.model.get_input_embeddings()
    assert embedding.sparse == (trained.run.environment["device"] == "cpu")
    frozen = train(tiny_recipe({"training.embedding_learning_rate": 0}), tiny_data)
    start = finetuning.build_model(frozen.model.config, seed=0).get_input_embeddings().weight
    assert torch.equal(frozen.model.get_input_embeddings().weight, start)
    assert not torch.equal(embedding.weight, start)
    assert torch.equal(embedding.weight[trained.tokenizer.pad_token_id], torch.zeros(8))


# Data in every form, tokenizers of every kind.


def in_memory_forms(texts, labels):
    import datasets
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    columns = {"text": texts, "label": labels}
    return {
        "lists": (texts, labels),
        "dict": columns,
        "rows": [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)],
        "pandas": pd.DataFrame(columns),
        "polars": pl.DataFrame(columns),
        "arrow": pa.table(columns),
        "dataset": datasets.Dataset.from_dict(columns),
        "dataset dict": datasets.DatasetDict({"train": datasets.Dataset.from_dict(columns)}),
    }


def test_data_in_memory_trains_the_same_in_every_form(planted, tiny_recipe):
    recipe = tiny_recipe({"training.epochs": 1})
    found = {name: finetune(recipe, load_data(form)) for name, form in in_memory_forms(*planted(24, 0)).items()}
    assert len({run.data.fingerprint for run in found.values()}) == 1
    assert all(run.metrics == found["lists"].metrics for run in found.values())


@pytest.mark.parametrize("kind", ["word", "bpe", "wordpiece", "unigram", "pretrained"])
def test_every_kind_of_tokenizer_trains(trained, tiny_recipe, tiny_data, kind, tmp_path):
    changes = {"tokenizer.kind": kind, "tokenizer.vocab_size": 300, "training.epochs": 1}
    if kind == "pretrained":
        trained.tokenizer.save_pretrained(tmp_path)
        fields = type(tiny_recipe().tokenizer).model_fields  # a given tokenizer takes no other setting
        unset = {f"tokenizer.{key}": fields[key].default for key in ("vocab_size", "min_frequency")}
        changes |= {"tokenizer.source": str(tmp_path), **unset}
    done = train(tiny_recipe(changes), tiny_data)
    assert done.model.config.vocab_size == len(done.tokenizer)
    if kind == "pretrained":
        assert done.tokenizer.get_vocab() == trained.tokenizer.get_vocab()


def test_multi_label_from_end_to_end(tiny_recipe, planted, tmp_path):
    texts, labels = planted(120, 0)
    sets = [
        [label, *(["long"] if len(text.split()) > 6 else [])] if row % 9 else []
        for row, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]
    data = load_data({"text": texts, "labels": sets})
    run = finetune(tiny_recipe({"training.epochs": 2, "training.class_weights": "balanced"}), data, out=tmp_path)
    assert data.multi_label and run.data.multi_label
    predictor = Predictor.load(tmp_path)
    assert predictor.multi_label
    assert predictor.label_names == ["long", "neg", "pos"]
    assert predictor.probabilities(texts).shape == (120, 3)


def test_finetune_leaves_a_folder_that_transformers_loads(tiny_recipe, tiny_data, tmp_path):
    out = tmp_path / "models" / "mine"
    run = finetune(tiny_recipe({"training.epochs": 1}), tiny_data, out=out)
    model = AutoModelForSequenceClassification.from_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    texts = tiny_data.splits["test"].text_list()
    with torch.inference_mode():
        logits = model(**tokenizer(texts, padding=True, truncation=True, return_tensors="pt")).logits
    names = [model.config.id2label[int(index)] for index in logits.argmax(1)]
    truth = [tiny_data.label_names[label] for label in tiny_data.splits["test"].labels]
    assert np.mean(np.array(names) == truth) == run.metrics["test"].accuracy.value
    assert not (out / "checkpoints").exists()


# What goes wrong is said.


@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_split_without_labels_is_left_aside_and_said(tiny_recipe, tiny_data, name):
    run = train(tiny_recipe({"training.epochs": 1}), changed_split(tiny_data, name, labels=None)).run
    assert name not in run.metrics
    assert f"{name} has no labels and is left aside" in run.data.notes


def test_rows_of_one_class_are_refused(tiny_recipe, tiny_data):
    train_split = tiny_data.splits["train"]
    alone = changed_split(tiny_data, "train", labels=np.zeros(len(train_split), dtype=np.int64))
    with pytest.raises(DataError, match="at least two classes, and all 60 training rows"):
        train(tiny_recipe(), alone)
    with pytest.raises(DataError, match="needs labels"):
        train(tiny_recipe(), changed_split(without(tiny_data, "validation", "test"), "train", labels=None))


def test_an_infinite_weight_stops_the_run_at_its_step(tiny_recipe, tiny_data, monkeypatch, tmp_path):
    build = finetuning.build_model

    def damaged(config, **options):
        model = build(config, **options)
        model.get_input_embeddings().weight.data[2:] = float("inf")
        return model

    monkeypatch.setattr(finetuning, "build_model", damaged)
    with pytest.raises(NonFiniteLossError, match=r"at step 1 of \d+ the gradient norm became nan.*learning rate"):
        train(tiny_recipe(), tiny_data, checkpoints=tmp_path / "checkpoints")
    assert not (tmp_path / "checkpoints").exists()  # the mended recipe may start at once


def test_scores_of_validation_rows_that_are_no_numbers_stop_the_run(tiny_recipe, tiny_data, monkeypatch):
    monkeypatch.setattr("textlstm.training.trainer.predict_logits", lambda *_: np.full((30, 2), np.nan))
    with pytest.raises(NonFiniteLossError, match=r"the scores of the validation rows became nan.*learning rate"):
        train(tiny_recipe(), tiny_data)


@pytest.mark.parametrize("epochs", [1, 3])
def test_an_absurd_learning_rate_is_named(tiny_recipe, tiny_data, epochs):
    changes = {"training.learning_rate": 1e38, "training.warmup": 0.0, "training.epochs": epochs}
    with pytest.raises(NonFiniteLossError, match=r"training\.learning_rate") as caught:
        train(tiny_recipe({**changes, "training.batch_size": 60}), tiny_data)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("tracker", ["tensorboard", "trackio", "wandb"])
def test_a_tracker_that_is_not_installed_is_said_at_once(tiny_recipe, tiny_data, tracker, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=f"{tracker} was asked for and is not installed; pip install {tracker}"):
        train(tiny_recipe({"trackers": [tracker]}), tiny_data)
