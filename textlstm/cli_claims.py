"""What `textlstm run` does with a recipe that puts a claim to the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from textlstm import cli_options as opt
from textlstm.errors import RecipeError
from textlstm.recipe import Recipe
from textlstm.recipe_files import load_recipe, parse_override

if TYPE_CHECKING:
    from textlstm.analysis.claims.planning import ClaimPlan

ALL = "all"
"""The claim that stands for every one of them."""


def run_claims(
    recipe: Recipe,
    out: Path | None,
    *,
    full: bool,
    settings: Sequence[str] | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    command: str,
) -> None:
    """Put a claim, or all of them, to the test, and print what came of it.

    Args:
        recipe: with a `claim:` part.
        out: folder of the claim; runs/<name> when None, with the data's name where the user gave data.
        full: whether a verdict is asked for, which takes longer than a preview.
        settings: of `--set`; "data=X" stands for "data.source=X".
        dry_run: print what would be measured, and measure nothing.
        as_json: print `claim.json` or `all.json`.
        quiet: no progress.
        command: repeats this.

    Raises:
        Exit: with code 1 where a claim of `claims/all` could not be measured.
    """
    assert recipe.claim is not None  # noqa: S101 - asked with claims only
    changes = dict(parse_override(text) for text in settings or [])
    if dry_run:
        _show_plans(recipe, full=full, changes=changes)
        return
    folder = opt.writable_folder(out or Path("runs") / _folder_name(recipe, changes))
    from textlstm.analysis.claims.campaign import run_all_claims, run_claim
    from textlstm.cli_progress import quiet_libraries

    quiet_libraries()
    tell = _teller(quiet)
    if recipe.claim.name == ALL:
        claims = run_all_claims(recipe, folder, full=full, tell=tell, settings=changes, command=command)
        if as_json:
            typer.echo(claims.model_dump_json(indent=1))
        else:
            from textlstm.analysis.claims.pages import claims_table_rows

            _print_rows("Claims", ["claim", "verdict", "effect", "threshold"], claims_table_rows(claims))
            typer.echo(f"Report: {folder / 'all.html'}; all.json and a folder for each claim are beside it.")
        if any(row.verdict is None for row in claims.rows):
            raise typer.Exit(1)
        return
    report = run_claim(recipe, folder, full=full, tell=tell, settings=changes, command=command)
    if as_json:
        typer.echo(report.model_dump_json(indent=1))
        return
    typer.echo(report.stated.statement)
    for sentence in report.answer:
        typer.echo(sentence)
    if report.overturn:
        typer.echo(f"What would overturn it: {report.overturn}")
    typer.echo(f"Stated before the run with hash {report.stated.hash}.")
    typer.echo(f"\nReport: {folder / ('full' if full else 'preview') / 'claim.html'}; claim.json is beside it.")


def _teller(quiet: bool) -> Callable[[str], None]:
    """Where sentences of the progress go: standard error, or nowhere."""
    return (lambda _: None) if quiet else (lambda text: typer.echo(text, err=True))


def _folder_name(recipe: Recipe, changes: dict[str, Any]) -> Path:
    """The claim's name, and the data's where the user gave some."""
    source = changes.get("data", changes.get("data.source"))
    if source is None:
        return Path(recipe.name)
    words = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in Path(str(source)).name)
    return Path(f"{recipe.name}-{words.strip('-.') or 'data'}")


def _show_plans(recipe: Recipe, *, full: bool, changes: dict[str, Any]) -> None:
    """Print plan, hash and minutes of a claim, or of all."""
    from textlstm.analysis.claims.campaign import CLAIMS
    from textlstm.analysis.claims.planning import plan_claim

    assert recipe.claim is not None  # noqa: S101 - asked with claims only
    chosen = [load_recipe(f"claims/{name}") for name in CLAIMS] if recipe.claim.name == ALL else [recipe]
    plans = [plan_claim(one, full=full, settings=changes) for one in chosen]
    _print_rows(
        "full" if full else "preview",
        ["claim", "seeds", "threshold", "runs", "minutes", "hash"],
        [_plan_row(plan) for plan in plans],
    )
    for plan in plans:
        typer.echo(f"{plan.recipe.name}: {plan.statement.statement}\n  {plan.statement.estimand}")
        for note in plan.notes:
            typer.echo(f"  {note}")
    typer.echo("Minutes are estimated for training every run of the grid to its last planned epoch.")


def _plan_row(plan: ClaimPlan) -> list[str]:
    stated = plan.statement
    return [
        plan.recipe.name,
        str(len(stated.seeds)),
        f"{stated.threshold:g} {stated.unit}",
        f"{plan.runs:,}",
        f"{plan.minutes:.0f}",
        stated.hash,
    ]


def _print_rows(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    from textlstm.cli_progress import print_table

    table = Table(title=title, title_justify="left")
    for head in heads:
        table.add_column(head)
    for row in rows:
        table.add_row(*row)
    print_table(table)


def refuse_grid_options(workers: int | None, ray_address: str | None) -> None:
    """Refuse what has no effect on claims.

    Args:
        workers: of `--workers`.
        ray_address: of `--ray-address`.

    Raises:
        RecipeError: one of them was given.
    """
    if workers is not None or ray_address is not None:
        option = "--workers" if workers is not None else "--ray-address"
        raise RecipeError(
            f"{option} spreads the cells of a grid, and a claim takes this machine's processors; leave it out."
        )
