"""Where recipes come from: files, the ones that are shipped with the package, and `KEY=VALUE` of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from textlstm.errors import RecipeError, brief
from textlstm.recipe import Recipe, validate
from textlstm.recipe_keys import nearest

_MOST_CHARACTERS = 1_000_000
_MOST_VALUES = 100_000
_WRONG_VALUES = (ValueError, KeyError, AttributeError, IndexError, TypeError, OverflowError)
_HERE = Path(__file__).parent
RECIPE_FOLDERS = (_HERE / "_recipes", _HERE.parent / "recipes")
"""Where the shipped recipes lie: inside an installed wheel, and in a checkout."""


def load_recipe(name: str | Path) -> Recipe:
    """Find a recipe by path or by the name of a shipped one, and read it.

    Args:
        name: "sst2", "claims/cost", or the path of a YAML file.

    Returns:
        The recipe.

    Raises:
        RecipeError: no such recipe, the file is not YAML, or its content is wrong.
    """
    path = find_recipe(name)
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} should be UTF-8 text, and byte {error.start} is not; save it as UTF-8.") from None
    except OSError as error:
        raise RecipeError(f"{path} should be a recipe and cannot be read ({error.strerror}); name another.") from None
    try:
        tree = read_yaml(text)
    except ValueError as error:
        raise RecipeError(f"{path} should be YAML, and cannot be read as such: {error}.") from None
    return validate(tree, origin=str(path))


def read_yaml(text: str) -> Any:  # noqa: ANN401 - YAML holds anything
    """Read YAML of plain values, of which strangers may have written any letter.

    Args:
        text: a document.

    Returns:
        Mappings, lists, strings, numbers, truth values, dates or None.

    Raises:
        ValueError: it is no YAML, asks for Python objects, or means something giant; the text says so in a few words.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"it is too large, {len(text):,} characters, and {_MOST_CHARACTERS:,} are read at most")
    try:
        tree = yaml.safe_load(text)
        values = _count(tree, ())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (yaml.YAMLError, *_WRONG_VALUES) as error:  # the loader passes on what the makers of its values raise
        reason = " ".join(str(error).split()) if isinstance(error, yaml.YAMLError | ValueError) else ""
        raise ValueError(f"{reason or 'a value is not of the type that its tag names'}"[:500]) from None
    if values > _MOST_VALUES:
        raise ValueError(f"it is too large, since its aliases stand for more than {_MOST_VALUES:,} values")
    return tree


def _count(value: object, above: tuple[int, ...], counted: int = 0) -> int:
    """Count the values of a tree, each alias as a copy: a few lines of aliases can mean a million million values."""
    counted += 1
    if isinstance(value, dict | list):
        if id(value) in above:
            raise ValueError("a value holds an alias of itself, so it is nested without an end")
        for inner in value.values() if isinstance(value, dict) else value:
            if counted > _MOST_VALUES:
                break
            counted = _count(inner, (*above, id(value)), counted)
    return counted


def shipped_recipes() -> dict[str, Path]:
    """List the recipes that come with the package: name to path, in alphabetical order."""
    folder = next((folder for folder in RECIPE_FOLDERS if folder.is_dir()), None)
    if folder is None:
        return {}
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.yaml"))}


def find_recipe(name: str | Path) -> Path:
    """Resolve a recipe's name or path.

    Args:
        name: the name of a shipped recipe, or a path.

    Returns:
        The YAML file.

    Raises:
        RecipeError: neither a file nor a shipped recipe; the nearest name is suggested.
    """
    shipped = shipped_recipes()
    if str(name) in shipped:
        return shipped[str(name)]
    if Path(name).is_file():
        return Path(name)
    raise RecipeError(
        f"A recipe is a YAML file or one of {', '.join(shipped)}, and {str(name)!r} is neither"
        f"{nearest(str(name), list(shipped)) or '.'}"
    )


def parse_override(text: str) -> tuple[str, Any]:
    """Read one `a.b=c` of the command line.

    Args:
        text: key, equals sign, and a value in YAML.

    Returns:
        The dotted key and the value.

    Raises:
        RecipeError: there is no equals sign or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set takes KEY=VALUE such as model.num_layers=2, and got {brief(text)}.")
    try:
        return key.strip(), read_yaml(value)
    except ValueError:
        raise RecipeError(
            f"--set {key}: the value should be plain YAML such as 2, true or [1, 2], and is {brief(value)}."
        ) from None


def write_override(key: str, value: object) -> str:
    """Write a setting so that `parse_override` reads the same key and value.

    Args:
        key: dotted.
        value: what YAML reads: plain values, lists and mappings of them.

    Returns:
        KEY=VALUE; a string stands bare where YAML reads it as itself, all else as JSON, which is YAML too.
    """
    if isinstance(value, str):
        try:
            if read_yaml(value) == value:
                return f"{key}={value}"
        except ValueError:
            pass
    text = json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, float) and "." not in text:
        text = text.replace("e", ".0e")  # YAML takes 1e-05 for a word
    return f"{key}={text}"
