"""The command that searches for the settings that suit the user's data."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textlstm import cli_options as opt
from textlstm.cli_advise import budget_seconds
from textlstm.cli_compare import data_name
from textlstm.recipe_files import write_override

if TYPE_CHECKING:
    from textlstm.experiment.tuning_record import TuneResult

_SHOWN = 5


def tune(
    ctx: typer.Context,
    data: opt.Data,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder of the search; runs/tune-<name> when absent")
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="settings to try")] = 30,
    budget: Annotated[
        str | None, typer.Option("--budget", help="time after which no more are tried, such as 20m, 90s or 1h30m")
    ] = None,
    max_mb: Annotated[float | None, typer.Option("--max-mb", help="MiB of the weights (float32), at most")] = None,
    max_ms: Annotated[
        float | None, typer.Option("--max-ms", help="milliseconds to answer one text on this machine, at most")
    ] = None,
    max_layers: Annotated[int, typer.Option("--max-layers", min=1, max=8, help="the deepest stack to try")] = 3,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_names: opt.LabelNames = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    validation: opt.Validation = None,
    layers: opt.Layers = None,
    hidden: opt.Hidden = None,
    join: opt.Join = None,
    pooling: opt.Pooling = None,
    tokenizer: opt.Tokenizer = None,
    embeddings: opt.Embeddings = None,
    max_length: opt.MaxLength = None,
    epochs: opt.Epochs = None,
    batch_size: opt.BatchSize = None,
    learning_rate: opt.LearningRate = None,
    seed: opt.Seed = None,
    device: opt.Device = None,
    threads: opt.Threads = None,
    on_bad_rows: opt.OnBadRows = None,
    settings: opt.Settings = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Search for the settings that suit your data, on held-out rows; what you give stays, and test stays closed."""
    from textlstm.cli_progress import quiet_libraries

    name = opt.run_name(out) if out else f"tune-{data_name(data)}"
    given = opt.option_overrides(ctx.params)
    recipe = opt.recipe_for(data, opt.with_threads(ctx.params), name=name)
    folder = opt.writable_folder(out or Path("runs") / name)
    seconds = budget_seconds(budget) if budget else None

    def tell(text: str) -> None:
        if not quiet:
            typer.echo(text, err=True)

    from textlstm.experiment.tuning import tune as search
    from textlstm.experiment.tuning_journal import Limits
    from textlstm.experiment.tuning_record import write_result
    from textlstm.text.protocol import load_recipe_data

    quiet_libraries()
    limits = Limits(trials=trials, seconds=seconds, max_mb=max_mb, max_ms=max_ms, max_layers=max_layers)
    loaded = load_recipe_data(recipe)
    try:
        found = search(recipe, loaded, folder, fixed=given, limits=limits, tell=tell)
    except KeyboardInterrupt:
        typer.echo(f"Interrupted; the search is in {folder}, and the same command goes on from there.", err=True)
        raise typer.Exit(1) from None
    result = found.model_copy(update={"command": train_command(data, {**given, **found.settings})})
    write_result(result, folder)
    if as_json:
        typer.echo(result.model_dump_json(indent=1))
        return
    _print_result(result, folder)


def train_command(data: str, settings: Mapping[str, Any]) -> str:
    """Write the command that trains with some settings.

    Args:
        data: as the user named it.
        settings: recipe keys by dotted name.

    Returns:
        Such as "textlstm train my.csv --out MODEL --layers 2 --set model.input_dropout=0.2".
    """
    # Epochs are counted with min_updates, so that they are set as keys; columns repeat their option.
    flags = {key: name for name, key in opt.OPTION_KEYS.items() if name not in ("epochs", "text_column", "label_names")}
    words = ["textlstm", "train", data, "--out", "MODEL"]
    for key, value in settings.items():
        if key in flags and not isinstance(value, list):
            words += [f"--{flags[key].replace('_', '-')}", str(value)]
        else:
            words += ["--set", write_override(key, value)]
    return shlex.join(words)


def _print_result(result: TuneResult, folder: Path) -> None:
    from rich.table import Table

    from textlstm.cli_progress import print_table

    finished = sorted((one for one in result.trials if one.outcome == "finished"), key=lambda one: one.loss or 0.0)
    table = Table(title=f"The best of {len(result.trials)} trials, by {result.judged_by}", title_justify="left")
    for head in ("trial", "log loss", "accuracy %", "macro F1 %", "MiB", "ms", "settings"):
        table.add_column(head)
    for one in finished[:_SHOWN]:
        table.add_row(
            str(one.number),
            f"{one.log_loss:.3f}",
            f"{100 * (one.accuracy or 0):.1f}",
            f"{100 * (one.macro_f1 or 0):.1f}",
            f"{one.size_mb:.1f}",
            "–" if one.latency_ms is None else f"{one.latency_ms:.2f}",
            ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in one.settings.items()),
        )
    print_table(table)
    counts = {what: sum(one.outcome == what for one in result.trials) for what in ("pruned", "failed")}
    said = [f"{count} {what}" for what, count in counts.items() if count]
    if result.beyond_limits:
        said.append(f"{result.beyond_limits} suggestions beyond the limits and not trained")
    typer.echo(f"{len(finished)} trials finished{', ' + ', '.join(said) if said else ''}.")
    typer.echo(
        f"The best figure is that of the best of many on the {result.rows:,} rows that it was chosen by, so it promises"
        " too much; the test split was not opened, and textlstm evaluate gives a score that counts."
    )
    typer.echo(f"\n{result.command}\n\nThe search is in {folder}; tune.json has every trial.")
