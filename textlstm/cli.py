"""The command line: each command parses, calls one library function, and prints what came of it.

Nothing heavy is imported at the top, so that `--help` answers at once; a test holds that.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from textlstm import cli_options as opt
from textlstm.cli_advise import advise
from textlstm.cli_calibrate import calibrate
from textlstm.cli_distill import distill
from textlstm.cli_export import export
from textlstm.cli_find_rate import find_rate
from textlstm.cli_grid import compare, run
from textlstm.cli_inference import evaluate, predict
from textlstm.cli_inspect import inspect
from textlstm.cli_pretrain import pretrain
from textlstm.cli_recipes import recipes_app
from textlstm.cli_release import demo, pull, push
from textlstm.cli_runs import report, rerun, status
from textlstm.cli_serve import serve
from textlstm.cli_tune import tune
from textlstm.errors import TextLSTMError

app = typer.Typer(
    name="textlstm",
    help="Stacked bidirectional LSTM text classifiers, and what each layer buys and costs on your own text.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode=None,
)
app.add_typer(recipes_app, name="recipes")


def main() -> None:
    """Run the command line; an error that a user can cause becomes one sentence and an exit code."""
    try:
        app(prog_name="textlstm")
    except TextLSTMError as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"textlstm: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except OSError as error:  # a full disk, a folder that may not be written: no fault of the program
        if "--debug" in sys.argv:
            raise
        typer.echo(f"textlstm: a file could not be read or written: {error}; check space and permissions.", err=True)
        raise SystemExit(1) from None


def _print_version(asked: bool) -> None:
    """Answer `--version`, which needs no command."""
    if asked:
        from importlib.metadata import version

        typer.echo(version("textlstm"))
        raise typer.Exit


@app.callback()
def _before_any_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


app.command(short_help="Compare depths as a recipe says.")(run)
app.command(short_help="Compare depths on your own data.")(compare)
app.command(short_help="Say how many layers pay on your own data.")(advise)


@app.command(short_help="Train one classifier and save it.")
def train(
    ctx: typer.Context,
    data: opt.Data,
    out: Annotated[Path, typer.Option("--out", help="folder for the model")],
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_names: opt.LabelNames = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    validation: opt.Validation = None,
    test: opt.Test = None,
    layers: opt.Layers = None,
    hidden: opt.Hidden = None,
    join: opt.Join = None,
    pooling: opt.Pooling = None,
    tokenizer: opt.Tokenizer = None,
    embeddings: opt.Embeddings = None,
    encoder: opt.Encoder = None,
    max_length: opt.MaxLength = None,
    epochs: opt.Epochs = None,
    batch_size: opt.BatchSize = None,
    learning_rate: opt.LearningRate = None,
    seed: opt.Seed = None,
    device: opt.Device = None,
    threads: opt.Threads = None,
    on_bad_rows: opt.OnBadRows = None,
    settings: opt.Settings = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="note gradients by layer, and how far they reach, on the way; inspect shows them"),
    ] = False,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Train one classifier and save it; run again after an interruption, it goes on from its last checkpoint."""
    from textlstm.cli_progress import TrainProgress, quiet_libraries
    from textlstm.experiment.capacity import available_threads
    from textlstm.results import refuse_finished

    first = os.environ.get("RANK", "0") == "0"  # torchrun starts this command once a process; one of them speaks
    options = {"threads": available_threads(), **{key: value for key, value in ctx.params.items() if value is not None}}
    recipe = opt.recipe_for(data, options, name=opt.run_name(out))
    refuse_finished(opt.writable_folder(out))
    with TrainProgress(out, quiet=quiet or not first) as progress:
        from textlstm.text.protocol import load_recipe_data
        from textlstm.training.evaluation import format_metrics
        from textlstm.training.finetuning import finetune

        loaded = load_recipe_data(recipe)
        progress.note(loaded)
        quiet_libraries()
        if watch:
            from textlstm.analysis.diagnostics.notes import finetune_watched

            trained, watching = finetune_watched(recipe, loaded, out=out, listener=progress.update)
            progress.say(f"  watching took {100 * watching:.1f} % of the time of training")
        else:
            trained = finetune(recipe, loaded, out=out, listener=progress.update)
        for note in trained.data.notes[len(loaded.notes) :]:
            progress.say(f"  {note}")
    if not first:
        return
    if as_json:
        typer.echo(trained.model_dump_json(indent=1))
        return
    held_out: list[str] = [split for split in ("validation", "test") if split in trained.metrics]
    for split in held_out or ["train"]:
        metrics = trained.metrics[split]
        typer.echo(f"\n{split} ({metrics.rows:,} rows)\n{format_metrics(metrics)}")
    if not held_out:
        typer.echo("\nIt learned from these very rows; --test DATA, or textlstm evaluate, gives a score that counts.")
    cost = trained.cost
    typer.echo(
        f"\n{cost.parameters:,} parameters ({cost.parameters_without_embeddings:,} without embeddings),"
        f" {cost.train_seconds:.1f} s, {cost.tokens_per_second:,.0f} tokens/s, {cost.peak_memory_mb:,.0f} MiB peak"
        f"\nThe model is in {out}; try: textlstm predict {out} --input 'some text'"
    )


