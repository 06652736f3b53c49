"""What a model takes on this machine's CPU, for the card: its weights in torch, its graphs in ONNX Runtime."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textlstm.inference.model_files import FULL_NAME, INT8_NAME, ONNX_FOLDER

if TYPE_CHECKING:
    from textlstm.model import TextLSTMConfig

TOKENS = 64
"""Length of the texts that are timed."""
BATCH_SIZES = (1, 32)
_REPEATS, _WARM_UP, _SECONDS = 30, 3, 1.0
_WORDS = {FULL_NAME: "ONNX Runtime", INT8_NAME: "ONNX Runtime, 8 bits"}

Timed = dict[str, dict[int, tuple[float, float]]]
"""By what runs and by batch size, the median and the 95th percentile of a batch in milliseconds."""


def measure_speed(config: TextLSTMConfig, folder: Path) -> Timed:
    """Time a model's forms on one CPU thread, without the tokenizer.

    Args:
        config: of the model.
        folder: with its ONNX files, if it has any.

    Returns:
        Milliseconds; torch first.
    """
    from textlstm.inference.latency import measure_latency

    measured = measure_latency(
        {"model": config}, tokens=TOKENS, batch_sizes=BATCH_SIZES, repeats=_REPEATS, seconds=_SECONDS
    )
    timed: Timed = {"torch": measured["model"].milliseconds}
    for name, words in _WORDS.items():
        graph = folder / ONNX_FOLDER / name
        if graph.exists():
            timed[words] = _time_graph(graph, config.vocab_size)
    return timed


def _time_graph(graph: Path, words: int) -> dict[int, tuple[float, float]]:
    """Time one graph on texts of random words."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    found = {}
    for size in BATCH_SIZES:
        times: list[float] = []
        end = time.perf_counter() + _SECONDS
        for number in range(_WARM_UP + _REPEATS):
            ids = rng.integers(0, words, (size, TOKENS))
            inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            started = time.perf_counter()
            session.run(["logits"], inputs)
            if number >= _WARM_UP:
                times.append(time.perf_counter() - started)
            if number >= _WARM_UP + 10 and time.perf_counter() > end:
                break
        found[size] = _summary(times)
    return found


def _summary(times: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds."""
    median, late = np.percentile(np.array(times) * 1e3, [50, 95])
    return float(median), float(late)
