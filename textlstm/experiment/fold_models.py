"""Encoders and teachers of a cross-validation: what was fitted inside of a fold serves that fold alone."""

from __future__ import annotations

from typing import Any

from textlstm.recipe import Recipe

FOLD_MARK = "{fold}"
"""Stands in the names of encoders and teachers for the number of the fold."""


def with_models_of_fold(recipe: Recipe, fold: int) -> Recipe:
    """Put a fold's number into the names of the models that a cell learns from.

    Args:
        recipe: of the cell.
        fold: counted from 0.

    Returns:
        A copy in which `{fold}` of `transfer.encoder` and `distillation.teacher` is the number; the recipe itself
        where neither has it.
    """
    changes: dict[str, Any] = {}
    if FOLD_MARK in (encoder := recipe.transfer.encoder or ""):
        changes["transfer.encoder"] = encoder.replace(FOLD_MARK, str(fold))
    teachers = recipe.distillation.teacher or []
    if any(FOLD_MARK in one for one in teachers):
        changes["distillation.teacher"] = [one.replace(FOLD_MARK, str(fold)) for one in teachers]
    return recipe.override(changes) if changes else recipe
