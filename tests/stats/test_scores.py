"""Per-example scores equal scikit-learn's figures, influence equals leaving out, and debiasing removes bias."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.stats.scores import (
    accuracy_scores,
    brier_scores,
    debiased_calibration_errors,
    log_loss_scores,
    macro_f1_scores,
)
from textlstm.training.evaluation import evaluate_predictions

ALL = [accuracy_scores, log_loss_scores, brier_scores, macro_f1_scores]


def random_run(seed, seeds=3, n=40, classes=4, multi_label=False):
    rng = np.random.default_rng(seed)
    if multi_label:
        return rng.random((seeds, n, classes)), rng.random((n, classes)) < 0.4
    return rng.dirichlet(np.full(classes, 0.7), size=(seeds, n)), rng.integers(0, classes, n)


@pytest.mark.parametrize("multi_label", [False, True])
@given(seed=st.integers(0, 10_000), n=st.integers(2, 40), classes=st.integers(2, 9))
@settings(deadline=None, max_examples=40)
def test_means_equal_the_figures_of_a_run(multi_label, seed, n, classes):
    """Rows' means are what `evaluate_predictions` prints; few rows of many classes leave some classes out."""
    chances, labels = random_run(seed, n=n, classes=classes, multi_label=multi_label)
    for k, own in enumerate(chances):
        printed = evaluate_predictions(labels, own, [str(c) for c in range(classes)], resamples=0)
        assert accuracy_scores(chances, labels)[k].mean() == pytest.approx(printed.accuracy.value)
        assert log_loss_scores(chances, labels)[k].mean() == pytest.approx(printed.log_loss.value)
        assert macro_f1_scores(chances, labels)[k].mean() == pytest.approx(printed.macro_f1.value)


def test_brier_equals_scikit_learn():
    chances, labels = random_run(1)
    expected = [sklearn.metrics.brier_score_loss(labels, own, scale_by_half=False) for own in chances]
    assert brier_scores(chances, labels).mean(axis=1) == pytest.approx(expected)
    chances, labels = random_run(1, multi_label=True)
    assert brier_scores(chances, labels) == pytest.approx(((chances - labels) ** 2).mean(axis=2))


@pytest.mark.parametrize("multi_label", [False, True])
@given(seed=st.integers(0, 10_000), n=st.integers(3, 25), classes=st.integers(2, 6))
@settings(deadline=None, max_examples=40)
def test_influence_equals_leaving_each_example_out(multi_label, seed, n, classes):
    chances, labels = random_run(seed, seeds=2, n=n, classes=classes, multi_label=multi_label)
    names = [str(c) for c in range(classes)]

    def macro(own, truth):
        return evaluate_predictions(truth, own, names, resamples=0).macro_f1.value

    for scores, own in zip(macro_f1_scores(chances, labels), chances, strict=True):
        without = np.array([macro(np.delete(own, i, 0), np.delete(labels, i, 0)) for i in range(n)])
        expected = macro(own, labels) + (n - 1) * (without.mean() - without)
        assert scores == pytest.approx(expected, abs=1e-9)


def test_the_influences_spread_is_that_of_macro_f1():
    """2,000 test sets drawn anew: the standard error from one set's influence values is the spread between sets."""
    rng = np.random.default_rng(3)
    labels = rng.choice(3, size=(2000, 300), p=[0.6, 0.3, 0.1])
    chances = rng.dirichlet(np.ones(3), size=labels.shape) + 0.6 * np.eye(3)[labels]
    chances /= chances.sum(axis=2, keepdims=True)
    each = [macro_f1_scores(own[None], truth)[0] for own, truth in zip(chances, labels, strict=True)]
    between = np.std([values.mean() for values in each])
    within = np.mean([values.std(ddof=1) / np.sqrt(300) for values in each])
    assert within == pytest.approx(between, rel=0.08)


