"""Calibration: the true temperature is found, thresholds are the best ones, and what is stored is used or refused."""

import dataclasses
import itertools
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn.metrics import f1_score

from textlstm.errors import DataError, ModelError, RecipeError
from textlstm.inference.abstention import coverage_curve, format_coverage
from textlstm.inference.calibration import (
    Calibration,
    describe_calibration,
    fit_calibration,
    read_calibration,
    write_calibration,
)
from textlstm.inference.decisions import probabilities_from_logits
from textlstm.inference.model_files import weights_digest
from textlstm.inference.predictor import Predictor

NAMES = ["neg", "neutral", "pos"]


def drawn(rows, *, temperature, multi_label, seed=0):
    """Logits that are `temperature` times too large, and labels that follow the honest ones."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(scale=1.5, size=(rows, 3))
    chances = probabilities_from_logits(honest, multi_label=multi_label)
    if multi_label:
        labels = (rng.random(chances.shape) < chances).astype(np.int8)
    else:
        labels = (rng.random((rows, 1)) > chances.cumsum(1)).sum(1).clip(max=2)
    return (honest * temperature).astype(np.float32), labels


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature, multi_label):
    logits, labels = drawn(20_000, temperature=temperature, multi_label=multi_label)
    found = fit_calibration(logits, labels, NAMES, source="draws")
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.log_loss_after <= found.log_loss_before
    assert (found.thresholds is not None) == multi_label


@given(st.integers(0, 1000), st.floats(0.05, 20.0))
@settings(deadline=None, max_examples=25)
def test_no_other_temperature_has_a_lower_loss(seed, other):
    logits, labels = drawn(100, temperature=2.0, multi_label=False, seed=seed)
    found = fit_calibration(logits, labels, NAMES, source="draws")

    def loss(temperature):
        return -log_softmax(logits / np.float64(temperature), axis=1)[np.arange(len(labels)), labels].mean()

    assert found.log_loss_after == pytest.approx(loss(found.temperature), abs=1e-4)
    assert found.log_loss_after <= loss(other) + 1e-5


def test_thresholds_have_the_best_f1_and_rare_labels_keep_one_half():
    logits, labels = drawn(300, temperature=1.0, multi_label=True)
    labels[:, 2] = 0
    labels[:5, 2] = 1
    found = fit_calibration(logits, labels, NAMES, source="draws")
    chances = probabilities_from_logits(logits / found.temperature, multi_label=True)
    assert found.thresholds["pos"] == 0.5
    for column, name in enumerate(NAMES[:2]):
        ours = f1_score(labels[:, column], chances[:, column] >= found.thresholds[name])
        best = max(f1_score(labels[:, column], chances[:, column] >= cut) for cut in np.linspace(0.01, 0.99, 197))
        assert ours >= best - 1e-9


def test_too_few_rows_are_refused():
    logits, labels = drawn(49, temperature=1.0, multi_label=False)
    with pytest.raises(DataError, match="at least 50 labeled rows"):
        fit_calibration(logits, labels, NAMES, source="draws")


def stored(folder, **changes):
    base = Calibration(2.5, None, 100, "draws", 0.9, 0.8, weights_digest(folder))
    return write_calibration(folder, dataclasses.replace(base, **changes))


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_what_is_stored_is_used_by_either_runtime(exported, backend):
    texts = ["a good film", "too dull"]
    plain = Predictor.load(exported, backend=backend)
    expected = probabilities_from_logits(plain.logits_of(plain.encode(texts)) / 2.5, multi_label=False)
    path = stored(exported)
    try:
        np.testing.assert_allclose(Predictor.load(exported, backend=backend).probabilities(texts), expected, atol=1e-6)
        left = Predictor.load(exported, backend=backend, calibrated=False)
        assert np.array_equal(left.probabilities(texts), plain.probabilities(texts))
    finally:
        path.unlink()


def test_thresholds_decide_unless_one_is_given(exported_multi):
    path = stored(exported_multi, temperature=1.0, thresholds={"pos": 0.9, "neg": 0.0, "neutral": 1.0})
    try:
        for prediction in Predictor.load(exported_multi)(["a good film", "dull"]):
            chances = prediction.probabilities
            assert set(prediction.labels) == {"neg"} | ({"pos"} if chances["pos"] >= np.float32(0.9) else set())
        everything = Predictor.load(exported_multi, threshold=0.0)("good")[0]
        assert set(everything.labels) == set(NAMES)
        stored(exported_multi, thresholds={"a": 0.5})
        with pytest.raises(ModelError, match="calibrate the model again"):
            Predictor.load(exported_multi)
    finally:
        path.unlink()


def test_a_calibration_of_other_weights_or_a_damaged_one_is_refused(tmp_path, make_model):
    folder = make_model(tmp_path)
    path = stored(folder)
    assert read_calibration(folder).temperature == 2.5
    stored(folder, weights="0" * 16)
    with pytest.raises(ModelError, match="other weights"):
        read_calibration(folder)
    good = dataclasses.asdict(Calibration(1.0, None, 9, "x", 1, 1))
    others = ({"thresholds": 5}, {"thresholds": ["pos"]}, {"thresholds": {"pos": "x"}}, {"thresholds": {"pos": 1.5}})
    for other in (*others, {"rows": "many"}, {"source": None}, {"log_loss_after": []}, {"temperature": "hot"}):
        path.write_text(json.dumps(good | other))
        with pytest.raises(ModelError, match="calibrate again or delete it"):
            read_calibration(folder)
    for content in ("{", '{"temperature": 1}', json.dumps(dataclasses.asdict(Calibration(0.0, None, 9, "x", 1, 1)))):
        path.write_text(content)
        with pytest.raises(ModelError, match="delete it"):
            read_calibration(folder)
    path.unlink()
    assert read_calibration(folder) is None


def test_a_graph_alone_notices_a_calibration_of_other_weights(exported, tmp_path):
    """As from the Hub, where only the files that ONNX Runtime needs are fetched."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model.onnx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(exported / name, tmp_path / name)
    values = Calibration(2.5, None, 100, "draws", 0.9, 0.8, weights_digest(exported))
    write_calibration(tmp_path, values)
    assert Predictor.load(tmp_path).calibration == values
    write_calibration(tmp_path, dataclasses.replace(values, weights="0" * 16))
    with pytest.raises(ModelError, match="other weights"):
        Predictor.load(tmp_path)
    assert Predictor.load(tmp_path, calibrated=False).calibration is None


