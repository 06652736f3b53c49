"""A saved model at work: input order, batch independence, agreement with transformers' pipeline, and plain errors."""

import json

import huggingface_hub
import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import pipeline

from textlstm.errors import DataError, ModelError, RecipeError
from textlstm.inference.decisions import decide, probabilities_from_logits
from textlstm.inference.predictor import Predictor
from textlstm.inference.torch_classifier import choose_device, predict_logits
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.text.tokenization import encode

WORDS = "a good bad film plot very not dull bright story ends too soon".split()
NAMES = ["neg", "neutral", "pos"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_model):
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def predictor(folder):
    return Predictor.load(folder, device="cpu")


@pytest.fixture(scope="module")
def multi(tmp_path_factory, make_model):
    return Predictor.load(make_model(tmp_path_factory.mktemp("multi"), multi_label=True), device="cpu")


texts = st.lists(st.lists(st.sampled_from([*WORDS, "unheard"]), max_size=20).map(" ".join), min_size=1, max_size=25)


@given(texts, st.integers(1, 60), st.integers(1, 9), st.randoms())
@settings(deadline=None, max_examples=40)
def test_probabilities_do_not_depend_on_batches_or_order(predictor, rows, batch_tokens, batch_rows, random):
    whole = predictor.probabilities(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = predictor.probabilities([rows[k] for k in order], batch_tokens=batch_tokens, batch_rows=batch_rows)
    np.testing.assert_allclose(shuffled, whole[order], atol=1e-5)
    one_by_one = np.concatenate([predictor.probabilities(text) for text in rows])
    np.testing.assert_allclose(one_by_one, whole, atol=1e-5)


@pytest.mark.parametrize("multi_label", [False, True])
def test_equals_the_pipeline_on_the_same_folder(tmp_path, make_model, multi_label):
    folder = make_model(tmp_path, multi_label=multi_label)
    rows = [f"{a} {b}" for a in WORDS for b in WORDS] + [" ".join(WORDS * 3)]
    reference = pipeline("text-classification", model=str(folder), device="cpu")(rows, top_k=None, truncation=True)
    ours = Predictor.load(str(folder), device="cpu")(rows)
    for theirs, prediction in zip(reference, ours, strict=True):
        for entry in theirs:
            assert prediction.probabilities[entry["label"]] == pytest.approx(entry["score"], abs=1e-5)
        if not multi_label:
            assert prediction.label == theirs[0]["label"]
            assert prediction.score == pytest.approx(theirs[0]["score"], abs=1e-5)
    assert len({prediction.label for prediction in ours}) > 1  # a model of one answer would prove little


def test_one_text_many_texts_and_arrow_agree(predictor):
    rows = ["a good film", "too dull"]
    many = predictor(rows)
    assert predictor(rows[0])[0].probabilities == pytest.approx(many[0].probabilities, abs=1e-6)
    assert [p.label for p in predictor(pa.chunked_array([rows[:1], rows[1:]]))] == [p.label for p in many]
    assert predictor([]) == []
    assert predictor.probabilities([]).shape == (0, 3)


def test_single_label_takes_the_most_probable(predictor):
    for prediction, chances in zip(predictor(WORDS), predictor.probabilities(WORDS), strict=True):
        assert prediction.labels == (NAMES[int(chances.argmax())],)
        assert prediction.score == pytest.approx(float(chances.max()))
        assert list(prediction.probabilities) == NAMES
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-6)


def test_multi_label_takes_every_label_from_one_half_on(multi):
    rows = [f"{a} {b}" for a in WORDS for b in WORDS]
    counts = set()
    for prediction in multi(rows):
        given_labels = {name for name, chance in prediction.probabilities.items() if chance >= 0.5}
        assert set(prediction.labels) == given_labels
        assert prediction.score == max(prediction.probabilities.values())
        assert [prediction.probabilities[name] for name in prediction.labels] == sorted(
            (prediction.probabilities[name] for name in prediction.labels), reverse=True
        )
        counts.add(len(prediction.labels))
    assert len(counts) > 1
    assert decide(np.full((1, 2), 0.1, np.float32), "ab", multi_label=True, cut_rows=np.array([], int))[0].label is None


