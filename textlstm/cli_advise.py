"""The command that answers how many layers to take: planned looks at the user's own data, within a budget of time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textlstm import cli_options as opt
from textlstm.cli_compare import data_name
from textlstm.cli_grid import WORKERS_HINT, Workers
from textlstm.errors import RecipeError

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from textlstm.analysis.figures import Table


def advise(
    ctx: typer.Context,
    data: opt.Data,
    budget: Annotated[str, typer.Option("--budget", help="time to spend, such as 20m, 90s or 1h30m")] = "20m",
    max_layers: Annotated[int, typer.Option("--max-layers", min=2, max=8, help="the deepest stack to try")] = 4,
    delta: Annotated[float, typer.Option("--delta", help="smallest gain worth a layer, in points")] = 1.0,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder of the runs and the advice; runs/advise-<name> when absent")
    ] = None,
    vectors: Annotated[
        str | None,
        typer.Option("--vectors", metavar="PATH", help="pretrained word vectors, to be tried beside a layer more"),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", metavar="MODEL", help="an encoder, to be tried frozen beside a layer more"),
    ] = None,
    workers: Workers = None,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_names: opt.LabelNames = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    validation: opt.Validation = None,
    hidden: opt.Hidden = None,
    join: opt.Join = None,
    pooling: opt.Pooling = None,
    tokenizer: opt.Tokenizer = None,
    max_length: opt.MaxLength = None,
    epochs: opt.Epochs = None,
    batch_size: opt.BatchSize = None,
    learning_rate: opt.LearningRate = None,
    device: opt.Device = None,
    threads: opt.Threads = None,
    on_bad_rows: opt.OnBadRows = None,
    settings: opt.Settings = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Say how many layers pay on your own data: a few seeds at a time, as long as they can change the answer."""
    seconds = budget_seconds(budget)
    name = opt.run_name(out) if out else f"advise-{data_name(data)}"
    options = {key: value for key, value in ctx.params.items() if key != "encoder"}  # no stack starts from this one
    recipe = opt.recipe_for(data, options, name=name).override({"delta": delta})
    folder = opt.writable_folder(out or Path("runs") / name)
    from textlstm.cli_progress import AdviceProgress, print_table, quiet_libraries

    with AdviceProgress(folder, quiet=quiet) as progress:
        from textlstm.analysis.advice.live import advise as find_out
        from textlstm.experiment.capacity import workers_for_run
        from textlstm.experiment.executors import Processes
        from textlstm.experiment.plan import data_facts
        from textlstm.text.protocol import load_recipe_data

        loaded = load_recipe_data(recipe)
        progress.note(loaded)
        quiet_libraries()
        if workers is None:
            deepest = recipe.override({"model.num_layers": max_layers})
            workers, note = workers_for_run(deepest, data_facts(loaded, recipe))
            if note:
                progress.say(f"{note} {WORKERS_HINT}")
        advice = find_out(
            recipe,
            loaded,
            folder,
            budget=seconds,
            max_layers=max_layers,
            workers=max(1, workers),
            executor=Processes(workers),
            tell=progress.say,
            vectors=vectors,
            encoder=encoder,
        )
    if as_json:
        typer.echo(advice.model_dump_json(indent=1))
        return
    from textlstm.analysis.advice.page import alternatives_table, depth_table

    print_table(_written(depth_table(advice)))
    if advice.alternatives:
        print_table(_written(alternatives_table(advice)))
    for sentence in advice.answer:
        typer.echo(sentence)
    typer.echo(f"\n{advice.command}\n\nThe page: {folder / 'advice.html'}; runs and advice.json are beside it.")


def _written(table: Table) -> RichTable:
    """Lay a table out for the terminal."""
    from rich.table import Table as RichTable

    rich = RichTable(title=table.title, caption=table.note or None)
    for number, header in enumerate(table.headers):
        rich.add_column(header, justify="left" if number in table.words else "right")
    for row in table.rows:
        rich.add_row(*row)
    return rich


def budget_seconds(text: str) -> float:
    """Read a length of time.

    Args:
        text: hours, minutes and seconds, such as 20m, 90s, 1h30m.

    Returns:
        Seconds.

    Raises:
        RecipeError: it is not of this form.
    """
    found = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text.strip().lower())
    hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    total = 3600 * hours + 60 * minutes + seconds
    if total <= 0:
        raise RecipeError(f"--budget takes a time such as 20m, 90s or 1h30m, and got {text!r}.")
    return total
