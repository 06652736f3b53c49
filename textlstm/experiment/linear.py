"""The linear classifier behind two baselines: logistic regression whose penalty is chosen without the test split.

The strength C (the inverse of the L2 penalty) is chosen by the figure that chooses a run's epoch. Where a run has
validation rows, these choose; under 500 labels, where all rows train, 5-fold cross-validation on the training rows
does. What turns texts into features is fitted anew inside every fold. As with the stack, validation rows only choose:
the model is not fitted again with them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.text.splits import Split, stratified_order
from textlstm.text.word_pipeline import SPACELESS_LETTER
from textlstm.training.evaluation import quick_scores

Features = Callable[[Sequence[str]], Any]
"""Texts to a matrix, dense or sparse, of one row a text."""
FitFeatures = Callable[[Sequence[str]], tuple[Any, Features]]
"""Training texts to their own matrix, and to what turns other texts into features."""
Chances = Callable[[Any], NDArray[np.float64]]
"""A matrix of features to probabilities, (rows, classes)."""

CHOOSING_FOLDS = 5
TFIDF_TERMS = 200_000
"""Most frequent terms that are kept; it bounds memory on large data and is out of reach under 5,000 reviews or so."""
_MOST_STEPS = 1000


@dataclass(frozen=True)
class LinearSettings:
    """How a linear model is fitted.

    Attributes:
        classes: number of labels.
        multi_label: whether each label is a decision of its own (one-vs-rest).
        strengths: values of C to choose from, ascending; of equal ones the smallest wins.
        choose_by: "log_loss", "accuracy" or "macro_f1".
        balanced: whether classes weigh the same, however many rows they have.
    """

    classes: int
    multi_label: bool
    strengths: tuple[float, ...]
    choose_by: str = "log_loss"
    balanced: bool = False


def fit_linear(
    train: Split, validation: Split | None, test: Split, *, fit_features: FitFeatures, settings: LinearSettings
) -> tuple[NDArray[np.float64], float]:
    """Choose C, fit on the training rows, and give the test rows' probabilities.

    Args:
        train: labeled rows.
        validation: rows that choose C; None chooses by cross-validation on `train`.
        test: its texts are read, its labels are not.
        fit_features: fitted on training texts alone.
        settings: of the model.

    Returns:
        (test rows, classes) probabilities, and C.
    """
    texts, labels = train.text_list(), _labels(train)
    matrix, features = fit_features(texts)
    if validation is None:
        strength = _by_cross_validation(texts, labels, fit_features, settings)
        chances = fit_logistic(matrix, labels, strength=strength, settings=settings)
    else:
        held_out, truth = features(validation.text_list()), _labels(validation)
        best = -np.inf
        for candidate in settings.strengths:
            fitted = fit_logistic(matrix, labels, strength=candidate, settings=settings)
            if (figure := _figure(truth, fitted(held_out), settings)) > best:
                best, strength, chances = figure, candidate, fitted
    return chances(features(test.text_list())), strength


def fit_logistic(matrix: Any, labels: NDArray[Any], *, strength: float, settings: LinearSettings) -> Chances:  # noqa: ANN401 - numpy or scipy.sparse
    """Fit one logistic regression, multinomial for one label a row and one-vs-rest for several.

    Args:
        matrix: (rows, features).
        labels: (rows,) class numbers, or (rows, classes) bools.
        strength: C.
        settings: of the model.

    Returns:
        What gives probabilities; a class that no row has gets none.
    """
    if settings.multi_label:
        each = [_fit_classes(matrix, column.astype(np.int64), 2, strength, settings) for column in labels.T]
        return lambda rows: np.column_stack([chances(rows)[:, 1] for chances in each])
    return _fit_classes(matrix, labels, settings.classes, strength, settings)


def tfidf_features(*, lowercase: bool) -> FitFeatures:
    """TF-IDF of single words and pairs of neighbors, with 1 + log(count) for the count.

    Words are runs of letters and digits, single letters of scripts without spaces, and single punctuation marks.

    Args:
        lowercase: whether case is folded.

    Returns:
        What learns vocabulary and document frequencies from training texts.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    spaceless = SPACELESS_LETTER.removesuffix(r"\p{M}*")  # a class in brackets
    word = rf"{spaceless}|[^\W{spaceless[1:-1]}]+|[^\w\s]"

    def fit(texts: Sequence[str]) -> tuple[Any, Features]:
        terms = TfidfVectorizer(
            lowercase=lowercase,
            token_pattern=word,
            ngram_range=(1, 2),
            sublinear_tf=True,
            max_features=TFIDF_TERMS,
            dtype=np.float32,
        )
        return terms.fit_transform(texts), terms.transform

    return fit


