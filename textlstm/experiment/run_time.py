"""How long a run takes, estimated from its recipe before anything is trained."""

from __future__ import annotations

from textlstm.recipe import Recipe
from textlstm.recipe_arithmetic import stack_size
from textlstm.text.protocol import validation_rows

# Seconds a token outside and inside the products, measured at hidden 48 to 128 on one thread of an AVX-512 core; and
# what an update, and a time step of one layer and direction, take whatever their size (most of it for short texts),
# fitted to runs on a busy core with AVX2.
_SECONDS_PER_TOKEN, _SECONDS_PER_FLOP = 2.4e-6, 4.5e-11
_SECONDS_PER_UPDATE, _SECONDS_PER_STEP = 5e-3, 1.6e-4
_START_SECONDS = 1.0  # drawing rows, making the model, scoring


def run_seconds(recipe: Recipe, *, labels: int, mean_tokens: float, num_labels: int) -> float:
    """Estimate a run's seconds: updates, changed copies of the texts included, times the cost of one.

    Args:
        recipe: of one run.
        labels: labeled rows that it uses, validation included.
        mean_tokens: tokens of a text, cut to the recipe's length.
        num_labels: outputs of the classifier.

    Returns:
        Seconds on one thread, good to a factor of two or so.
    """
    held_out = validation_rows(labels)
    training, rows = recipe.training, labels - held_out
    copies = recipe.augmentation.copies
    if copies == "auto":
        from textlstm.text.augmentation import copies_for

        copies = copies_for(rows)
    updates = max(training.epochs * rows * (1 + copies) / training.batch_size, training.min_updates)
    # A forward pass over validation each epoch costs a third of training.
    scored = 1 + held_out / (3 * max(rows, 1))
    once = passes(recipe) * update_seconds(recipe, tokens=mean_tokens, num_labels=num_labels)
    return _START_SECONDS + updates * training.update_share * scored * once


def passes(recipe: Recipe) -> float:
    """Count the forward and backward passes that an update makes, those of the objectives beside the labels included.

    Args:
        recipe: its `objectives:` part and `training.batch_size` are read.

    Returns:
        1 where there are none; a forward pass alone counts a third.
    """
    part = recipe.objectives
    beside = part.unlabeled_batch / recipe.training.batch_size if part.unlabeled is not None else 0.0
    count = 1.0 + bool(part.r_drop) + bool(part.mixup)
    count += 2.0 * bool(part.adversarial)  # for the direction, and at the moved embeddings
    count += (7 / 3) * (1.0 + beside) * bool(part.virtual_adversarial)  # the answer as it is, too
    return count + beside * bool(part.entropy)


def update_seconds(recipe: Recipe, *, tokens: float, num_labels: int) -> float:
    """Estimate what one update takes.

    Args:
        recipe: of one run; its depth, widths and batch size are read.
        tokens: of a text.
        num_labels: outputs of the classifier.

    Returns:
        Seconds on one thread.
    """
    steps = tokens * recipe.model.num_layers * (2 if recipe.model.bidirectional else 1)
    flops = stack_size(recipe, num_labels=num_labels).flops_per_token
    a_token = _SECONDS_PER_TOKEN + _SECONDS_PER_FLOP * flops
    return _SECONDS_PER_UPDATE + _SECONDS_PER_STEP * steps + recipe.training.batch_size * tokens * a_token
