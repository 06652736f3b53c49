"""Transfer that a command names for a comparison of depths becomes an axis: the same depths with it, and without."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from textlstm.errors import TextLSTMError
from textlstm.experiment.plan import PLAN_FILE, read_plan
from textlstm.recipe import Recipe

COMPARED = ("embeddings.source", "transfer.encoder", "distillation.teacher")
"""Keys that bring in what others have learned; None brings nothing."""


def with_and_without(recipe: Recipe, named: Collection[str], folder: Path) -> tuple[Recipe, list[str]]:
    """Compare depths without transfer as well, where a command named it for depths.

    The named value comes first, so that the verdict is about it. A folder whose runs began without the axis goes on
    without it.

    Args:
        recipe: with the command's settings in place.
        named: dotted keys that the command set.
        folder: of the grid, which may hold its plan already.

    Returns:
        The recipe, with an axis for each such key that is none yet; and sentences that say so.
    """
    if len(set(recipe.grid.layers or [])) < 2:
        return recipe, []
    values = {key: _value(recipe, key) for key in COMPARED if key in named and key not in recipe.grid.axes}
    keys = [key for key, value in values.items() if value is not None and not _began_alone(folder, key, value)]
    if not keys:
        return recipe, []
    changed = recipe.override({f"grid.{key}": [values[key], None] for key in keys})
    said = [
        f"Depths are compared with {key} and without; --set 'grid.{key}=[VALUE]' compares them with it alone."
        for key in keys
    ]
    return changed, said


def _value(recipe: Recipe, key: str) -> object:
    """Read a key of two parts."""
    section, name = key.split(".")
    return getattr(getattr(recipe, section), name)


def _began_alone(folder: Path, key: str, value: object) -> bool:
    """Whether a folder holds the plan of a grid with this value and without the axis."""
    if not (folder / PLAN_FILE).is_file():
        return False
    try:
        before = read_plan(folder).as_recipe()
    except TextLSTMError:  # whoever runs the grid says what is wrong with it
        return False
    return key not in before.grid.axes and _value(before, key) == value
