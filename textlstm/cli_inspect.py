"""The command that looks inside a trained stack: what each layer keeps, passes on and is worth, on your own texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from textlstm import cli_options as opt
from textlstm.cli_compare import data_name
from textlstm.cli_shared import Device
from textlstm.errors import RecipeError
from textlstm.recipe_files import parse_override

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from textlstm.analysis.diagnostics.inspected import Inspection, Part
    from textlstm.analysis.figures import Table


def inspect(
    ctx: typer.Context,
    model: opt.Model,
    data: opt.Data,
    split: Annotated[str | None, typer.Option("--split", help="test when there is one, else the only split")] = None,
    parts: Annotated[
        str | None,
        typer.Option(
            "--parts",
            metavar="A,B",
            help="only these: reach, memory, distance, probes, similarity, depth, words",
            show_default=False,
        ),
    ] = None,
    texts: Annotated[int, typer.Option("--texts", min=0, help="rows that are explained word by word")] = 12,
    text: Annotated[
        list[str] | None, typer.Option("--input", help="a text to explain in place of rows; repeatable")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="fewer texts and draws, for a first look")] = False,
    delta: Annotated[float, typer.Option("--delta", min=0.0, help="smallest loss that matters, in points")] = 1.0,
    try_remedy: Annotated[
        int,
        typer.Option(
            "--try-remedy",
            metavar="SEEDS",
            min=0,
            help="train the model's recipe again with and without the first remedy for its gradients, on so many seeds",
        ),
    ] = 0,
    remedy: Annotated[
        list[str] | None,
        typer.Option(
            "--remedy",
            metavar="KEY=VALUE",
            help="a remedy of your own for --try-remedy, such as model.join=residual; repeatable",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="folder of inspect.html and inspect.json; runs/inspect-<model> when absent"),
    ] = None,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    on_bad_rows: opt.OnBadRows = None,
    seed: Annotated[int, typer.Option("--seed", help="of every draw")] = 0,
    device: Device = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Look inside a trained stack: gradient reach, memory, probes, the worth of each layer, words behind predictions.

    Intervals are over texts: there is one trained model, and `compare` or `advise` say what other seeds would show.
    """
    if remedy and not try_remedy:
        raise RecipeError("--remedy names what --try-remedy SEEDS tries, and no seeds were given; add --try-remedy 3.")
    folder = opt.writable_folder(out or Path("runs") / f"inspect-{data_name(model.rstrip('/'))}")
    names = {"text_column", "label_column", "label_separator", "encoding", "on_bad_rows"}
    recipe = opt.recipe_for(data, {name: value for name, value in ctx.params.items() if name in names}, name="inspect")
    from textlstm.cli_progress import InspectProgress, quiet_libraries

    quiet_libraries()
    with InspectProgress(quiet=quiet) as progress:
        from textlstm.analysis.diagnostics.inspection import inspect_model
        from textlstm.analysis.diagnostics.inspection_page import write_inspection

        found = inspect_model(
            model,
            recipe,
            split=split,
            parts=None if parts is None else cast("list[Part]", [part.strip() for part in parts.split(",")]),
            texts=texts,
            inputs=text,
            quick=quick,
            delta=delta,
            remedy_seeds=try_remedy,
            remedy=dict(parse_override(setting) for setting in remedy) if remedy else None,
            seed=seed,
            device=device or "auto",
            tell=progress.part,
        )
        page, *_ = write_inspection(found, folder)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
        return
    _show(found)
    typer.echo(f"\nPage: {page}; inspect.json is beside it.")


def _show(found: Inspection) -> None:
    """Print the levels side by side, then every finding with its remedy."""
    from textlstm.analysis.diagnostics.inspection_page import KINDS, facts
    from textlstm.analysis.diagnostics.inspection_tables import level_table
    from textlstm.cli_progress import print_table

    typer.echo(f"{found.model.source}: {'; '.join(facts(found)[:3])}\n")
    print_table(_written(level_table(found)))
    for kind, title in KINDS.items():
        said = [one for one in found.statements if one.kind == kind]
        if said:
            typer.echo(f"\n{title}")
        for one in said:
            typer.echo(f"- {one.words}")
            if one.remedy:
                typer.echo(f"  {one.remedy}")
    for title, sentences in (("Not looked at", found.left_out), ("Notes", found.notes)):
        if sentences:
            typer.echo(f"\n{title}")
        for sentence in sentences:
            typer.echo(f"- {sentence}")


def _written(table: Table) -> RichTable:
    """Lay a table out for the terminal."""
    from rich.table import Table as RichTable

    rich = RichTable(title=table.title, title_justify="left", caption=table.note or None, caption_justify="left")
    for number, header in enumerate(table.headers):
        rich.add_column(header, justify="left" if number in table.words else "right")
    for row in table.rows:
        rich.add_row(*row)
    return rich
