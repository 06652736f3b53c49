"""A model that may give a text several labels, let out with its temperature and thresholds: bundle, programs, demo."""

import json

import numpy as np
import pytest
from huggingface_hub import ModelCard

from textlstm.inference.calibration import read_calibration
from textlstm.inference.predictor import Predictor
from textlstm.release.bundle import write_bundle
from textlstm.release.card_programs import snippets
from textlstm.release.demo.writing import write_demo
from textlstm.results import read_run

TEXTS = [
    "a good film",
    "the story was bad and the plot bad it was",
    "unheard",
    "GOOD plot! bad",
    "<pad> good <unk> bad",
]


@pytest.fixture(scope="module")
def published(tagged, tmp_path_factory):
    return write_bundle(tagged, tmp_path_factory.mktemp("tagged") / "out", repo_id="someone/tags", measure_speed=False)


def answers_of(name, folder):
    """What one of the card's programs answers to our texts."""
    code = snippets(str(folder), multi_label=True)[name].replace('["First text.", "Second text."]', repr(TEXTS))
    names = {}
    exec(compile(code.replace('Path("model")', f"Path({str(folder)!r})"), name, "exec"), names)  # noqa: S102 - our own
    return names["answers"]


def test_the_card_says_what_several_labels_mean(published, tagged):
    card = (published.folder / "README.md").read_text("utf-8").replace("\\", "")
    run, calibration = read_run(tagged), read_calibration(tagged)
    assert "A text may get several of its labels, or none." in card
    assert "It always names one of its labels" not in card
    assert f"divide the logits by **{calibration.temperature}** before the\nsigmoid" in card
    assert "but for the thresholds of the labels" in card
    data = ModelCard((published.folder / "README.md").read_text("utf-8"), ignore_metadata_errors=False).data
    values = {one.metric_type: one.metric_value for one in data.eval_results}
    assert values["accuracy"] == round(run.metrics["test"].accuracy.value, 4)
    for one in run.metrics["test"].per_class:
        assert f"| {one.label} | {one.rows:,} |" in card


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_the_calibration_goes_along_without_the_name_of_its_data(published, tagged, backend):
    stored = json.loads((published.folder / "calibration.json").read_text("utf-8"))
    assert stored["source"] == "your-data"
    assert stored["thresholds"] == read_calibration(tagged).thresholds != {}
    here, there = Predictor.load(tagged, backend="torch"), Predictor.load(published.folder, backend=backend)
    for one, other in zip(here(TEXTS), there(TEXTS), strict=True):
        assert one.labels == other.labels
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


@pytest.mark.parametrize("name", ["transformers", "onnx"])
def test_the_cards_programs_give_every_label_from_one_half_on(published, name):
    plain = Predictor.load(published.folder, backend="torch", calibrated=False, threshold=0.5)(TEXTS)
    found = answers_of(name, published.folder)
    assert [set(labels) for labels in found] == [set(one.labels) for one in plain]
    assert len({len(labels) for labels in found}) > 1


def test_the_pipeline_gives_each_label_a_probability_of_its_own(published):
    plain = Predictor.load(published.folder, backend="torch", calibrated=False)(TEXTS)
    for answer, one in zip(answers_of("pipeline", published.folder), plain, strict=True):
        assert {entry["label"]: entry["score"] for entry in answer} == pytest.approx(one.probabilities, abs=1e-5)


def test_textlstms_own_program_uses_temperature_and_thresholds(published, tagged):
    assert answers_of("textlstm", published.folder) == Predictor.load(published.folder)(TEXTS)


def test_the_demo_decides_by_the_same_temperature_and_thresholds(published, tagged, tmp_path):
    settings = json.loads((write_demo(published.folder, tmp_path / "page").folder / "demo.json").read_text("utf-8"))
    calibration = read_calibration(tagged)
    assert (settings["multi_label"], settings["temperature"]) == (True, calibration.temperature)
    named = dict(zip(settings["labels"], settings["thresholds"], strict=True))
    assert named == pytest.approx(calibration.thresholds)
    assert np.ptp(settings["thresholds"]) > 0  # one for all would prove little
