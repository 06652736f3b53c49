"""How large a recipe's model is, and which widths make stacks of two depths equally large; arithmetic alone, no torch.

The counts follow the shapes of `model/layers.py` and `model/pooling.py`; a test builds the models and compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textlstm.errors import RecipeError
from textlstm.recipe import Recipe


@dataclass(frozen=True)
class StackSize:
    """Size of one model.

    Attributes:
        embedding: parameters of the word embeddings.
        stack: all other parameters: layers, joins, norms, pooling, classifier.
        flops_per_token: operations of one forward pass for one token, as `training.cost.flops_per_token` counts them.
    """

    embedding: int
    stack: int
    flops_per_token: int


def hidden_sizes(recipe: Recipe) -> list[int]:
    """Spread a recipe's width over its layers.

    Args:
        recipe: `model.hidden_size` is one number, or a list of one a layer.

    Returns:
        Width of each layer per direction, lowest layer first.
    """
    width = recipe.model.hidden_size
    return list(width) if isinstance(width, list) else [width] * recipe.model.num_layers


def layer_inputs(recipe: Recipe) -> list[int]:
    """Count the features that each layer reads.

    Args:
        recipe: its `model:` part is read.

    Returns:
        Features of each position, lowest layer first.
    """
    model = recipe.model
    widths = [(2 if model.bidirectional else 1) * hidden for hidden in hidden_sizes(recipe)]
    below = [model.embedding_size, *widths[:-1]] if widths else []
    return [sum(below[: index + 1]) for index in range(len(below))] if model.join == "dense" else below


def stack_size(recipe: Recipe, *, num_labels: int, vocab_size: int | None = None) -> StackSize:
    """Count a recipe's parameters and operations.

    Args:
        recipe: its `model:` part is read.
        num_labels: outputs of the classifier.
        vocab_size: rows of the embedding; the largest that the recipe allows when None.

    Returns:
        The counts.
    """
    model = recipe.model
    directions = 2 if model.bidirectional else 1
    below = model.embedding_size
    matrices = vectors = 0
    for index, (hidden, read) in enumerate(zip(hidden_sizes(recipe), layer_inputs(recipe), strict=True)):
        width = directions * hidden
        matrices += directions * 4 * hidden * (read + hidden)
        vectors += directions * 8 * hidden  # two biases a gate
        if index and model.layer_norm:
            vectors += 2 * read
        if index and model.join == "residual" and below != width:
            matrices += below * width
        below = width
    top = below
    if model.pooling == "attention":
        matrices += top * top + top
        vectors += top
    if model.pooling == "layer_mix":
        vectors += model.num_layers
    matrices += top * {"concat": 3, "layer_mix": 2}.get(model.pooling, 1) * num_labels
    vectors += num_labels
    rows = recipe.tokenizer.vocab_size if vocab_size is None else vocab_size
    return StackSize(rows * model.embedding_size, matrices + vectors, 2 * matrices)


def match_widths(recipe: Recipe, *, parameters: int, num_labels: int) -> list[int]:
    """Find the widths at which a stack has a given number of parameters.

    The lowest layers may be one unit wider than those above, so that the steps between possible counts stay small.

    Args:
        recipe: with its number of layers; its own width is not read.
        parameters: wanted outside the embeddings.
        num_labels: outputs of the classifier.

    Returns:
        One width a layer, lowest layer first, as near to `parameters` as can be.

    Raises:
        RecipeError: even a width of one unit has more parameters.
    """
    depth = recipe.model.num_layers

    def count(widths: Sequence[int]) -> int:
        return stack_size(recipe.override({"model.hidden_size": list(widths)}), num_labels=num_labels).stack

    if count([1] * depth) > parameters:
        raise RecipeError(
            f"matched_parameters: {depth} layers of one unit have {count([1] * depth):,} parameters already, and"
            f" {parameters:,} are to be matched; raise model.hidden_size, or compare fewer layers."
        )
    low, high = 1, 2
    while count([high] * depth) <= parameters:
        low, high = high, 2 * high
    while high - low > 1:  # the widest even stack that is not larger
        middle = (low + high) // 2
        low, high = (middle, high) if count([middle] * depth) <= parameters else (low, middle)
    # A mixture of layers needs them all of one width.
    wider = (0, depth) if recipe.model.pooling == "layer_mix" else range(depth + 1)
    choices = [[low + 1] * k + [low] * (depth - k) for k in wider]
    return min(choices, key=lambda widths: abs(count(widths) - parameters))