app.command(short_help="Train a student on a teacher's scores.")(distill)
app.command("find-rate", short_help="Find a learning rate by raising it.")(find_rate)
app.command(short_help="Train language models on unlabeled text, to start classifiers from.")(pretrain)
app.command(short_help="Search for settings that suit your data.")(tune)
app.command(short_help="Score a model on labeled data.")(evaluate)
app.command(short_help="Label texts with a model.")(predict)
app.command(short_help="Publish a model on the Hub.")(push)
app.command(short_help="Fetch a published model.")(pull)
app.command(short_help="Look inside a trained stack.")(inspect)
app.command(short_help="Fit a model's probabilities on held-out rows.")(calibrate)
app.command(short_help="Write a model as ONNX files.")(export)
app.command(short_help="Answer over HTTP.")(serve)
app.command(short_help="Write a page that runs a model in the browser.")(demo)
app.command(short_help="Show how far a sweep is.")(status)
app.command(short_help="Write the report of finished runs anew.")(report)
app.command(short_help="Repeat a run and compare.")(rerun)


@app.command(short_help="Report on data before training.")
def check(
    ctx: typer.Context,
    data: opt.Data,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_names: opt.LabelNames = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    validation: opt.Validation = None,
    test: opt.Test = None,
    max_length: Annotated[int, typer.Option("--max-length", help="tokens beyond which texts count as truncated")] = 256,
    on_bad_rows: opt.OnBadRows = None,
    embeddings: Annotated[
        str | None,
        typer.Option(
            "--embeddings",
            metavar="SOURCE",
            help="pretrained vectors: how much of the texts they cover, and what they miss",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            metavar="DATA",
            help="other data in which the texts are looked for; repeat for several",
            show_default=False,
        ),
    ] = None,
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Report on data before training: rows, labels, lengths, duplicates, vocabulary, rows shared, vectors' coverage."""
    from textlstm.text.checks import check_data, format_report
    from textlstm.text.datasets import load_data
    from textlstm.text.protocol import load_recipe_data

    loaded = load_recipe_data(opt.recipe_for(data, ctx.params, name="check"))
    others = [load_data(other, on_bad_rows="drop") for other in against or []]
    report = check_data(loaded, max_length=max_length, against=others)
    facts, lines = report.to_dict(), [format_report(report)]
    if embeddings is not None:
        from textlstm.text.coverage import data_coverage, format_coverage

        told, covered = data_coverage(embeddings, {name: split.texts for name, split in loaded.splits.items()})
        facts["embeddings"] = {"notes": told, **{name: split.to_dict() for name, split in covered.items()}}
        lines += ["", format_coverage(told, covered)]
    typer.echo(json.dumps(facts, indent=1, ensure_ascii=False) if as_json else "\n".join(lines))
