"""How much memory a training will take at its peak; arithmetic alone, no torch.

    peak = libraries
         + 4 bytes x (4 x parameters of the embeddings + 5 x other parameters)
         + 4 bytes x tokens of a batch x (13 x embedding width + 19 x units + 5 x inputs of layers 2 and up)
         + 14 bytes x tokens of the data

Tokens of a batch are counted with padding, units and inputs are those of all layers and directions. The factors were
fitted to the growth of a process's resident memory over trainings on a CPU of 0 to 8 layers of 8 to 256 units (torch
2.13); `benchmarks/memory.py` measures how far they hold. A position of a layer keeps, of each unit and direction, the
state, the cell, four gates and what they are made of, the states put back in their order and both directions side by
side; of what it reads, both orders; and the backward pass needs gradients of the like. On a GPU the batch and the
parameters lie in the GPU's memory instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from textlstm.recipe import Recipe
from textlstm.recipe_arithmetic import hidden_sizes, layer_inputs, stack_size

LIBRARIES = 530 * 2**20
"""Resident memory of a process that has imported torch (its CPU build) and transformers and made a few updates."""

_OF_EMBEDDINGS, _OF_UNITS, _OF_INPUTS = 13, 19, 5  # numbers kept of each position, at most at a time
_PREDICTED_EMBEDDINGS, _PREDICTED_UNITS = 1.0, 2.2  # the same without gradients
_PREDICTED_TOKENS, _PREDICTED_ROWS = 16_384, 256  # of a batch: as `inference.model_files` has them
_BYTES_A_TOKEN = 14  # of the data: its text as it was read, and its id
_LONGEST = 4.0  # times the mean: the longest text that is reckoned with
_WINDOW_ROWS = 3  # a batch of texts of a window's length may have so many times the rows that it has on average


@dataclass(frozen=True)
class PeakMemory:
    """Expected peak of a training's resident memory, in bytes.

    Attributes:
        libraries: Python, torch, transformers.
        parameters: weights, gradients, both moments of the optimizer, and the best or mean weights.
        activations: what a batch keeps for its gradient, or a batch of predictions where that is more.
        data: texts and ids.
    """

    libraries: int
    parameters: int
    activations: int
    data: int

    @property
    def total(self) -> int:
        """All of it together."""
        return self.libraries + self.parameters + self.activations + self.data


def peak_memory(
    recipe: Recipe,
    *,
    num_labels: int,
    mean_tokens: float,
    rows: int,
    vocab_size: int | None = None,
) -> PeakMemory:
    """Estimate what one training takes on a CPU.

    Args:
        recipe: one cell; `model:`, `training:` and `tokenizer:` are read.
        num_labels: outputs of the classifier.
        mean_tokens: of a text, cut to the recipe's length.
        rows: texts to learn from.
        vocab_size: rows of the embeddings; when None the largest that the recipe allows, and that so many tokens can
            fill.

    Returns:
        The parts.
    """
    model, training = recipe.model, recipe.training
    tokens = rows * mean_tokens
    if vocab_size is None:
        vocab_size = recipe.tokenizer.vocab_size
        if recipe.tokenizer.kind != "pretrained" and not recipe.embeddings.extra_words:
            vocab_size = min(vocab_size, max(2, int(tokens / recipe.tokenizer.min_frequency)))
    size = stack_size(recipe, num_labels=num_labels, vocab_size=vocab_size)
    # Weights, two moments, what is kept aside (the best weights, or their mean, or both); and a gradient, which the
    # embeddings have for a batch's rows alone.
    copies = 4 + (1 if training.weight_averaging else 0)
    parameters = copies * size.embedding + (copies + 1) * size.stack
    units = (2 if model.bidirectional else 1) * sum(hidden_sizes(recipe))
    kept = _OF_EMBEDDINGS * model.embedding_size + _OF_UNITS * units + _OF_INPUTS * sum(layer_inputs(recipe)[1:])
    # Batches are cut by tokens, padding counted, so their mean decides; a longer text makes a batch of its own.
    longest = min(recipe.tokenizer.max_length, _LONGEST * mean_tokens)
    cells = min(tokens, max(training.batch_size * mean_tokens, longest))
    predicted = min(tokens, _PREDICTED_TOKENS, _PREDICTED_ROWS * longest)
    if model.window is not None:  # no longer batch is read at once; short texts fill one with more rows
        cells = min(cells, _WINDOW_ROWS * training.batch_size * model.window)
        predicted = min(predicted, _PREDICTED_ROWS * model.window)
    read = _PREDICTED_EMBEDDINGS * model.embedding_size + _PREDICTED_UNITS * units
    return PeakMemory(
        libraries=LIBRARIES,
        parameters=4 * parameters,
        activations=int(4 * max(cells * kept, predicted * read)),
        data=int(_BYTES_A_TOKEN * tokens),
    )
