"""The command line: each command parses, calls one library function, and prints what came of it.

Nothing heavy is imported at the top, so that `--help` answers at once; a test holds that.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from textlstm import cli_options as opt
from textlstm.errors import RecipeError, RunFolderError, TextLSTMError
from textlstm.recipe import find_recipe, load_recipe, parse_override, shipped_recipes

app = typer.Typer(
    name="textlstm",
    help="Stacked bidirectional LSTM text classifiers, and what each layer buys and costs on your own text.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode=None,
)
recipes_app = typer.Typer(help="The recipes that come with the package.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(recipes_app, name="recipes")

Data = Annotated[str, typer.Argument(help="Hub id, file, folder, or an embedded corpus: pydocs, listops, recall")]
Model = Annotated[str, typer.Argument(help="folder of a trained model, or its Hub id")]
Debug = Annotated[bool, typer.Option("--debug", help="show the traceback of an error")]


def main() -> None:
    """Run the command line; an error that a user can cause becomes one sentence and an exit code."""
    try:
        app()
    except TextLSTMError as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"textlstm: {error}", err=True)
        raise SystemExit(error.exit_code) from None


@app.callback()
def _version(
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    """Answer what is asked before any command."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("textlstm"))
        raise typer.Exit


@app.command()
def run(
    ctx: typer.Context,
    recipe: Annotated[str, typer.Argument(help="name of a shipped recipe, or path of a YAML file")],
    out: Annotated[Path | None, typer.Option("--out", help="folder of the runs; runs/<name> when absent")] = None,
    settings: opt.Settings = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare layers x data sizes x seeds as a recipe says; finished cells are kept, so an interrupted run goes on."""
    from textlstm.cli_progress import GridProgress, print_table, quiet_libraries

    chosen = load_recipe(recipe).override(dict(parse_override(text) for text in settings or []))
    folder = out or Path("runs") / chosen.name
    with GridProgress(chosen, folder, quiet=quiet) as progress:
        from textlstm.analysis.comparison import comparison_table, summarize, write_summary
        from textlstm.experiment.cells import TrainCell
        from textlstm.experiment.executors import serial
        from textlstm.experiment.grid import run_grid
        from textlstm.text.protocol import load_recipe_data, with_test_split

        data = with_test_split(load_recipe_data(chosen))
        progress.note(data)
        quiet_libraries()
        runs = run_grid(
            chosen,
            folder,
            run_cell=TrainCell(data),
            executor=serial,
            data_fingerprint=data.fingerprint,
            listener=progress.cell_done,
        )
    cells = summarize(runs)
    write_summary(runs, cells, folder, preview=chosen.preview)
    if as_json:
        typer.echo((folder / "summary.json").read_text("utf-8"))
        return
    title = f"{chosen.name}{' (a preview: too few seeds for a verdict)' if chosen.preview else ''}"
    print_table(comparison_table(cells, title=title))
    typer.echo(f"Runs, summary.json and results.parquet are in {folder}")


@app.command()
def train(
    ctx: typer.Context,
    data: Data,
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
    debug: Debug = False,
) -> None:
    """Train one classifier and save it; run again after an interruption, it goes on from its last checkpoint."""
    from textlstm.cli_progress import TrainProgress, available_threads, quiet_libraries

    options = {"threads": available_threads(), **{key: value for key, value in ctx.params.items() if value is not None}}
    recipe = opt.recipe_for(data, options, name=out.resolve().name.replace(" ", "-"))
    if (out / "result.json").exists():
        raise RunFolderError(
            f"{out} holds a finished model already, and nothing is overwritten; give another --out, or remove it."
        )
    with TrainProgress(out, quiet=quiet) as progress:
        from textlstm.experiment.runs import write_run
        from textlstm.text.protocol import load_recipe_data
        from textlstm.training.evaluation import format_metrics
        from textlstm.training.finetuning import train as train_one

        loaded = load_recipe_data(recipe)
        progress.note(loaded)
        quiet_libraries()
        trained = train_one(recipe, loaded, checkpoints=out / "checkpoints", listener=progress.update)
        for note in trained.run.data.notes[len(loaded.notes) :]:
            progress.say(f"  {note}")
    trained.save(out)
    write_run(out, trained.run, trained.predictions, recipe)
    if as_json:
        typer.echo(trained.run.model_dump_json(indent=1))
        return
    for split in ("validation", "test"):
        if split in trained.run.metrics:
            typer.echo(
                f"\n{split} ({trained.run.metrics[split].rows:,} rows)\n{format_metrics(trained.run.metrics[split])}"
            )
    cost = trained.run.cost
    typer.echo(
        f"\n{cost.parameters:,} parameters ({cost.parameters_without_embeddings:,} without embeddings),"
        f" {cost.train_seconds:.1f} s, {cost.tokens_per_second:,.0f} tokens/s, {cost.peak_memory_mb:,.0f} MiB peak"
        f"\nThe model is in {out}; try: textlstm predict {out} --input 'some text'"
    )


@app.command()
def evaluate(
    ctx: typer.Context,
    model: Model,
    data: Data,
    split: Annotated[str | None, typer.Option("--split", help="test when there is one, else the only split")] = None,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    device: opt.Device = None,
    on_bad_rows: opt.OnBadRows = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: Debug = False,
) -> None:
    """Score a model on labeled data: accuracy, F1, log loss and calibration with intervals, per class too."""
    from textlstm.cli_progress import quiet_libraries
    from textlstm.inference.predictor import Predictor
    from textlstm.text.protocol import labeled_split, load_recipe_data
    from textlstm.training.evaluation import evaluate_predictions, format_metrics

    quiet_libraries()
    predictor = Predictor.load(model, device=device or "auto")
    recipe = opt.recipe_for(data, ctx.params, name="evaluate").override({"data.label_names": predictor.label_names})
    rows = labeled_split(load_recipe_data(recipe), split)
    assert rows.labels is not None  # noqa: S101 - labeled_split has refused unlabeled rows
    metrics = evaluate_predictions(rows.labels, predictor.probabilities(rows.texts), predictor.label_names)
    typer.echo(metrics.model_dump_json(indent=1) if as_json else f"{metrics.rows:,} rows\n{format_metrics(metrics)}")


@app.command()
def predict(
    ctx: typer.Context,
    model: Model,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="INPUT", help="csv, tsv, json, jsonl, parquet, arrow or txt; `-` reads lines from stdin"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="file to write, of any of these kinds")] = None,
    text: Annotated[list[str] | None, typer.Option("--input", help="one text; repeatable")] = None,
    text_column: opt.TextColumn = None,
    encoding: opt.Encoding = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="also give each label's probability")] = False,
    keep_bad_rows: Annotated[
        bool, typer.Option("--keep-bad-rows", help="rows without text get no label, instead of stopping")
    ] = False,
    prefix: Annotated[str, typer.Option("--prefix", help="put before the names of the new columns")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace OUT when it exists")] = False,
    device: opt.Device = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: Debug = False,
) -> None:
    """Label texts: a file into a file, one text, or lines from stdin; input order is kept."""
    from textlstm.cli_progress import PredictProgress, predict_lines, quiet_libraries, show_predictions

    if source is not None and text:
        raise RecipeError("predict takes either INPUT or --input, and got both; leave one out.")
    if source not in (None, "-") and out is None:
        raise RecipeError(
            f"predict {model} {source} needs a file to write, and none was named; add -o OUT.csv or another kind."
        )
    if out is not None and out.exists() and not overwrite:
        raise RecipeError(f"{out} exists already, and nothing is overwritten; name another file, or add --overwrite.")
    from textlstm.inference.prediction_files import predict_file
    from textlstm.inference.predictor import Predictor

    quiet_libraries()
    predictor = Predictor.load(model, device=device or "auto")
    if text:
        show_predictions(text, predictor(text), as_json=as_json, probabilities=probabilities)
    elif out is None:
        predict_lines(predictor, as_json=as_json, probabilities=probabilities)
    else:
        with PredictProgress(quiet=quiet) as progress:
            done = predict_file(
                predictor,
                source or "-",
                out,
                text_columns=text_column,
                encoding=encoding,
                probabilities=probabilities,
                prefix=prefix,
                on_bad_rows="keep" if keep_bad_rows else "error",
                progress=progress.update,
            )
            for note in done.notes:
                progress.say(note)
            progress.say(
                f"{done.rows:,} rows written to {out}; {done.unlabeled:,} had no text; {done.truncated:,} were longer"
                f" than the model reads ({predictor.max_length:,} tokens) and were cut"
            )
        if as_json:
            counts = {"rows": done.rows, "unlabeled": done.unlabeled, "truncated": done.truncated, "output": str(out)}
            typer.echo(json.dumps(counts))


@app.command()
def check(
    ctx: typer.Context,
    data: Data,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_names: opt.LabelNames = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    validation: opt.Validation = None,
    test: opt.Test = None,
    max_length: Annotated[int, typer.Option("--max-length", help="tokens beyond which texts count as truncated")] = 256,
    on_bad_rows: opt.OnBadRows = None,
    as_json: opt.AsJson = False,
    debug: Debug = False,
) -> None:
    """Report on data before training: rows, labels, lengths, duplicates, conflicts, vocabulary."""
    from textlstm.text.checks import check_data, format_report
    from textlstm.text.protocol import load_recipe_data

    report = check_data(load_recipe_data(opt.recipe_for(data, ctx.params, name="check")), max_length=max_length)
    typer.echo(json.dumps(report.to_dict(), indent=1, ensure_ascii=False) if as_json else format_report(report))


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
    name: str,
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
    name: str, to: Annotated[Path | None, typer.Argument(help="file to write; NAME.yaml here when absent")] = None
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
def validate_recipe(name: str, settings: opt.Settings = None) -> None:
    """Check a recipe without running it."""
    from textlstm.experiment.grid import plan_cells
    from textlstm.training.preparation import check_model_options

    recipe = load_recipe(name).override(dict(map(parse_override, settings or [])))
    cells = plan_cells(recipe)
    check_model_options(cell.recipe for cell in cells)
    typer.echo(f"{name} is valid: {len(cells)} cells")
