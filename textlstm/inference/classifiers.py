"""What runs a model, ONNX Runtime or torch, behind one face; neither library is imported before it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from textlstm.inference.model_files import ModelFiles
from textlstm.text.encoding import Encoded

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Classifier(Protocol):
    """What runs a model: `OnnxClassifier` or `TorchClassifier`."""

    label_names: list[str]
    multi_label: bool
    max_length: int
    unk_id: int
    name: str
    batch_rows: int

    @property
    def backend(self) -> Tokenizer:
        """The tokenizer, set to cut texts as the model reads them."""

    def logits(self, encoded: Encoded, *, batch_tokens: int, batch_rows: int) -> NDArray[np.float32]:
        """Give (rows, classes) in the order of the ids."""


def load_classifier(files: ModelFiles, *, device: str = "auto", threads: int | None = None) -> Classifier:
    """Load a model's graph, or its weights where there is no graph to run.

    Args:
        files: as `find_model` gives them.
        device: what torch runs on.
        threads: CPU threads; None takes those that this process may use. Torch has one number for all its models.

    Returns:
        The classifier.

    Raises:
        ModelError: a file is damaged, or the graph was exported from other weights.
    """
    if files.onnx is not None:
        from textlstm.inference.onnx_classifier import OnnxClassifier

        return OnnxClassifier.load(files.onnx, files.folder, threads=threads)
    from textlstm.inference.torch_classifier import TorchClassifier

    loaded = TorchClassifier.load(files.folder, device=device)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    return loaded


def average_windows(logits: NDArray[np.float32], encoded: Encoded) -> NDArray[np.float32]:
    """Average the logits of each text's windows, each weighed by its tokens.

    Args:
        logits: (rows, classes), a window a row, or a text a row.
        encoded: the rows.

    Returns:
        (texts, classes) in input order; the logits themselves where a row is a text.
    """
    if encoded.owners is None:
        return logits
    texts = int(encoded.owners[-1]) + 1 if len(encoded) else 0
    summed = np.zeros((texts, logits.shape[1]), dtype=np.float64)
    np.add.at(summed, encoded.owners, logits * encoded.lengths[:, None])
    tokens = np.bincount(encoded.owners, weights=encoded.lengths, minlength=texts)
    return np.asarray(summed / tokens[:, None], dtype=np.float32)
