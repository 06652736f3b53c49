"""What each plain baseline does with the rows of one run: its settings, and from rows to test probabilities."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.atomic_files import replacing
from textlstm.experiment.linear import FitFeatures, LinearSettings, fit_linear, scaled_features, tfidf_features
from textlstm.inference.frozen_encoder import Vectors, encode_frozen, encoder_digest, find_encoder
from textlstm.recipe import Recipe
from textlstm.text.datasets import TextData
from textlstm.text.protocol import UsedRows
from textlstm.text.splits import Split

Fitted = tuple[NDArray[np.float64], float | None]
"""(test rows, classes) probabilities, and C where there is one."""

PLAIN_METHODS: dict[str, str] = {
    "majority": "the shares of the labels among the training rows, whatever the text",
    "tfidf": "TF-IDF of words and word pairs with logistic regression; C chosen by the run's validation rows, under 500"
    " labels by 5-fold cross-validation on the training rows",
    "encoder": "the mean states of a frozen encoder with logistic regression; C chosen in the same way",
}
"""The methods, from the simplest on, in words for reports."""

VECTORS_FILE = "vectors.safetensors"

# A text has length 1 under TF-IDF and a length that grows with the width after scaling: the useful C lie far apart.
_TFIDF_STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_ENCODER_STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0)


@dataclass(frozen=True)
class Method:
    """One baseline, ready for rows.

    Attributes:
        name: a key of `PLAIN_METHODS`.
        settings: all that can change its figures, beside the rows.
        fit: fits on a run's rows and predicts its test rows.
    """

    name: str
    settings: dict[str, Any]
    fit: Callable[[UsedRows], Fitted]


def methods_of(recipe: Recipe, data: TextData, folder: Path, *, texts: Callable[[], Iterable[Split]]) -> list[Method]:
    """Make the methods that a recipe's grid asks for.

    Args:
        recipe: its grid names the baselines and the encoder; `choose_by` and `class_weights` hold for them too.
        data: for the number of labels.
        folder: of the grid's baselines, where an encoder's vectors are kept.
        texts: gives all splits that any fit will see; asked for once, when the encoder is first needed.

    Returns:
        The methods, in the order of `PLAIN_METHODS`.

    Raises:
        ModelError: the encoder cannot be found.
    """
    methods = []
    if "majority" in recipe.grid.baselines:
        methods.append(Method("majority", {}, lambda rows: (_shares(rows, len(data.label_names)), None)))
    if "tfidf" in recipe.grid.baselines:
        settings = {"lowercase": recipe.tokenizer.lowercase, **_choice(recipe)}
        features = tfidf_features(lowercase=recipe.tokenizer.lowercase)
        methods.append(_linear("tfidf", settings, _TFIDF_STRENGTHS, data, lambda: features))
    if recipe.grid.encoder is not None:
        encoder = _Encoder(recipe, folder / "encoder" / VECTORS_FILE, texts)
        settings = {**encoder.settings, **_choice(recipe)}
        methods.append(_linear("encoder", settings, _ENCODER_STRENGTHS, data, encoder.features))
    return methods


def _shares(rows: UsedRows, classes: int) -> NDArray[np.float64]:
    """Give every test row the training labels' shares, so that the most frequent label is the answer."""
    labels = rows.train.labels
    assert labels is not None and rows.test is not None  # noqa: S101 - the caller has seen to both
    shares = labels.mean(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=classes) / len(labels)
    return np.tile(shares, (len(rows.test), 1))


def _choice(recipe: Recipe) -> dict[str, Any]:
    """The recipe's keys that a linear model follows."""
    return {"choose_by": recipe.training.choose_by, "class_weights": recipe.training.class_weights}


def _linear(
    name: str,
    settings: dict[str, Any],
    strengths: tuple[float, ...],
    data: TextData,
    features: Callable[[], FitFeatures],
) -> Method:
    """A method of logistic regression on some features."""
    model = LinearSettings(
        classes=len(data.label_names),
        multi_label=data.multi_label,
        strengths=strengths,
        choose_by=settings["choose_by"],
        balanced=settings["class_weights"] == "balanced",
    )

    def fit(rows: UsedRows) -> Fitted:
        assert rows.test is not None  # noqa: S101 - the caller has seen to it
        return fit_linear(rows.train, rows.validation, rows.test, fit_features=features(), settings=model)

    return Method(name, {"strengths": list(strengths), **settings}, fit)


class _Encoder:
    """A frozen encoder's vectors, made once for all texts of a grid and kept in a file for the next sweep."""

    def __init__(self, recipe: Recipe, path: Path, texts: Callable[[], Iterable[Split]]) -> None:
        assert recipe.grid.encoder is not None  # noqa: S101 - the caller has looked
        self.folder, self.path, self.texts = find_encoder(recipe.grid.encoder), path, texts
        self.threads = recipe.threads
        # Where the model lies does not change its vectors, what it holds does.
        self.max_length = recipe.tokenizer.max_length
        self.settings = {"encoder": encoder_digest(self.folder), "max_length": self.max_length}
        self._fit: FitFeatures | None = None

    def features(self) -> FitFeatures:
        """Vectors of the grid's texts, scaled over the training texts of a fit."""
        if self._fit is None:
            known = dict.fromkeys(text for split in self.texts() for text in split.text_list())
            places = {text: place for place, text in enumerate(known)}
            self._fit = scaled_features(self._vectors(list(known)), places)
        return self._fit

    def _vectors(self, texts: list[str]) -> Vectors:
        """Read the vectors of exactly these texts from the file, or make them."""
        from safetensors import SafetensorError, safe_open
        from safetensors.numpy import save_file

        content = hashlib.sha256(repr(self.settings).encode())
        for text in texts:
            content.update(text.encode("utf-8", "surrogatepass") + b"\0")
        key = content.hexdigest()
        try:
            with safe_open(self.path, framework="numpy") as file:
                if (file.metadata() or {}).get("texts") == key:
                    stored: Vectors = file.get_tensor("vectors")
                    return stored
        except (FileNotFoundError, SafetensorError):
            pass  # none yet, or cut off: they are made anew
        vectors = encode_frozen(self.folder, texts, max_length=self.max_length, threads=self.threads)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as partial:
            save_file({"vectors": vectors}, partial, metadata={"texts": key})
        return vectors
