"""A scikit-learn style classifier over lists of texts, for pipelines, cross-validation and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from textlstm.errors import DataError
from textlstm.inference.predictor import Predictor
from textlstm.inference.torch_classifier import TorchClassifier
from textlstm.recipe import Recipe, validate
from textlstm.results import refuse_finished, write_run
from textlstm.stats.scores import THRESHOLD
from textlstm.text.datasets import TextData
from textlstm.text.splits import Split
from textlstm.training.finetuning import train


class TextLSTMClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Stacked bidirectional LSTM classifier with scikit-learn's methods.

    Attributes:
        classes_: labels in the order of the columns of `predict_proba`.
        run_: figures, history and cost of the fit.
        predictor_: the fitted model at work.
        trained_: model, tokenizer and predictions of the training texts, as `save` writes them.
    """

    def __init__(
        self,
        *,
        layers: int = 1,
        hidden: int | None = None,
        epochs: int | None = None,
        seed: int = 0,
        threads: int = 1,
        settings: dict[str, Any] | None = None,
    ) -> None:
        """Keep the settings, as scikit-learn wants it; they are checked by `fit`.

        Args:
            layers: stacked layers.
            hidden: width of each layer per direction; the model's default when None.
            epochs: passes over the training rows; the recipe's default when None.
            seed: of everything random.
            threads: CPU threads.
            settings: any recipe key by its dotted name, such as `{"model.pooling": "mean"}`; wins over the others.
        """
        self.layers = layers
        self.hidden = hidden
        self.epochs = epochs
        self.seed = seed
        self.threads = threads
        self.settings = settings

    def fit(self, X: Sequence[str] | NDArray[Any], y: Sequence[Any] | NDArray[Any]) -> Self:
        """Train from scratch.

        Args:
            X: (rows,) texts.
            y: (rows,) labels of any sortable kind, or (rows, classes) of 0 and 1 for multi-label.

        Returns:
            This classifier.

        Raises:
            DataError: lengths differ, a text is not a string, a label is missing or of another kind than the others,
                or there is one class only.
            RecipeError: a setting is wrong.
        """
        texts, labels = _texts(X), np.asarray(y)
        if not texts or len(texts) != len(labels):
            raise DataError(
                f"fit takes at least one text and one label a text, and got {len(texts)} texts and {len(labels)}"
                " labels."
            )
        self.classes_, codes = _classes(labels)
        names = [str(name) for name in self.classes_]
        split = Split(pa.array(texts, pa.large_string()), codes, np.arange(len(texts)))
        data = TextData({"train": split}, names, labels.ndim == 2, "texts in memory", split.digest().hex()[:16], [])
        given = {"model.hidden_size": self.hidden, "training.epochs": self.epochs}
        changes = {key: value for key, value in given.items() if value is not None}
        if self.epochs is not None:
            changes["training.min_updates"] = 0
        base = validate({"name": "estimator", "data": {"source": data.source}}, origin="the classifier's settings")
        fixed = {"model.num_layers": self.layers, "seed": self.seed, "threads": self.threads}
        trained = train(base.override({**fixed, **changes, **(self.settings or {})}), data)
        self.trained_, self.run_ = trained, trained.run
        self.predictor_ = Predictor(TorchClassifier(trained.model, trained.tokenizer))
        return self

    def predict_proba(self, X: Sequence[str] | NDArray[Any]) -> NDArray[np.float32]:
        """Give probabilities.

        Args:
            X: (rows,) texts.

        Returns:
            (rows, classes) in the order of `classes_`.
        """
        check_is_fitted(self)
        return self.predictor_.probabilities(_texts(X))

    def predict(self, X: Sequence[str] | NDArray[Any]) -> NDArray[Any]:
        """Give labels.

        Args:
            X: (rows,) texts.

        Returns:
            (rows,) of the kind that `fit` was given; for multi-label (rows, classes) of 0 and 1.
        """
        probabilities = self.predict_proba(X)
        if self.run_.data.multi_label:
            return (probabilities >= THRESHOLD).astype(np.int64)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def save(self, folder: str | Path) -> None:
        """Write what `textlstm train` writes, for `Predictor.load`, for transformers and for `push_to_hub`.

        Labels become strings.

        Args:
            folder: made when absent.

        Raises:
            RunFolderError: it holds a finished model.
        """
        check_is_fitted(self)
        place = Path(folder)
        refuse_finished(place)
        self.trained_.save(place)
        write_run(place, self.run_, self.trained_.predictions, Recipe.model_validate(self.run_.settings).to_yaml())

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        tags.classifier_tags.multi_label = True
        return tags


def _classes(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find the classes, and each row's class number or its row of truth values."""
    if labels.ndim == 2 and np.isin(labels, (0, 1)).all():
        return np.arange(labels.shape[1]), labels.astype(bool)
    if labels.ndim != 1:
        raise DataError(
            "Labels are one column of any kind, or for multi-label several columns of 0 and 1, and have shape"
            f" {labels.shape} with other values; pass one of these."
        )
    for row, label in enumerate(labels.tolist()):
        if label is None or (isinstance(label, float) and label != label):
            raise DataError(f"fit takes a label for every text, and row {row} has no label; drop such rows first.")
    try:
        classes, codes = np.unique(labels, return_inverse=True)
    except TypeError:
        kinds = ", ".join(sorted({type(label).__name__ for label in labels.tolist()}))
        raise DataError(f"Labels should be of one kind, and are {kinds}; turn all of them into strings.") from None
    return classes, codes


def _texts(values: Sequence[str] | NDArray[Any]) -> list[str]:
    """Take texts as a list, and refuse what is none."""
    if isinstance(values, str):
        raise DataError("A list of texts was expected, and one string was found; put it into a list.")
    texts = list(values)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"Texts are strings, and row {row} is {type(text).__name__}; pass one column of texts.")
    return texts
