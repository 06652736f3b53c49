"""The commands on recipes: list, show, copy, validate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from textlstm import cli_options as opt
from textlstm.errors import RecipeError
from textlstm.recipe_files import find_recipe, load_recipe, parse_override, shipped_recipes

recipes_app = typer.Typer(help="The recipes that come with the package.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="name of a shipped recipe, or path of a YAML file")]


@recipes_app.command("list")
def list_recipes(as_json: opt.AsJson = False) -> None:
    """Name the shipped recipes and what each is for."""
    found = {name: load_recipe(path).description for name, path in shipped_recipes().items()}
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    width = max(map(len, found), default=0)
    typer.echo("\n".join(f"{name:<{width}}  {description}" for name, description in found.items()))


@recipes_app.command("show")
def show_recipe(
    name: Name,
    settings: opt.Settings = None,
    full: Annotated[bool, typer.Option("--full", help="every key with its value, defaults too")] = False,
) -> None:
    """Print a recipe as it is written, or with --full every key."""
    if full or settings:
        typer.echo(load_recipe(name).override(dict(map(parse_override, settings or []))).to_yaml(), nl=False)
    else:
        typer.echo(find_recipe(name).read_text("utf-8"), nl=False)


@recipes_app.command("copy")
def copy_recipe(
    name: Name, to: Annotated[Path | None, typer.Argument(help="file to write; NAME.yaml here when absent")] = None
) -> None:
    """Copy a recipe to a file of your own."""
    source = find_recipe(name)
    target = to or Path(f"{Path(name).name}.yaml")
    target = target / source.name if target.is_dir() else target
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(source.read_text("utf-8"))
    except FileExistsError:
        raise RecipeError(f"{target} exists already, and nothing is overwritten; name another file.") from None
    except OSError as error:
        raise RecipeError(
            f"{target} cannot be written ({error.strerror}); name a file in a folder that exists."
        ) from None
    typer.echo(f"Copied to {target}; run it with: textlstm run {target}")


@recipes_app.command("validate")
def validate_recipe(name: Name, settings: opt.Settings = None) -> None:
    """Check a recipe without running it."""
    from textlstm.experiment.grid import plan_cells
    from textlstm.training.preparation import check_model_options

    recipe = load_recipe(name).override(dict(map(parse_override, settings or [])))
    cells = plan_cells(recipe)
    check_model_options(cell.recipe for cell in cells)
    typer.echo(f"{name} is valid: {len(cells)} cells")
