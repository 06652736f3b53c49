"""How long models take to answer, side by side: the same texts, in turns, so that a busy moment hits all of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification

FEWEST_ROUNDS = 10
_WARM_UP = 3


@dataclass(frozen=True)
class Latency:
    """What one model takes on the CPU.

    Attributes:
        milliseconds: by batch size, the median and the 95th percentile of a batch's forward pass.
        disk_mb: MiB of its weights as safetensors (float32), the header of a few KiB left out.
    """

    milliseconds: dict[int, tuple[float, float]]
    disk_mb: float


def measure_latency(
    configs: Mapping[str, TextLSTMConfig],
    *,
    tokens: int,
    batch_sizes: Sequence[int] = (1, 32),
    repeats: int = 30,
    threads: int = 1,
    seconds: float = 10.0,
) -> dict[str, Latency]:
    """Time models with fresh weights, whose values do not change the time.

    The models answer in rounds, one batch each, in an order that is drawn anew every round; the first rounds warm up
    and are dropped. Tokenization is not timed.

    Args:
        configs: of the models, by any name.
        tokens: of each text of a batch.
        batch_sizes: texts at a time.
        repeats: timed rounds.
        threads: CPU threads.
        seconds: time for one batch size, beyond which no more rounds than `FEWEST_ROUNDS` are begun.

    Returns:
        Figures by name.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        models = {name: TextLSTMForSequenceClassification(config).eval() for name, config in configs.items()}
        rng = np.random.default_rng(0)
        times = {
            size: _time_rounds(models, size, tokens=tokens, repeats=repeats, seconds=seconds, rng=rng)
            for size in batch_sizes
        }
    finally:
        torch.set_num_threads(before)
    return {
        name: Latency(
            milliseconds={size: _summary(times[size][name]) for size in batch_sizes},
            disk_mb=sum(weight.nbytes for weight in model.state_dict().values()) / 2**20,
        )
        for name, model in models.items()
    }


def _time_rounds(
    models: Mapping[str, TextLSTMForSequenceClassification],
    batch_size: int,
    *,
    tokens: int,
    repeats: int,
    seconds: float,
    rng: np.random.Generator,
) -> dict[str, list[float]]:
    """Let every model answer one batch a round; gives seconds by name."""
    names = list(models)
    times: dict[str, list[float]] = {name: [] for name in names}
    end = time.perf_counter() + seconds
    for number in range(_WARM_UP + repeats):
        if number >= _WARM_UP + FEWEST_ROUNDS and time.perf_counter() > end:
            break
        for place in rng.permutation(len(names)):
            model = models[names[place]]
            # Other words each time, as in use; none of them is padding.
            ids = torch.from_numpy(rng.integers(0, model.config.vocab_size, (batch_size, tokens)))
            mask = torch.ones_like(ids)
            with torch.inference_mode():
                started = time.perf_counter()
                model(input_ids=ids, attention_mask=mask)
                passed = time.perf_counter() - started
            if number >= _WARM_UP:
                times[names[place]].append(passed)
    return times


def _summary(times: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds."""
    median, late = np.percentile(np.array(times) * 1e3, [50, 95])
    return float(median), float(late)
