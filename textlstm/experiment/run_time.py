"""How long a run takes, estimated from its recipe before anything is trained."""

from __future__ import annotations

from textlstm.recipe import Recipe
from textlstm.recipe_arithmetic import stack_size
from textlstm.text.protocol import validation_rows

# Measured at hidden 64 and 128 on one thread of an AVX-512 core: seconds a token outside and inside the products.
_SECONDS_PER_TOKEN, _SECONDS_PER_FLOP = 2.4e-6, 4.5e-11
_START_SECONDS = 0.5  # drawing rows, making the model, scoring


def run_seconds(recipe: Recipe, *, labels: int, mean_tokens: float, num_labels: int) -> float:
    """Estimate a run's seconds: rows that go through training, times tokens, times the cost of a token.

    Args:
        recipe: of one run.
        labels: labeled rows that it uses, validation included.
        mean_tokens: tokens of a text, cut to the recipe's length.
        num_labels: outputs of the classifier.

    Returns:
        Seconds on one thread, right to the order of magnitude.
    """
    held_out = validation_rows(labels)
    training, rows = recipe.training, labels - held_out
    updates = max(training.epochs * rows / training.batch_size, training.min_updates)
    tokens = updates * training.batch_size * training.update_share * mean_tokens
    flops = stack_size(recipe, num_labels=num_labels).flops_per_token
    # A forward pass over validation each epoch costs a third of training.
    scored = 1 + held_out / (3 * max(rows, 1))
    return _START_SECONDS + tokens * scored * (_SECONDS_PER_TOKEN + _SECONDS_PER_FLOP * flops)
