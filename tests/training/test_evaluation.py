"""Metrics equal scikit-learn's, do not depend on row order, and say so where a class is absent."""

import itertools
import tracemalloc

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.training.evaluation import ECE_BINS, evaluate_predictions, format_metrics, quick_scores

quick = settings(deadline=None, max_examples=40)


@st.composite
def single_label(draw):
    rows, classes, seed = draw(st.integers(1, 60)), draw(st.integers(2, 8)), draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, draw(st.sampled_from([0.1, 1.0]))), size=rows).astype(np.float32)
    return rng.integers(0, draw(st.integers(1, classes)), size=rows), probabilities


@st.composite
def multi_label(draw):
    rows, classes, seed = draw(st.integers(1, 60)), draw(st.integers(1, 6)), draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    return rng.random((rows, classes)) < 0.3, rng.random((rows, classes)).astype(np.float32)


def names(probabilities):
    return [f"class {k}" for k in range(probabilities.shape[1])]


def figures(metrics):
    return [metrics.accuracy, metrics.macro_f1, metrics.log_loss, metrics.ece]


@given(single_label())
@quick
def test_single_label_equals_scikit_learn(case):
    labels, probabilities = case
    classes = range(probabilities.shape[1])
    metrics = evaluate_predictions(labels, probabilities, names(probabilities), resamples=20)
    predicted = probabilities.argmax(1)
    assert metrics.accuracy.value == pytest.approx(sklearn.metrics.accuracy_score(labels, predicted))
    f1 = sklearn.metrics.f1_score(labels, predicted, average="macro", zero_division=0)
    assert metrics.macro_f1.value == pytest.approx(f1)
    exact = probabilities.astype(np.float64)
    picked = np.clip(exact[np.arange(len(labels)), labels], np.finfo(np.float32).eps, None)
    assert metrics.log_loss.value == pytest.approx(-np.log(picked).mean())
    table = sklearn.metrics.precision_recall_fscore_support(labels, predicted, labels=list(classes), zero_division=0)
    for entry, (precision, recall, score, rows) in zip(metrics.per_class, zip(*table, strict=True), strict=True):
        assert (entry.precision, entry.recall, entry.f1, entry.rows) == pytest.approx((precision, recall, score, rows))


def test_log_loss_equals_scikit_learn():
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(4), size=300), rng.integers(0, 4, size=300)
    metrics = evaluate_predictions(labels, probabilities, list("abcd"))
    assert metrics.log_loss.value == pytest.approx(sklearn.metrics.log_loss(labels, probabilities))


@given(multi_label())
@quick
def test_multi_label_equals_scikit_learn(case):
    labels, probabilities = case
    metrics = evaluate_predictions(labels, probabilities, names(probabilities), resamples=20)
    chosen = probabilities >= 0.5
    assert metrics.accuracy.value == pytest.approx((labels == chosen).all(axis=1).mean())
    seen = np.flatnonzero((labels | chosen).any(axis=0))
    f1 = (
        sklearn.metrics.f1_score(labels, chosen, labels=seen, average="macro", zero_division=0)
        if labels.shape[1] > 1 and len(seen)
        else sklearn.metrics.f1_score(labels[:, 0], chosen[:, 0], zero_division=0)
        if len(seen)
        else 0.0
    )
    assert metrics.macro_f1.value == pytest.approx(f1)
    flat = sklearn.metrics.log_loss(labels.ravel(), probabilities.ravel().astype(np.float64), labels=[False, True])
    assert metrics.log_loss.value == pytest.approx(flat, abs=1e-6)


@given(single_label())
@quick
def test_ece_equals_its_definition(case):
    labels, probabilities = case
    confidence, right = probabilities.max(1).astype(np.float64), probabilities.argmax(1) == labels
    expected = 0.0
    edges = np.linspace(0, 1, ECE_BINS + 1)
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    metrics = evaluate_predictions(labels, probabilities, names(probabilities), resamples=20)
    assert metrics.ece.value == pytest.approx(expected, abs=1e-9)


@given(st.one_of(single_label(), multi_label()), st.integers(0, 1000))
@quick
def test_row_order_changes_nothing(case, seed):
    labels, probabilities = case
    order = np.random.default_rng(seed).permutation(len(labels))
    one = evaluate_predictions(labels, probabilities, names(probabilities), resamples=50)
    two = evaluate_predictions(labels[order], probabilities[order], names(probabilities), resamples=50)
    assert one.per_class == two.per_class
    for a, b in zip(figures(one), figures(two), strict=True):
        assert (a.low is None) == (b.low is None)
        assert [v for v in (a.value, a.low, a.high) if v is not None] == pytest.approx(
            [v for v in (b.value, b.low, b.high) if v is not None], abs=1e-12
        )


@given(st.one_of(single_label(), multi_label()))
@quick
def test_intervals_are_in_order_and_in_range(case):
    labels, probabilities = case
    metrics = evaluate_predictions(labels, probabilities, names(probabilities), resamples=200)
    for estimate in (metrics.accuracy, metrics.macro_f1, metrics.ece):
        assert 0 <= estimate.value <= 1
        if estimate.low is not None:
            assert 0 <= estimate.low <= estimate.high <= 1 + 1e-9
    assert metrics.accuracy.low <= metrics.accuracy.value <= metrics.accuracy.high
    if metrics.ece.low is not None:
        assert metrics.ece.low <= metrics.ece.value <= metrics.ece.high


