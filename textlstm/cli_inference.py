"""The commands of a finished model: evaluate and predict."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Annotated, cast

import typer

from textlstm import cli_options as opt
from textlstm.errors import RecipeError

Device = Annotated[
    str | None,
    typer.Option("--device", help="where to compute: auto, cpu, cuda, cuda:1 or mps", show_default=False),
]


def evaluate(
    ctx: typer.Context,
    model: opt.Model,
    data: opt.Data,
    split: Annotated[str | None, typer.Option("--split", help="test when there is one, else the only split")] = None,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    device: Device = None,
    on_bad_rows: opt.OnBadRows = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Score a model on labeled data: accuracy, F1, log loss and calibration with intervals, per class too.

    --json prints the metrics as one object, with `truncated` (rows that were cut) and `notes` (what loading said).
    """
    from textlstm.cli_progress import quiet_libraries
    from textlstm.inference.predictor import Predictor
    from textlstm.text.protocol import labeled_split, load_recipe_data
    from textlstm.training.evaluation import evaluate_predictions, format_metrics

    quiet_libraries()
    predictor = Predictor.load(model, device=device or "auto")
    options = {**ctx.params, "device": None}  # a recipe has fewer devices than torch
    recipe = opt.recipe_for(data, options, name="evaluate").override({"data.label_names": predictor.label_names})
    loaded = load_recipe_data(recipe)
    rows = labeled_split(loaded, split)
    assert rows.labels is not None  # noqa: S101 - labeled_split has refused unlabeled rows
    encoded = predictor.encode(rows.texts)
    _say([*loaded.notes, _cut(encoded.truncated, len(rows), predictor.max_length)], quiet=quiet)
    metrics = evaluate_predictions(rows.labels, predictor.probabilities_of(encoded), predictor.label_names)
    if as_json:
        shown = {**metrics.model_dump(mode="json"), "truncated": encoded.truncated, "notes": loaded.notes}
        typer.echo(json.dumps(shown, indent=1, ensure_ascii=False))
    else:
        typer.echo(f"{metrics.rows:,} rows\n{format_metrics(metrics)}")


def _say(notes: list[str], *, quiet: bool) -> None:
    """Print sentences on stderr."""
    for note in [] if quiet else notes:
        typer.echo(note, err=True)


def _cut(truncated: int, rows: int, max_length: int) -> str:
    """Say how many texts were cut, and their share."""
    share = 100 * truncated / max(1, rows)
    return (
        f"{truncated:,} of {rows:,} texts ({share:.1f} %) were longer than the model reads ({max_length:,} tokens) and"
        " were cut"
    )


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
        bool, typer.Option("--keep-bad-rows", help="rows or lines without text get an empty label, instead of stopping")
    ] = False,
    prefix: Annotated[
        str | None,
        typer.Option(
            "--prefix",
            help="put before the names of the new columns; predicted_ when absent and a name is taken",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace OUT when it exists")] = False,
    device: Device = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Label texts: a file into a file, one text, or lines from stdin; input order is kept.

    Lines are answered as they come: label, a tab, score. With --keep-bad-rows an empty line is answered by a tab alone,
    or with --json by no labels and the score null.
    """
    from textlstm.cli_progress import PredictProgress, quiet_libraries, show_predictions

    if source is not None and text:
        raise RecipeError("predict takes either INPUT or --input, and got both; leave one out.")
    if source not in (None, "-") and out is None:
        raise RecipeError(
            f"predict {model} {source} needs a file to write, and none was named; add -o OUT.csv or another kind."
        )
    file_only = {"--text-column": bool(text_column), "--prefix": prefix is not None, "--overwrite": overwrite}
    if text:
        lines_too = {"--encoding": encoding is not None, "--keep-bad-rows": keep_bad_rows, "-o": out is not None}
        _refuse_idle(file_only | lines_too, "--input, whose answers are printed", "put the texts into a file")
    elif out is None:
        _refuse_idle(file_only, "lines from stdin, whose answers are printed", "name a file to write with -o")
    if out is not None and out.exists() and not overwrite:
        raise RecipeError(f"{out} exists already, and nothing is overwritten; name another file, or add --overwrite.")
    from textlstm.inference.line_predictions import predict_lines
    from textlstm.inference.prediction_files import predict_file
    from textlstm.inference.predictor import Predictor
    from textlstm.text.reading import arriving_lines

    quiet_libraries()
    predictor = Predictor.load(model, device=device or "auto")
    if text:
        answers = predictor(text)
        show_predictions(text, answers, as_json=as_json, probabilities=probabilities)
        cut, count = sum(answer.truncated for answer in answers), len(answers)
    elif out is None:
        arriving = arriving_lines(cast(io.BufferedReader, sys.stdin.buffer), encoding=encoding)
        cut = count = 0
        for lines, found in predict_lines(predictor, arriving, on_bad_rows="keep" if keep_bad_rows else "error"):
            show_predictions(lines, found, as_json=as_json, probabilities=probabilities)
            cut, count = cut + sum(a is not None and a.truncated for a in found), count + len(lines)
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
            cut_words = _cut(done.truncated, done.rows, predictor.max_length)
            progress.say(f"{done.rows:,} rows written to {out}; {done.unlabeled:,} had no text; {cut_words}")
        if as_json:
            counts = {"rows": done.rows, "unlabeled": done.unlabeled, "truncated": done.truncated, "output": str(out)}
            typer.echo(json.dumps({**counts, "new_columns": done.new_columns, "notes": done.notes}, ensure_ascii=False))
        return
    if cut:
        _say([_cut(cut, count, predictor.max_length)], quiet=quiet)


def _refuse_idle(given: dict[str, bool], mode: str, mend: str) -> None:
    """Refuse options that would do nothing."""
    if idle := [flag for flag, there in given.items() if there]:
        them = "it" if len(idle) == 1 else "them"
        raise RecipeError(
            f"predict was given {' and '.join(idle)}, which has no effect on {mode}; leave {them} out, or {mend}."
        )
