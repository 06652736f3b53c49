"""Write recipes/README.md: every shipped recipe with its data, grid and cells, and what a run of it took.

    python benchmarks/recipe_table.py           # writes the file
    python benchmarks/recipe_table.py --check   # fails when the file is not what would be written

Minutes and outcomes come from the recipes' `measured:` blocks, which only runs that really ran may fill.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from textlstm.experiment.grid import plan_cells
from textlstm.recipe import Recipe
from textlstm.recipe_files import load_recipe
from textlstm.text.corpora import is_corpus

RECIPES = Path(__file__).parents[1] / "recipes"
TARGET = RECIPES / "README.md"
HEAD = """\
# Recipes

Written by `python benchmarks/recipe_table.py` from the YAML files; change those instead. `textlstm run NAME` runs a
recipe, `textlstm recipes show NAME` prints it, `--set KEY=VALUE` changes any key, `--dry-run` counts and estimates.

Cells are trained stacks, those of the baselines `bag` and `one_directional` included; `majority` and `tfidf` come on
top in seconds. Minutes and outcomes stand only where the whole grid ran, with the settings named; blank means that it
did not.
Data named `mirror: NAME` is on no Hub and is read from the folder NAME below `TEXTLSTM_DATA_DIR`.
"""


def recipe_readme() -> str:
    """Write the whole file."""
    names = sorted(path.relative_to(RECIPES).with_suffix("").as_posix() for path in RECIPES.rglob("*.yaml"))
    recipes = {name: load_recipe(RECIPES / f"{name}.yaml") for name in names}
    table = [["recipe", "data", "grid", "cells", "minutes on two cores", "what was measured"], ["---"] * 6]
    for name, recipe in recipes.items():
        cells = len({cell.path for cell in plan_cells(recipe)})
        table.append([f"[{name}]({name}.yaml)", _data(recipe), _grid(recipe), f"{cells:,}", *_measured(recipe)])
    rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table]
    told = [f"- **{name}**: {recipe.description} {recipe.protocol}".rstrip() for name, recipe in recipes.items()]
    return "\n".join([HEAD, *rows, "", "## What each one shows, and how its data is split", "", *told, ""])


def _data(recipe: Recipe) -> str:
    """Name where the data comes from."""
    source = recipe.data.source
    if is_corpus(source):
        return f"`{source}`, comes with the package"
    if "/" in source:
        return f"[{source}](https://huggingface.co/datasets/{source})"
    return f"mirror: `{source}`"


def _grid(recipe: Recipe) -> str:
    """Say in short what is crossed with what."""
    grid = recipe.grid
    layers = grid.layers or [recipe.model.num_layers]
    in_a_row = len(layers) > 1 and layers == list(range(layers[0], layers[-1] + 1))
    shown = f"{layers[0]}-{layers[-1]}" if in_a_row else " / ".join(map(str, layers))
    parts = [f"layers {shown}", f"sizes {' / '.join(map(str, grid.sizes or [recipe.data.size]))}"]
    parts += [f"{key} {' / '.join(map(str, values))}" for key, values in grid.axes.items()]
    parts += [f"{len(recipe.seeds)} seeds"] + ([f"{grid.folds} folds"] if grid.folds else [])
    controls = ", ".join(control.replace("_", " ") for control in grid.controls)
    if grid.widths:
        controls = f"widths {' / '.join(map(str, grid.widths))}"
    return f"{' x '.join(parts)}; {controls}"


def _measured(recipe: Recipe) -> tuple[str, str]:
    """Give the minutes and the outcome of a run in full, or blanks."""
    run = recipe.measured
    if run is None:
        return "", ""
    workers = "" if run.workers == 2 else f" ({run.workers} workers)"
    changed = f"with {' '.join(f'`--set {word}`' for word in run.settings)}: " if run.settings else ""
    return f"{run.minutes:,.0f}{workers}", f"{changed}{run.what} ({run.cells:,} cells; {run.machine})".strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is out of date")
    text = recipe_readme()
    if not parser.parse_args().check:
        TARGET.write_text(text, "utf-8")
    elif not TARGET.is_file() or TARGET.read_text("utf-8") != text:
        sys.exit(f"{TARGET} is out of date; run: python benchmarks/recipe_table.py")
