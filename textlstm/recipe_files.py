"""Where recipes come from: files, the ones that are shipped with the package, and `KEY=VALUE` of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from textlstm.errors import RecipeError
from textlstm.recipe import Recipe, nearest, validate

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
        tree = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise RecipeError(
            f"{path} should be YAML, and cannot be read as such: {' '.join(str(error).split())}"
        ) from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} should be UTF-8 text, and byte {error.start} is not; save it as UTF-8.") from None
    return validate(tree, origin=str(path))


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
        raise RecipeError(f"--set takes KEY=VALUE such as model.num_layers=2, and got {text!r}.")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise RecipeError(
            f"--set {key}: the value should be plain YAML such as 2, true or [1, 2], and is {value!r}."
        ) from None