def test_long_texts_are_cut_and_counted(predictor):
    long = " ".join(WORDS * 2)
    cut = " ".join((WORDS * 2)[: predictor.max_length])
    assert predictor.max_length == 12
    assert predictor.encode([long, "a", long]).truncated == 2
    assert [p.truncated for p in predictor([long, cut])] == [True, False]
    np.testing.assert_allclose(predictor.probabilities(long), predictor.probabilities(cut), atol=1e-6)


def test_predict_logits_leaves_the_model_as_it_was(predictor):
    model = TextLSTMForSequenceClassification(predictor.model.config)
    encoded = encode(predictor.tokenizer, WORDS, max_length=12)
    model.train()
    model.lstm.eval()  # frozen by a caller
    before = [module.training for module in model.modules()]
    first, second = predict_logits(model, encoded), predict_logits(model, encoded)
    assert [module.training for module in model.modules()] == before
    assert np.array_equal(first, second)  # no dropout
    assert first.dtype == np.float32
    assert all(parameter.grad is None for parameter in model.parameters())


def test_lower_precision_is_close(predictor):
    encoded = predictor.encode(WORDS)
    exact = predict_logits(predictor.model, encoded)
    rough = predict_logits(predictor.model, encoded, autocast_dtype=torch.bfloat16)
    assert rough.dtype == np.float32
    assert not np.array_equal(exact, rough)
    np.testing.assert_allclose(rough, exact, atol=0.2)


@given(st.lists(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3), min_size=1, max_size=5))
def test_probabilities_from_logits_equal_torch(rows):
    logits = np.array(rows)
    tensor = torch.tensor(rows, dtype=torch.float64)
    np.testing.assert_allclose(probabilities_from_logits(logits, multi_label=False), tensor.softmax(1), atol=1e-7)
    np.testing.assert_allclose(probabilities_from_logits(logits, multi_label=True), tensor.sigmoid(), atol=1e-7)


@pytest.mark.parametrize("bad", [[None], ["good", 3], [float("nan")], pa.array(["good", None])])
def test_what_is_no_text_is_refused(predictor, bad):
    with pytest.raises(DataError, match="should be a string"):
        predictor(bad)


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors", "tokenizer.json"])
def test_an_incomplete_folder_is_named(tmp_path, make_model, lost):
    folder = make_model(tmp_path)
    (folder / lost).unlink()
    with pytest.raises(ModelError, match=f"lacks {lost}"):
        Predictor.load(folder)


@pytest.mark.parametrize("damaged", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_one_sentence(tmp_path, damaged, make_model):
    folder = make_model(tmp_path)
    path = folder / damaged
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelError) as caught:
        Predictor.load(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_model_is_refused(tmp_path, make_model):
    folder = make_model(tmp_path)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "architectures": ["BertModel"]}))
    with pytest.raises(ModelError, match="'bert'"):
        Predictor.load(folder)


def test_weights_of_another_shape_are_refused(tmp_path, make_model):
    folder = make_model(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    for change in ({"num_layers": 3}, {"hidden_size": 7}):
        (folder / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(ModelError):
            Predictor.load(folder)


def test_a_place_without_a_model_is_refused(tmp_path):
    (tmp_path / "file.txt").write_text("no model")
    for place in (tmp_path / "nowhere", "./nowhere/model", tmp_path / "file.txt", tmp_path):
        with pytest.raises(ModelError):
            Predictor.load(place)


def test_a_hub_id_out_of_reach_is_one_sentence(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"nobody/nothing .* check the spelling and the network") as caught:
        Predictor.load("nobody/nothing")
    assert "\n" not in str(caught.value)


def test_a_diverged_model_is_refused(tmp_path, make_model):
    predictor = Predictor.load(make_model(tmp_path), device="cpu")
    with torch.no_grad():
        predictor.model.classifier.bias[0] = float("nan")
    with pytest.raises(ModelError, match="NaN"):
        predictor("a good film")


def test_devices_are_found_or_refused():
    assert choose_device("cpu").type == "cpu"
    assert choose_device().type in {"cpu", "cuda", "mps"}
    with pytest.raises(RecipeError, match="spelling"):
        choose_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(RecipeError, match="finds none here"):
            choose_device("cuda:0")