def scaled_features(vectors: NDArray[np.float32], places: dict[str, int]) -> FitFeatures:
    """Look vectors up, and scale every feature to mean 0 and deviation 1 over the training texts.

    Args:
        vectors: (texts, width).
        places: the row of each text.

    Returns:
        What learns means and deviations from training texts.
    """

    def look_up(texts: Sequence[str]) -> NDArray[np.float32]:
        return vectors[[places[text] for text in texts]]

    def fit(texts: Sequence[str]) -> tuple[Any, Features]:
        known = look_up(texts)
        mean, deviation = known.mean(axis=0), known.std(axis=0)
        deviation[deviation < 1e-6] = 1.0  # constant over the training texts
        return (known - mean) / deviation, lambda new: (look_up(new) - mean) / deviation

    return fit


def _by_cross_validation(
    texts: Sequence[str], labels: NDArray[Any], fit_features: FitFeatures, settings: LinearSettings
) -> float:
    """Choose C by the figure of all rows together, each predicted by the model that was fitted without its fold."""
    rows = len(texts)
    folds = min(CHOOSING_FOLDS, rows)
    number = np.empty(rows, dtype=np.int64)
    number[stratified_order(labels, rows=rows, seed=0)] = np.arange(rows) % folds
    held_out = np.empty((len(settings.strengths), rows, settings.classes))
    for fold in range(folds):
        inside, outside = np.flatnonzero(number != fold), np.flatnonzero(number == fold)
        fitting, features = fit_features([texts[row] for row in inside.tolist()])
        scoring = features([texts[row] for row in outside.tolist()])
        for k, strength in enumerate(settings.strengths):
            chances = fit_logistic(fitting, labels[inside], strength=strength, settings=settings)
            held_out[k, outside] = chances(scoring)
    figures = [_figure(labels, chances, settings) for chances in held_out]
    return settings.strengths[int(np.argmax(figures))]


def _figure(labels: NDArray[Any], chances: NDArray[np.float64], settings: LinearSettings) -> float:
    """The figure that chooses, the larger the better."""
    scores = quick_scores(labels, chances)
    return -scores["loss"] if settings.choose_by == "log_loss" else scores[settings.choose_by]


def _fit_classes(
    matrix: Any,  # noqa: ANN401 - numpy or scipy.sparse
    labels: NDArray[np.int64],
    classes: int,
    strength: float,
    settings: LinearSettings,
) -> Chances:
    """Fit one label a row; classes that no row has get probability 0."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.unique(labels)
    # Newton's method takes a tenth of the time of L-BFGS on sparse text, and ends nearer to the optimum.
    weights = "balanced" if settings.balanced else None
    model = LogisticRegression(C=strength, solver="newton-cg", tol=1e-5, class_weight=weights, max_iter=_MOST_STEPS)
    if len(present) > 1:
        with warnings.catch_warnings():
            # A weak penalty on separable rows may take long to settle; what it has by then is scored as it is.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(matrix, labels)

    def chances(rows: Any) -> NDArray[np.float64]:  # noqa: ANN401 - as above
        spread = np.zeros((rows.shape[0], classes))
        spread[:, present] = model.predict_proba(rows) if len(present) > 1 else 1.0
        return spread

    return chances


def _labels(split: Split) -> NDArray[Any]:
    assert split.labels is not None  # noqa: S101 - `use_rows` gives labeled rows alone
    return split.labels
