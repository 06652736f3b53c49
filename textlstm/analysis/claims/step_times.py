"""How long a step of training takes at each depth: fresh stacks, in turns, so that a busy moment hits all of them."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import torch

from textlstm.model import TextLSTMConfig
from textlstm.recipe import Recipe
from textlstm.training.cost import peak_memory_mb, reset_peak_memory
from textlstm.training.optimizer import RowwiseAdamW, clip_gradients, parameter_groups
from textlstm.training.preparation import build_model


def time_training(
    recipe: Recipe, configs: Mapping[int, TextLSTMConfig], *, tokens: int, seed: int, rounds: int, warm_up: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Time training steps of all depths in turns, in an order drawn anew every round.

    Args:
        recipe: its `training:` part and threads are read.
        configs: by number of layers.
        tokens: of each text of a batch.
        seed: of weights, words and order.
        rounds: timed steps of each depth.
        warm_up: steps before them that are not timed.

    Returns:
        By number of layers, the median seconds of a step, and the peak memory that one adds, in MiB.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(recipe.threads)
    settings, cpu = recipe.training, torch.device("cpu")
    rng = np.random.default_rng([seed, 0x636F7374])
    models, steps = {}, {}
    for layers, config in configs.items():
        model = build_model(config, seed=seed).train()
        model.get_input_embeddings().sparse = True  # as in training on the CPU
        groups = parameter_groups(
            model,
            learning_rate=settings.learning_rate,
            embedding_learning_rate=settings.embedding_learning_rate,
            weight_decay=settings.weight_decay,
        )
        models[layers], steps[layers] = model, RowwiseAdamW(groups)
    seconds: dict[int, list[float]] = {layers: [] for layers in configs}
    memory: dict[int, list[float]] = {layers: [] for layers in configs}
    try:
        for number_of_round in range(warm_up + rounds):
            for layers in rng.permutation(list(configs)).tolist():
                model, config = models[layers], configs[layers]
                ids = torch.from_numpy(rng.integers(2, config.vocab_size, (settings.batch_size, tokens)))
                labels = _drawn_labels(config, settings.batch_size, rng)
                reset_peak_memory()
                held = peak_memory_mb(cpu)
                started = time.perf_counter()
                loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss
                loss.backward()
                clip_gradients(model.parameters(), settings.max_grad_norm)
                steps[layers].step()
                steps[layers].zero_grad(set_to_none=True)
                passed = time.perf_counter() - started
                if number_of_round >= warm_up:
                    seconds[layers].append(passed)
                    memory[layers].append(peak_memory_mb(cpu) - held)
    finally:
        torch.set_num_threads(before)
    return (
        {str(layers): float(np.median(times)) for layers, times in seconds.items()},
        {str(layers): float(np.max(grown)) for layers, grown in memory.items()},
    )


def _drawn_labels(config: TextLSTMConfig, rows: int, rng: np.random.Generator) -> torch.Tensor:
    """Draw what a loss is computed for: a class a text, or a yes or no a text and label."""
    assert config.num_labels is not None  # noqa: S101 - it follows from the data
    if config.problem_type == "multi_label_classification":
        return torch.from_numpy(rng.integers(0, 2, (rows, config.num_labels)).astype(np.float32))
    return torch.from_numpy(rng.integers(0, config.num_labels, rows))
