"""The command `evaluate`: a model on labeled data."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, cast

import typer

from textlstm import cli_options as opt
from textlstm import cli_shared as shared
from textlstm.cli_shared import cut_words, say
from textlstm.errors import RecipeError

if TYPE_CHECKING:
    from textlstm.inference.model_files import Backend
    from textlstm.inference.predictor import LongTexts


def evaluate(
    ctx: typer.Context,
    model: shared.Model,
    data: shared.Data,
    split: Annotated[str | None, typer.Option("--split", help="test when there is one, else the only split")] = None,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    device: shared.Device = None,
    backend: shared.BackendName = "auto",
    long_texts: shared.LongTexts = "truncate",
    uncalibrated: shared.Uncalibrated = False,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="also show what leaving unsure texts without a label would give")
    ] = False,
    on_bad_rows: opt.OnBadRows = None,
    as_json: shared.AsJson = False,
    quiet: shared.Quiet = False,
    debug: shared.Debug = False,
) -> None:
    """Score a model on labeled data: accuracy, F1, log loss and calibration with intervals, per class too.

    --json prints the metrics as one object, with `truncated` (rows that were longer than the model reads), `notes`
    (what loading said) and, by --coverage, `coverage`.
    """
    from textlstm.cli_progress import quiet_libraries
    from textlstm.inference.abstention import coverage_curve, format_coverage
    from textlstm.inference.predictor import Predictor
    from textlstm.text.protocol import labeled_split, load_recipe_data
    from textlstm.training.evaluation import evaluate_predictions, format_metrics

    quiet_libraries()
    predictor = Predictor.load(
        model,
        backend=cast("Backend", backend),
        device=device or "auto",
        calibrated=not uncalibrated,
        long_texts=cast("LongTexts", long_texts),
    )
    if coverage and predictor.multi_label:
        raise RecipeError("--coverage is about models that give one label a text, and this one gives any number.")
    options = {**ctx.params, "device": None}  # a recipe has fewer devices than torch
    recipe = opt.recipe_for(data, options, name="evaluate").override({"data.label_names": predictor.label_names})
    loaded = load_recipe_data(recipe)
    rows = labeled_split(loaded, split)
    assert rows.labels is not None  # noqa: S101 - labeled_split has refused unlabeled rows
    encoded = predictor.encode(rows.texts)
    cut = [cut_words(encoded.truncated, len(rows), predictor)] if encoded.truncated else []
    say([*loaded.notes, *cut], quiet=quiet)
    chances = predictor.probabilities_of(encoded)
    metrics = evaluate_predictions(rows.labels, chances, predictor.label_names)
    curve = coverage_curve(chances, rows.labels) if coverage else []
    if as_json:
        shown = {**metrics.model_dump(mode="json"), "truncated": encoded.truncated, "notes": loaded.notes}
        if coverage:
            shown["coverage"] = [asdict(point) for point in curve]
        typer.echo(json.dumps(shown, indent=1, ensure_ascii=False))
    else:
        typer.echo(f"{metrics.rows:,} rows\n{format_metrics(metrics)}")
        if coverage:
            typer.echo(f"\n{format_coverage(curve)}")