@pytest.mark.parametrize("score", [*ALL, debiased_calibration_errors])
@pytest.mark.parametrize("multi_label", [False, True])
def test_the_order_of_rows_changes_nothing(score, multi_label):
    chances, labels = random_run(5, multi_label=multi_label)
    chances = np.round(chances, 1)  # many equal confidences
    order = np.random.default_rng(0).permutation(len(labels))
    there, back = score(chances, labels), score(chances[:, order], labels[order])
    assert back == pytest.approx(there if there.ndim == 1 else there[:, order])


def calibrated_run(rng, seeds, n, temperature):
    """Confidences of two classes that are right as often as they say after dividing the logit by a temperature."""
    logit = rng.normal(0, 1.5, size=(seeds, n))
    true = 1 / (1 + np.exp(-logit))
    said = 1 / (1 + np.exp(-logit * temperature))
    labels = (rng.random((seeds, n)) < true).astype(int)
    return np.stack([1 - said, said], axis=2), labels


@pytest.mark.parametrize(("temperature", "n"), [(1.0, 300), (1.0, 2000), (2.0, 300), (2.0, 2000)])
def test_debiased_calibration_error_is_near_the_truth(temperature, n):
    """Over 400 simulated runs: the square, which is unbiased, and the mean root, against the plain figure's bias."""
    rng = np.random.default_rng(7)
    far, truth = calibrated_run(rng, 1, 400_000, temperature)
    expected = plain_error(far[0], truth[0])
    assert expected > 0.08 if temperature == 2 else expected < 0.005
    chances, labels = calibrated_run(rng, 400, n, temperature)
    found = [debiased_calibration_errors(own[None], truth)[0] for own, truth in zip(chances, labels, strict=True)]
    plain = np.array([plain_error(own, truth) for own, truth in zip(chances, labels, strict=True)])
    squares = np.sign(found) * np.square(found)
    assert abs(squares.mean() - expected**2) < 4 * squares.std() / 20 + 1e-5
    assert abs(np.mean(found) - expected) < max(0.15 * (plain.mean() - expected), 0.003)


def plain_error(chances, labels, bins=15):
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) == labels
    parts = np.array_split(np.argsort(confidence), bins)
    return np.sqrt(sum(len(p) / len(labels) * (right[p].mean() - confidence[p].mean()) ** 2 for p in parts))


def test_a_constant_confidence_is_one_bin():
    """A model that is always sure and right three times in four is off by a quarter, wherever its errors stand."""
    chances = np.tile([1.0, 0.0], (1, 400, 1))
    labels = (np.arange(400) % 4 == 0).astype(int)
    assert debiased_calibration_errors(chances, labels) == pytest.approx([0.25], abs=0.002)


def test_nothing_is_infinite_where_a_model_is_sure_and_wrong():
    chances = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    labels = np.array([1, 1])
    assert log_loss_scores(chances, labels)[0] == pytest.approx([15.94, 0], abs=0.01)
    assert accuracy_scores(chances, labels)[0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("chances", "labels", "words"),
    [
        (np.full((2, 3, 2), 0.5), np.array([0, 1]), r"labels \(examples,\) or"),
        (np.full((3, 2), 0.5), np.array([0, 1, 0]), r"probabilities are \(seeds, examples, classes\)"),
        (np.full((1, 0, 2), 0.5), np.array([], dtype=int), "probabilities are"),
        (np.full((1, 2, 2), 0.5), np.array([0, 2]), "a class id lies between 0 and 1"),
        (np.full((1, 2, 2), 1.5), np.array([0, 1]), "a probability lies between 0 and 1"),
        (np.full((1, 2, 2), np.nan), np.array([0, 1]), "a probability lies between 0 and 1"),
    ],
)
@pytest.mark.parametrize("score", [*ALL, debiased_calibration_errors])
def test_senseless_input_is_refused(score, chances, labels, words):
    with pytest.raises(ValueError, match=words):
        score(chances, labels)


def test_one_example_has_no_influence_and_no_bins_no_error():
    with pytest.raises(ValueError, match="two examples"):
        macro_f1_scores(np.full((1, 1, 2), 0.5), [0])
    with pytest.raises(ValueError, match="at least one bin"):
        debiased_calibration_errors(np.full((1, 2, 2), 0.5), [0, 1], bins=0)
