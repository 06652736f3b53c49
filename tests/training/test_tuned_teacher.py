"""The teacher that the quality targets tune from an encoder: of the data's labels, from training rows, made once."""

import sys
from pathlib import Path

import numpy as np

from textlstm.text.datasets import load_data
from textlstm.training.teacher_models import kind_of, load_classifier

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import tuned_teacher


def test_a_tuned_teacher_knows_the_training_rows_and_is_made_once(make_classifier, monkeypatch, tmp_path):
    monkeypatch.setattr(tuned_teacher, "LEARNING_RATE", 0.02)
    texts = ["good film", "bad film", "film good good", "film bad bad"] * 16
    held = (["good film"], ["up"])
    data = load_data((texts, ["down", "up"] * 32), test=held)
    encoder = str(make_classifier(["x", "y"]))
    folder = Path(tuned_teacher.tune_teacher(encoder, data, tmp_path / "teacher", seed=0, epochs=12))
    assert kind_of(folder) == "classifier"
    names, several, ask = load_classifier(folder, 1, "cpu")
    assert names == ["down", "up"] and not several
    # The test row's label is the other way round: nothing was learned from it.
    assert np.array_equal(ask(texts).argmax(axis=1), data.splits["train"].labels)
    assert ask(held[0]).argmax() != data.splits["test"].labels[0]
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert tuned_teacher.tune_teacher(encoder, data, folder, seed=0, epochs=12) == str(folder)
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
