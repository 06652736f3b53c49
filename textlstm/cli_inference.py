"""The commands of a finished model: evaluate and predict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from textlstm import cli_options as opt
from textlstm.errors import RecipeError


def evaluate(
    ctx: typer.Context,
    model: opt.Model,
    data: opt.Data,
    split: Annotated[str | None, typer.Option("--split", help="test when there is one, else the only split")] = None,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    device: opt.Device = None,
    on_bad_rows: opt.OnBadRows = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
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


def predict(
    model: opt.Model,
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
    debug: opt.Debug = False,
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
