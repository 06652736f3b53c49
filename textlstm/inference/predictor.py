"""A trained model at work: texts in, labels and probabilities out, in input order, by ONNX Runtime or by torch.

Neither torch, transformers nor datasets is imported before a model needs it; one that ONNX Runtime runs never does.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from textlstm.errors import DataError, ModelError, RecipeError
from textlstm.inference.calibration import Calibration, read_calibration
from textlstm.inference.classifiers import Classifier, average_windows, load_classifier
from textlstm.inference.decisions import (
    Prediction,
    check_decision,
    decide,
    given_labels,
    probabilities_from_logits,
)
from textlstm.inference.model_files import BATCH_ROWS, BATCH_TOKENS, Backend, ModelFiles, digest_model, find_model
from textlstm.stats.scores import THRESHOLD
from textlstm.text.encoding import Encoded, encode_by

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from textlstm.inference.torch_classifier import TorchClassifier
    from textlstm.model import TextLSTMForSequenceClassification

__all__ = ["BATCH_ROWS", "BATCH_TOKENS", "Classifier", "LongTexts", "Predictor"]

LongTexts = Literal["truncate", "average"]
"""A text longer than the model reads is cut at its end, or read in windows whose logits are averaged."""


class Predictor:
    """A classifier with its label names and its way of deciding, ready for texts.

    Attributes:
        classifier: what runs the model.
        label_names: in the order of the model's outputs.
        multi_label: whether a text may get any number of labels.
        max_length: tokens after which a text is longer than the model reads.
        calibration: divides the logits and sets the thresholds; None changes nothing.
        thresholds: for a multi-label model the probability from which a label is given, one or (classes,).
        abstain_below: for a single-label model the probability below which no label is given.
        long_texts: what becomes of a longer text.
        files: where the model was loaded from; None for one in memory.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        calibration: Calibration | None = None,
        threshold: float | None = None,
        abstain_below: float = 0.0,
        long_texts: LongTexts = "truncate",
    ) -> None:
        """Put a classifier to work.

        Args:
            classifier: what runs the model.
            calibration: of this model, as `read_calibration` gives it.
            threshold: for a multi-label model the probability from which a label is given, in place of the calibrated
                ones, or of 0.5 where there are none.
            abstain_below: for a single-label model the probability below which it gives no label.
            long_texts: "truncate", or "average" to read a long text in windows of `max_length` tokens one after
                another, and to average their logits, each weighed by its tokens.

        Raises:
            RecipeError: an option is out of its range, or has no effect on this kind of model.
            ModelError: the calibration is of a model with other labels.
        """
        self.classifier = classifier
        self.label_names, self.multi_label = classifier.label_names, classifier.multi_label
        self.max_length = classifier.max_length
        check_decision(self.multi_label, threshold=threshold, abstain_below=abstain_below)
        if long_texts not in get_args(LongTexts):
            raise RecipeError(
                f"--long-texts is {' or '.join(get_args(LongTexts))}, and {long_texts!r} was found; check the spelling."
            )
        self.calibration, self.abstain_below, self.long_texts = calibration, abstain_below, long_texts
        self.files: ModelFiles | None = None
        self.thresholds: float | NDArray[np.float32] = THRESHOLD if threshold is None else threshold
        calibrated = calibration.thresholds_of(self.label_names) if calibration is not None else None
        if threshold is None and calibrated is not None:
            self.thresholds = calibrated

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        backend: Backend = "auto",
        device: str = "auto",
        threads: int | None = None,
        calibrated: bool = True,
        threshold: float | None = None,
        abstain_below: float = 0.0,
        long_texts: LongTexts = "truncate",
    ) -> Self:
        """Load a model folder, one .onnx file, or a model from the Hub.

        Args:
            source: a folder that `textlstm train` wrote, an .onnx file with its tokenizer.json beside it or one folder
                up, or a Hub id such as "user/model".
            backend: "auto" for ONNX Runtime where an exported model.onnx is there and for torch otherwise; "onnx",
                "onnx-int8" or "torch".
            device: "auto"; "cpu"; or "cuda", "cuda:1", "mps", on which torch runs.
            threads: CPU threads; None takes those that this process may use. Torch has one number for all its models.
            calibrated: whether to use the model's calibration.json, if there is one.
            threshold: as for the class.
            abstain_below: as for the class.
            long_texts: as for the class.

        Returns:
            The predictor.

        Raises:
            ModelError: the folder is missing or incomplete, holds another kind of model, or is damaged; or the Hub has
                no such model, or cannot be reached.
        """
        files = find_model(source, backend=backend, device=device)
        classifier = load_classifier(files, device=device, threads=threads)
        known = getattr(classifier, "weights", None)  # of a graph, beside which there may be no weights
        calibration = read_calibration(files.folder, weights=known) if calibrated else None
        loaded = cls(
            classifier, calibration=calibration, threshold=threshold, abstain_below=abstain_below, long_texts=long_texts
        )
        loaded.files = files
        return loaded

    def identity(self) -> str:
        """Say which model this is, in a few words that change with its weights, its tokenizer and what runs it.

        Returns:
            The backend's name and a digest of the files; for a model in memory a name that no other has.
        """
        if self.files is None:
            return f"{self.classifier.name} {uuid.uuid4()}"
        return f"{self.classifier.name} {digest_model(self.files)}"

    @property
    def model(self) -> TextLSTMForSequenceClassification:
        """The network, where torch runs it; a ModelError otherwise."""
        return self._torch().model

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer as transformers has it, where torch runs the model; a ModelError otherwise."""
        return self._torch().tokenizer

    def _torch(self) -> TorchClassifier:
        """The classifier, if it is torch's."""
        classifier: Any = self.classifier
        if not hasattr(classifier, "model"):
            raise ModelError(
                f"The network itself is needed here, and this model runs in {classifier.name}; load it by"
                ' Predictor.load(..., backend="torch").'
            )
        torch_classifier: TorchClassifier = classifier
        return torch_classifier

    def __call__(
        self,
        texts: str | Sequence[str] | pa.Array | pa.ChunkedArray,
        *,
        batch_tokens: int = BATCH_TOKENS,
        batch_rows: int | None = None,
    ) -> list[Prediction]:
        """Label texts.

        Args:
            texts: one text or many; a text without any token is judged as one unknown word.
            batch_tokens: padded tokens a batch may hold.
            batch_rows: rows a batch may hold; None takes what suits what runs the model.

        Returns:
            One prediction a text, in input order.
        """
        encoded = self.encode(texts)
        return decide(
            self.probabilities_of(encoded, batch_tokens=batch_tokens, batch_rows=batch_rows),
            self.label_names,
            multi_label=self.multi_label,
            cut_rows=encoded.cut_rows,
            thresholds=self.thresholds,
            abstain_below=self.abstain_below,
        )

    def probabilities(
        self,
        texts: str | Sequence[str] | pa.Array | pa.ChunkedArray,
        *,
        batch_tokens: int = BATCH_TOKENS,
        batch_rows: int | None = None,
    ) -> NDArray[np.float32]:
        """Give every label's probability.

        Args:
            texts: one text or many.
            batch_tokens: padded tokens a batch may hold.
            batch_rows: rows a batch may hold; None takes what suits what runs the model.

        Returns:
            (rows, classes) in input order, columns as `label_names`; rows sum to one unless the model is multi-label.
        """
        return self.probabilities_of(self.encode(texts), batch_tokens=batch_tokens, batch_rows=batch_rows)

    def encode(self, texts: str | Sequence[str] | pa.Array | pa.ChunkedArray) -> Encoded:
        """Turn texts into ids; `truncated` counts the texts that are longer than the model reads.

        Args:
            texts: one text or many.

        Returns:
            The ids, each text cut at `max_length`, or in windows of as many tokens.

        Raises:
            DataError: a text is not a string.
        """
        rows: Any = [texts] if isinstance(texts, str) else texts
        if not isinstance(rows, pa.Array | pa.ChunkedArray):
            rows = list(rows)
            wrong = next((row for row, text in enumerate(rows) if not isinstance(text, str)), None)
            if wrong is not None:
                raise DataError(
                    f"Every text should be a string, and text {wrong} (counted from 0) is {rows[wrong]!r}; drop it or"
                    " fill it first."
                )
        elif rows.null_count:
            raise DataError(f"Every text should be a string, and {rows.null_count} are null; drop or fill them first.")
        windows = self.long_texts == "average"
        return encode_by(self.classifier.backend, rows, unk_id=self.classifier.unk_id, windows=windows)

    def logits_of(
        self, encoded: Encoded, *, batch_tokens: int = BATCH_TOKENS, batch_rows: int | None = None
    ) -> NDArray[np.float32]:
        """Give every label's logit, before calibration, for texts that are ids already.

        Args:
            encoded: what `encode` gave.
            batch_tokens: padded tokens a batch may hold.
            batch_rows: rows a batch may hold; None takes what suits what runs the model.

        Returns:
            (texts, classes) in input order.
        """
        rows = self.classifier.batch_rows if batch_rows is None else batch_rows
        logits = self.classifier.logits(encoded, batch_tokens=batch_tokens, batch_rows=rows)
        return average_windows(logits, encoded)

    def probabilities_of(
        self, encoded: Encoded, *, batch_tokens: int = BATCH_TOKENS, batch_rows: int | None = None
    ) -> NDArray[np.float32]:
        """Give every label's probability for texts that are ids already.

        Args:
            encoded: what `encode` gave.
            batch_tokens: padded tokens a batch may hold.
            batch_rows: rows a batch may hold; None takes what suits what runs the model.

        Returns:
            (texts, classes) in input order, as `probabilities` gives them.

        Raises:
            ModelError: the model gives NaN or infinite scores.
        """
        logits = self.logits_of(encoded, batch_tokens=batch_tokens, batch_rows=batch_rows)
        if self.calibration is not None:
            logits = logits / np.float32(self.calibration.temperature)
        chances = probabilities_from_logits(logits, multi_label=self.multi_label)
        if not np.isfinite(chances).all():
            raise ModelError(
                "The model should give finite scores and gave NaN or infinite ones; its weights are damaged or its"
                " training diverged: train it again with a lower learning rate."
            )
        return chances

    def given(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Say which labels the probabilities give.

        Args:
            probabilities: (rows, classes).

        Returns:
            (rows, classes).
        """
        return given_labels(
            probabilities, multi_label=self.multi_label, thresholds=self.thresholds, abstain_below=self.abstain_below
        )
