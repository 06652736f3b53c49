"""Dotted keys of a recipe such as `model.num_layers`: which there are, how one is set, and what is wrong with one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from textlstm.errors import RecipeError
from textlstm.recipe_grid import GridSection
from textlstm.recipe_model import Section

_MOST_LINES, _LONGEST_LINE = 50, 300


def keys_of(part: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Every dotted key of a recipe, or of a part of it, with its field.

    Args:
        part: the whole recipe or a part of it.
        prefix: put before every key.

    Returns:
        Fields by dotted key.
    """
    keys: dict[str, Any] = {}
    for name, field in part.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            keys |= keys_of(inner, f"{prefix}{name}.")
        else:
            keys[f"{prefix}{name}"] = field
    return keys


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted keys.

    Args:
        tree: nested mappings.
        prefix: put before every key.

    Returns:
        For `{"a": {"b": 1}}`, `{"a.b": 1}`.
    """
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return flat


def plant(tree: dict[str, Any], dotted: str, value: object) -> None:
    """Set one dotted key in nested mappings.

    Args:
        tree: of the recipe; changed in place.
        dotted: such as "model.num_layers", or "grid.model.join" for an axis.
        value: any plain value.

    Raises:
        RecipeError: a parent of the key is a value without keys of its own.
    """
    *parents, last = dotted.split(".")
    if parents[:1] == ["grid"] and len(parents) > 1 and parents[1] not in GridSection.model_fields:
        parents, last = ["grid"], dotted.removeprefix("grid.")  # an axis: its name has dots of its own
    for parent in parents:
        child = tree.setdefault(parent, {})
        if not isinstance(child, dict):
            raise RecipeError(f"{dotted} names a key below {parent}, and {parent} is a value without keys of its own.")
        tree = child
    tree[last] = value


def nearest(word: str, known: list[str]) -> str:
    """Suggest the closest known name, or the closest by its last part.

    Args:
        word: what was asked for.
        known: what there is.

    Returns:
        Such as "; did you mean model.join?"; empty where nothing is near.
    """
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if not close:
        by_tail = {key.rpartition(".")[2]: key for key in known}
        tail = difflib.get_close_matches(word.rpartition(".")[2], list(by_tail), n=1, cutoff=0.6)
        close = [by_tail[tail[0]]] if tail else []
    return f"; did you mean {close[0]}?" if close else ""


def problem_lines(problems: Sequence[Any], root: type[BaseModel]) -> list[str]:
    """Word all of pydantic's findings, but no more of them than anybody reads.

    Args:
        problems: of `ValidationError.errors()`.
        root: the whole recipe, for the keys that there are.

    Returns:
        Indented lines, at most 51 of at most 305 characters.
    """
    lines = list(dict.fromkeys(problem_words(problem, root) for problem in problems))
    shown = [f"  {line if len(line) <= _LONGEST_LINE else f'{line[:_LONGEST_LINE]}...'}" for line in lines]
    more = [f"  ... and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    return [*shown[:_MOST_LINES], *more]


def problem_words(problem: Any, root: type[BaseModel]) -> str:  # noqa: ANN401 - a TypedDict of Any
    """Word one of pydantic's findings with its dotted key.

    Args:
        problem: one of `ValidationError.errors()`.
        root: the whole recipe, for the keys that there are.

    Returns:
        Such as "model.jion: no such key; did you mean model.join?".
    """
    known = keys_of(root)
    parts = {part for key in known for part in key.split(".")}
    # Members of a union and list positions are pydantic's own notes, not keys of the recipe.
    keys = [
        str(part)
        for part in problem["loc"]
        if isinstance(part, str) and (part in parts or problem["type"] == "extra_forbidden")
    ]
    dotted = ".".join(keys)
    if problem["type"] == "extra_forbidden":
        return f"{dotted}: no such key{nearest(dotted, [*known, *root.model_fields])}"
    if problem["type"] == "missing":
        return f"{dotted}: is needed and absent"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{dotted}: {message}" if dotted else message
    return f"{dotted}: {message[0].lower()}{message[1:]}, and it is {problem['input']!r}"
