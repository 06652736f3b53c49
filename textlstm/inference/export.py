"""A trained model to ONNX files, each compared with the model in torch on real texts before it gets its name.

MODEL/onnx/model.onnx              32-bit, the same answers
MODEL/onnx/model_quantized.onnx    8-bit, a quarter of the size, nearly the same answers
MODEL/onnx/parity.json             how nearly
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textlstm.errors import ModelError
from textlstm.inference.held_out import HeldOut, texts_to_compare
from textlstm.inference.model_files import FULL_NAME, INT8_NAME, ONNX_FOLDER, find_model, weights_digest
from textlstm.inference.onnx_classifier import METADATA_FORMAT, OnnxClassifier
from textlstm.inference.onnx_graph import DEFAULT_OPSET, build_graph
from textlstm.inference.parity import LEAST_AGREEMENT, Parity, compare_logits
from textlstm.inference.torch_classifier import TorchClassifier
from textlstm.text.encoding import Encoded, encode_by

PARITY_NAME = "parity.json"
COMPARED_ROWS = 2_000
"""Texts that a graph is compared on, at most."""
_ALONE_ROWS = 50
_BATCH_TOKENS, _BATCH_ROWS = 4_096, 64


@dataclass(frozen=True)
class Exported:
    """One file that was written.

    Attributes:
        path: the .onnx file.
        size: bytes.
        parity: how it compares with the model in torch.
    """

    path: Path
    size: int
    parity: Parity


def export_onnx(
    model: str | Path,
    *,
    out: Path | None = None,
    int8: bool = False,
    full_range: bool = False,
    opset: int = DEFAULT_OPSET,
    data: str | None = None,
    texts: HeldOut | None = None,
    least_agreement: float = LEAST_AGREEMENT,
) -> list[Exported]:
    """Write a model's 32-bit ONNX file and, by option, the 8-bit one.

    Args:
        model: the folder of a trained model, or a Hub id.
        out: where to write; None means the folder `onnx` inside the model's.
        int8: whether to write the 8-bit file too.
        full_range: whether 8-bit matrices use all 8 bits in place of 7. More exact, but wrong on processors with
            AVX2 or AVX-512 and without VNNI, whose 16-bit sums it can overflow; the comparison sees this only where
            it runs on one.
        opset: version of ONNX's operators.
        data: labeled data to compare on; None takes the rows that the run did not train on.
        texts: texts to compare on, in place of `data`.
        least_agreement: where the 95 % interval of the 8-bit file's agreement must begin.

    Returns:
        What was written, the 32-bit file first.

    Raises:
        ModelError: the model cannot be loaded, or a graph does not answer as the model does; no file is then left under
            the name it would have had.
        RecipeError: the operator set is not one that onnx knows.
    """
    files = find_model(model, backend="torch")
    classifier = TorchClassifier.load(files.folder, device="cpu")
    folder = out if out is not None else files.folder / ONNX_FOLDER
    names = classifier.label_names
    compared = texts if texts is not None else texts_to_compare(files.folder, names, data=data, rows=COMPARED_ROWS)
    encoded = encode_by(classifier.backend, compared.texts, unk_id=classifier.unk_id)
    reference = classifier.logits(encoded, batch_tokens=_BATCH_TOKENS, batch_rows=_BATCH_ROWS)
    weights = {name: tensor.numpy() for name, tensor in classifier.model.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PARITY_NAME).unlink(missing_ok=True)  # it is of the files that are written anew
    written = []
    for precision in ("float32", "int8") if int8 else ("float32",):
        path = folder / (INT8_NAME if precision == "int8" else FULL_NAME)
        partial = path.with_name(f".{path.name}.part")
        graph = build_graph(
            classifier.model.config,
            weights,
            int8=precision == "int8",
            full_range=full_range,
            opset=opset,
            metadata=_metadata(classifier, precision, weights_digest(files.folder)),
        )
        found = Counter(node.op_type for node in graph.graph.node)
        operator = "DynamicQuantizeLSTM" if precision == "int8" else "LSTM"
        if found[operator] != classifier.model.config.num_layers:
            raise ModelError(f"A graph has one {operator} a layer, and {found[operator]} were written; report this.")
        try:
            partial.write_bytes(graph.SerializeToString())
            exported = OnnxClassifier.load(partial, files.folder)
            logits = exported.logits(encoded, batch_tokens=_BATCH_TOKENS, batch_rows=_BATCH_ROWS)
            if precision == "float32":
                logits = _farther(reference, logits, _alone(exported, encoded))
            multi_label = classifier.multi_label
            parity = compare_logits(reference, logits, compared, multi_label=multi_label, precision=precision)
            if problem := parity.problem(least_agreement=least_agreement):
                raise ModelError(
                    f"The {precision} graph of {model} is not good on {compared.origin}: {problem}. It was not kept."
                )
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        written.append(Exported(path, path.stat().st_size, parity))
    report = {export.path.name: {"bytes": export.size, **export.parity.model_dump()} for export in written}
    (folder / PARITY_NAME).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return written


def _metadata(classifier: TorchClassifier, precision: str, weights: str | None) -> dict[str, str]:
    """Write down what a reader of the file needs beside the graph; every value is text."""
    return {
        "textlstm_format": METADATA_FORMAT,
        "labels": json.dumps(classifier.label_names, ensure_ascii=False),
        "multi_label": json.dumps(classifier.multi_label),
        "activation": "sigmoid" if classifier.multi_label else "softmax",
        "max_length": str(classifier.max_length),
        "pad_token_id": str(classifier.model.config.pad_token_id),
        "unk_token_id": str(classifier.unk_id),
        "split_special_tokens": json.dumps(bool(classifier.tokenizer.split_special_tokens)),
        "precision": precision,
        "weights": weights or "",
    }


def _alone(exported: OnnxClassifier, encoded: Encoded) -> NDArray[np.float32]:
    """Answer the first rows one at a time: batch 1 takes other kernels."""
    first = encoded.take(np.arange(min(_ALONE_ROWS, len(encoded))))
    return exported.logits(first, batch_tokens=1, batch_rows=1)


def _farther(
    reference: NDArray[np.float32], batched: NDArray[np.float32], alone: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Of each row's two answers take the one that is farther from the model's."""
    worst = batched.copy()
    rows = slice(0, len(alone))
    far = np.abs(alone - reference[rows]) > np.abs(batched[rows] - reference[rows])
    worst[rows] = np.where(far, alone, batched[rows])
    return worst