def test_ece_interval_covers_for_calibrated_and_for_overconfident_models():
    """The population's ECE is known: zero for a calibrated model, and the shift for an overconfident one."""
    rng = np.random.default_rng(5)
    for shift in (0.0, 0.1):
        hits = 0
        for study in range(150):
            confidence = rng.uniform(0.7, 1.0, size=400)
            right = rng.random(400) < confidence - shift
            probabilities = np.column_stack([confidence, 1 - confidence])
            ece = evaluate_predictions(np.where(right, 0, 1), probabilities, ["a", "b"], resamples=200, seed=study).ece
            hits += ece.low <= shift <= ece.high
        assert hits / 150 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 150)


def test_absent_classes_are_listed_and_left_out_of_the_mean():
    probabilities = np.eye(3)[[0, 0, 1]]
    metrics = evaluate_predictions(np.array([0, 0, 1]), probabilities, ["a", "b", "never"])
    assert metrics.macro_f1.value == 1
    assert metrics.per_class[2].rows == 0
    assert metrics.per_class[2].f1 == 0


def test_thousands_of_classes_score_as_few_do():
    """Classes that no row has and none is given change no figure, and take no memory a row."""
    rng = np.random.default_rng(0)
    few = rng.dirichlet(np.ones(5), size=4_000).astype(np.float32)
    labels = rng.integers(0, 5, size=4_000)
    many = np.zeros((4_000, 2_000), dtype=np.float32)
    many[:, 100:105] = few
    tracemalloc.start()
    try:
        wide = evaluate_predictions(labels + 100, many, [str(k) for k in range(2_000)], resamples=50)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    narrow = evaluate_predictions(labels, few, list("abcde"), resamples=50)
    assert peak < 50 * 2**20, "a dense matrix of counts takes 190 MB"
    for name in ("accuracy", "macro_f1", "log_loss", "ece"):
        one, other = getattr(wide, name), getattr(narrow, name)
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-12), name
    rows = [(one.rows, one.f1) for one in wide.per_class[100:105]]
    assert rows == [(one.rows, one.f1) for one in narrow.per_class]


def test_a_sure_mistake_costs_a_finite_loss():
    metrics = evaluate_predictions(np.array([1]), np.array([[1.0, 0.0]]), ["a", "b"])
    assert metrics.log_loss.value == pytest.approx(15.94, abs=0.01)
    assert metrics.log_loss.low is None
    assert metrics.accuracy.high > 0.5


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [
        (np.array([0, 1]), np.ones((2, 3)) / 3),
        (np.array([0, 1, 1]), np.ones((2, 2)) / 2),
        (np.array([], dtype=int), np.ones((0, 2))),
        (np.array([0, 2]), np.ones((2, 2)) / 2),
        (np.array([0, -1]), np.ones((2, 2)) / 2),
        (np.array([0, 1]), np.full((2, 2), np.nan)),
        (np.array([0, 1]), np.array([[2.0, -1.0], [0.5, 0.5]])),
    ],
)
def test_what_cannot_be_scored_is_refused(labels, probabilities):
    with pytest.raises(ValueError):
        evaluate_predictions(labels, probabilities, ["a", "b"])


def test_the_table_fits_a_terminal_and_counts_what_it_leaves_out():
    rng = np.random.default_rng(0)
    label_names = [f"{k} 中文标签" + "x" * k for k in range(75)]
    metrics = evaluate_predictions(rng.integers(0, 75, size=500), rng.dirichlet(np.ones(75), size=500), label_names)
    lines = format_metrics(metrics).splitlines()
    assert len(lines) == 5 + 2 + 30 + 1
    assert max(map(len, lines)) <= 80
    assert lines[-1].startswith("and 45 smaller classes with ")
    hidden = int(lines[-1].split(" with ")[1].split()[0].replace(",", ""))
    kept = sorted((entry.rows for entry in metrics.per_class), reverse=True)[:30]
    assert hidden == 500 - sum(kept)


def test_the_table_of_a_small_case():
    metrics = evaluate_predictions(np.array([0, 1, 1, 0]), np.eye(2)[[0, 1, 1, 1]], ["neg", "pos"])
    text = format_metrics(metrics)
    assert "accuracy     0.7500  0.3006 to 0.9544" in text
    assert "pos          2     0.6667  1.0000  0.8000" in text


@given(st.one_of(single_label(), multi_label()))
@quick
def test_quick_scores_are_the_same_figures(case):
    labels, probabilities = case
    scores = quick_scores(labels, probabilities)
    metrics = evaluate_predictions(labels, probabilities, names(probabilities), resamples=5)
    assert scores == {
        "loss": metrics.log_loss.value,
        "accuracy": metrics.accuracy.value,
        "macro_f1": metrics.macro_f1.value,
    }
