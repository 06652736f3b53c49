"""An exported model at work in ONNX Runtime: ids in, logits out, on the CPU, with neither torch nor transformers.

The 8-bit graph quantizes its activations over a whole batch, so that its scores depend a little on the other rows of a
batch (up to 0.03 of a probability was seen); with one row a batch they do not. The 32-bit graph's scores do not.
"""

from __future__ import annotations

import json
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from textlstm.errors import MissingExtraError, ModelError, first_line
from textlstm.inference.model_files import weights_digest
from textlstm.text.batching import pad_batch, plan_ordered
from textlstm.text.encoding import Encoded, read_backend, set_for_encoding

try:
    import onnxruntime
except ImportError as error:
    raise MissingExtraError("onnxruntime", "onnx") from error

METADATA_FORMAT = "1"
"""Raised when the meaning of a graph's metadata changes."""


class OnnxClassifier:
    """A classifier in ONNX Runtime with its tokenizer, ready for ids.

    Attributes:
        backend: the tokenizer, set to cut texts as the model reads them.
        unk_id: the id of which a text without any token is made.
        label_names: in the order of the model's outputs.
        multi_label: whether a text may get any number of labels.
        max_length: tokens after which a text is cut, at its end.
        name: what runs, for messages.
        batch_rows: rows a batch holds, unless told otherwise.
    """

    # Its LSTM multiplies the inputs of all words of a batch at once; what does not fit into the cache costs twice the
    # time (2 x 256 units on AG News: 8 rows 330 texts a second, 192 rows 160, one row 200; in 32 bits alike).
    batch_rows = 8

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: Tokenizer, *, threads: int = 1) -> None:
        """Put a graph and its tokenizer to work.

        Args:
            session: an exported graph.
            tokenizer: of the tokenizer.json that was saved with the model; changed in place.
            threads: batches that go side by side.

        Raises:
            ModelError: the graph was not exported by textlstm, or by a newer one.
        """
        notes: dict[str, str] = session.get_modelmeta().custom_metadata_map
        if notes.get("textlstm_format") != METADATA_FORMAT:
            raise ModelError(
                f"An exported graph says how to read it, in format {METADATA_FORMAT}, and this one says"
                f" {notes.get('textlstm_format')!r}; export it again with this version of textlstm."
            )
        self.session, self.threads = session, threads
        self.label_names: list[str] = json.loads(notes["labels"])
        self.multi_label = notes["multi_label"] == "true"
        self.max_length = int(notes["max_length"])
        self.pad_id, self.unk_id = int(notes["pad_token_id"]), int(notes["unk_token_id"])
        self.weights = notes.get("weights") or None
        self.name = f"ONNX Runtime, {notes['precision']}"
        splits = notes["split_special_tokens"] == "true"
        self.backend = set_for_encoding(tokenizer, max_length=self.max_length, split_special_tokens=splits)

    @classmethod
    def load(cls, graph: Path, folder: Path, *, threads: int | None = None) -> Self:
        """Load an exported graph.

        Args:
            graph: an .onnx file.
            folder: where tokenizer.json lies.
            threads: batches that go side by side, each in one thread; None takes as many as this process has
                processors.

        Returns:
            The classifier.

        Raises:
            ModelError: a file is damaged, or the graph was exported from other weights than lie in the folder.
        """
        options = onnxruntime.SessionOptions()
        # Batches side by side in one thread each do a fifth more work than two threads within each, which also keep
        # both processors busy over a single text, and in 8 bits answer it no sooner.
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # its warnings are about what the machine lacks
        try:
            session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        except _RUNTIME_ERRORS as error:
            reason = first_line(error)
            raise ModelError(
                f"{graph} should be a graph that ONNX Runtime {onnxruntime.__version__} runs, and is not ({reason});"
                " export it again, or update onnxruntime."
            ) from error
        tokenizer = read_backend(folder / "tokenizer.json")
        try:
            loaded = cls(session, tokenizer, threads=threads or _threads())
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise ModelError(
                f"{graph} should say in its metadata how to read it, and a note is absent or damaged ({error}); export"
                " it again."
            ) from error
        here = weights_digest(folder)
        if here is not None and loaded.weights is not None and here != loaded.weights:
            raise ModelError(
                f"{graph} was exported from other weights than lie in {folder}; export the model again, or pass"
                " --backend torch."
            )
        return loaded

    def logits(self, encoded: Encoded, *, batch_tokens: int, batch_rows: int) -> NDArray[np.float32]:
        """Run the graph over ids, in batches of similar length.

        Args:
            encoded: rows of ids.
            batch_tokens: padded tokens a batch may hold.
            batch_rows: rows a batch may hold.

        Returns:
            (rows, classes) in input order.
        """
        logits = np.empty((len(encoded), len(self.label_names)), dtype=np.float32)

        def run(rows: NDArray[np.int64]) -> None:
            ids, lengths = pad_batch(encoded, rows, pad_id=self.pad_id)
            mask = (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)
            logits[rows] = self.session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]

        batches = list(plan_ordered(encoded.lengths, batch_tokens=batch_tokens, max_rows=batch_rows))
        side_by_side = min(self.threads, len(batches))
        if side_by_side <= 1:
            for rows in batches:
                run(rows)
            return logits
        pool = ThreadPoolExecutor(side_by_side)  # a run leaves the interpreter to the others
        try:
            deque(pool.map(run, batches), maxlen=0)
        finally:
            pool.shutdown(cancel_futures=True)
        return logits


def _threads() -> int:
    """Count the processors that this process may use; ONNX Runtime alone would count the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _runtime_errors() -> tuple[type[Exception], ...]:
    """Name ONNX Runtime's own errors, which have no common base below Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented",
             "RuntimeException", "EPFail", "NoModel", "ModelLoaded")  # fmt: skip
    found: list[Any] = [getattr(state, name) for name in names if hasattr(state, name)]
    return tuple(found)


_RUNTIME_ERRORS = _runtime_errors()