def test_unsure_texts_get_no_label(exported, exported_multi):
    texts = [f"{a} {b}" for a in ("good", "bad", "dull", "very") for b in ("plot", "story", "ends", "film")]
    plain = Predictor.load(exported)(texts)
    bound = float(np.median([prediction.score for prediction in plain]))
    for before, after in zip(plain, Predictor.load(exported, abstain_below=bound)(texts), strict=True):
        assert after.labels == (before.labels if before.score >= bound else ())
        assert after.score == before.score
    with pytest.raises(RecipeError, match="--threshold in place"):
        Predictor.load(exported_multi, abstain_below=0.5)
    for options, words in (({"threshold": 0.5}, "exactly one"), ({"abstain_below": 1.5}, "between 0 and 1")):
        with pytest.raises(RecipeError, match=words):
            Predictor.load(exported, **options)


def test_the_coverage_curve_counts_what_abstaining_would(exported):
    logits, labels = drawn(400, temperature=1.0, multi_label=False)
    chances = probabilities_from_logits(logits, multi_label=False)
    curve = coverage_curve(chances, labels)
    assert curve[0].coverage == 1.0
    assert all(a.coverage >= b.coverage for a, b in itertools.pairwise(curve))
    for point in curve:
        given_rows = chances.max(1) >= np.float32(point.abstain_below)
        assert point.answered == given_rows.sum()
        if point.answered:
            assert point.accuracy == pytest.approx((chances.argmax(1) == labels)[given_rows].mean())
            assert point.low <= point.accuracy <= point.high
    assert curve[-2].accuracy > curve[0].accuracy  # the probabilities are honest here
    assert len(format_coverage(curve).splitlines()) == len(curve) + 1
    assert "was too sure" in describe_calibration(fit_calibration(logits * 3, labels, NAMES, source="draws"))


def test_long_texts_are_averaged_over_their_windows(exported):
    whole = Predictor.load(exported, long_texts="average")
    cut = Predictor.load(exported)
    words = ("a good bad film plot very not dull bright story ends too soon " * 3).split()[:30]
    parts = [" ".join(words[start : start + 12]) for start in (0, 12, 24)]
    logits = cut.logits_of(cut.encode(parts))
    expected = np.average(logits, axis=0, weights=[12, 12, 6])
    found = whole.logits_of(whole.encode([" ".join(words), "good"]))
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    np.testing.assert_allclose(found[1], cut.logits_of(cut.encode(["good"]))[0], atol=1e-6)
    assert [prediction.truncated for prediction in whole([" ".join(words), "good"])] == [True, False]
    with pytest.raises(RecipeError, match="truncate or average"):
        Predictor.load(exported, long_texts="skip")
