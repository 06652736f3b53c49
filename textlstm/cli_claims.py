"""What `textlstm run` does with a recipe that puts a claim to the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from textlstm import cli_options as opt
from textlstm.errors import RecipeError, TextLSTMError
from textlstm.recipe import Recipe
from textlstm.recipe_files import load_recipe, parse_override

if TYPE_CHECKING:
    from textlstm.analysis.claims.planning import ClaimPlan
    from textlstm.analysis.claims.record import ClaimReport

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
        as_json: print `claim.json` or `all.json`, or the plans of a dry run.
        quiet: no progress.
        command: repeats this.

    Raises:
        Exit: with code 1 where a claim of `claims/all` could not be measured.
    """
    assert recipe.claim is not None  # noqa: S101 - asked with claims only
    changes = dict(parse_override(text) for text in settings or [])
    if dry_run:
        _show_plans(recipe, full=full, changes=changes, as_json=as_json)
        return
    folder = opt.writable_folder(out or Path("runs") / _folder_name(recipe, changes))
    from textlstm.analysis.claims.campaign import run_all_claims, run_claim
    from textlstm.analysis.claims.record import AllClaims, ClaimReport
    from textlstm.cli_progress import quiet_libraries

    quiet_libraries()
    tell = _teller(quiet)
    try:
        if recipe.claim.name == ALL:
            found: AllClaims | ClaimReport = run_all_claims(
                recipe, folder, full=full, tell=tell, settings=changes, command=command
            )
        else:
            found = run_claim(recipe, folder, full=full, tell=tell, settings=changes, command=command)
    except KeyboardInterrupt:
        typer.echo(f"Interrupted; what is finished is in {folder}, and the same command goes on from there.", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    elif isinstance(found, ClaimReport):
        _print_claim(found, folder)
    else:
        from textlstm.analysis.claims.pages import claims_table_rows

        _print_rows("Claims", ["claim", "verdict", "effect", "threshold"], claims_table_rows(found))
        typer.echo(f"Report: {folder / 'all.html'}; all.json and a folder for each claim are beside it.")
    if isinstance(found, AllClaims) and any(row.verdict is None for row in found.rows):
        raise typer.Exit(1)


def _print_claim(report: ClaimReport, folder: Path) -> None:
    """Print what came of one claim."""
    typer.echo(report.stated.statement)
    for sentence in report.answer:
        typer.echo(sentence)
    if report.overturn:
        typer.echo(f"What would overturn it: {report.overturn}")
    typer.echo(f"Stated before the run with hash {report.stated.hash}.")
    plan = "preview" if report.stated.preview else "full"
    typer.echo(f"\nReport: {folder / plan / 'claim.html'}; claim.json is beside it.")


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


def _show_plans(recipe: Recipe, *, full: bool, changes: dict[str, Any], as_json: bool) -> None:
    """Print cells and minutes of a claim, or of all, for the preview and for --full, and what would be laid down."""
    from textlstm.analysis.claims.campaign import CLAIMS
    from textlstm.analysis.claims.planning import plan_claim

    assert recipe.claim is not None  # noqa: S101 - asked with claims only
    chosen = [load_recipe(f"claims/{name}") for name in CLAIMS] if recipe.claim.name == ALL else [recipe]
    pairs: list[list[ClaimPlan]] = []
    refused: dict[str, str] = {}
    for one in chosen:
        try:
            pairs.append([plan_claim(one, full=plan, settings=changes) for plan in (False, True)])
        except TextLSTMError as error:
            if recipe.claim.name != ALL:
                raise
            refused[one.name] = str(error)  # as in a round of all, the others go on
    if as_json:
        records = [_plan_record(plan) for pair in pairs for plan in pair]
        records += [{"claim": name, "problem": reason} for name, reason in refused.items()]
        typer.echo(json.dumps(records, indent=1))
        return
    _print_rows(
        "What would be measured",
        ["claim", "plan", "seeds", "runs", "minutes", "processor minutes"],
        [_plan_row(plan) for pair in pairs for plan in pair],
    )
    for pair in pairs:
        plan = pair[full]
        stated = plan.statement
        typer.echo(f"\n{plan.recipe.name}: {stated.statement}\n  Estimated: {stated.estimand}")
        typer.echo(f"  Threshold: {stated.threshold:g} {stated.unit}. Hash of the {_plan_name(plan)}: {stated.hash}.")
        typer.echo(f"  Cells of the {_plan_name(plan)}: {plan.cells}.")
        for note in plan.notes:
            typer.echo(f"  {note}")
    for name, reason in refused.items():
        typer.echo(f"\n{name} could not be measured: {reason}")
    typer.echo(
        "\nRuns are models to train, at most. Minutes are estimates, good to a factor of two or so, for processors that"
        " have nothing else to do; runs go side by side where there are several."
    )


def _plan_name(plan: ClaimPlan) -> str:
    return "preview" if plan.statement.preview else "--full"


def _plan_row(plan: ClaimPlan) -> list[str]:
    return [
        plan.recipe.name if plan.statement.preview else "",
        _plan_name(plan),
        str(len(plan.statement.seeds)),
        f"{plan.runs:,}",
        f"{plan.minutes:.1f}",
        f"{plan.processor_minutes:.1f}",
    ]


def _plan_record(plan: ClaimPlan) -> dict[str, Any]:
    """A plan in plain values; `when` belongs to a run that begins."""
    return {
        "claim": plan.recipe.name,
        **plan.statement.model_dump(mode="json", exclude={"when"}),
        "cells": plan.cells,
        "runs": plan.runs,
        "minutes": round(plan.minutes, 2),
        "processor_minutes": round(plan.processor_minutes, 2),
        "notes": plan.notes,
    }


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
