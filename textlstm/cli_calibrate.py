"""The command `calibrate`: probabilities that mean what they say, fitted on held-out rows and stored with the model."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from textlstm import cli_options as opt


def calibrate(
    model: Annotated[Path, typer.Argument(help="folder of a trained model")],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="labeled data that the model did not train on; the run's own validation rows by default",
            show_default=False,
        ),
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="of --data; validation where there is one")] = None,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Fit a temperature, and for multi-label data a threshold a label, and store them as MODEL/calibration.json.

    Whatever predicts with the model then uses them, in torch and in ONNX Runtime. It also shows what leaving unsure
    texts without a label (predict --abstain-below) would give, on the same rows.
    """
    from textlstm.errors import ModelError, RecipeError

    reading = {
        "--split": split,
        "--text-column": text_column,
        "--label-column": label_column,
        "--label-separator": label_separator,
        "--encoding": encoding,
    }
    if data is None and (idle := [flag for flag, value in reading.items() if value]):
        raise RecipeError(f"{' and '.join(idle)} is about --data, which is absent; add it, or leave the option out.")
    if not model.is_dir():
        raise ModelError(f"calibrate writes into a model's folder, and {model} is none; check the spelling.")
    from textlstm.cli_progress import quiet_libraries
    from textlstm.inference.abstention import coverage_curve, format_coverage
    from textlstm.inference.calibration import calibrate_model, describe_calibration

    quiet_libraries()
    keys = {"text_column": text_column, "label_column": label_column}
    options = opt.option_overrides({**keys, "label_separator": label_separator, "encoding": encoding})
    found = calibrate_model(model, data=data, split=split, options=options)
    multi_label = found.labels.ndim == 2
    curve = [] if multi_label else coverage_curve(found.probabilities, found.labels)
    if as_json:
        shown = {**asdict(found.calibration), "coverage": [asdict(point) for point in curve]}
        typer.echo(json.dumps(shown, indent=1, ensure_ascii=False))
        return
    typer.echo(describe_calibration(found.calibration))
    if not quiet:
        if curve:
            typer.echo(f"\n{format_coverage(curve)}")
        typer.echo(f"\n{found.path} is used from now on; predict --uncalibrated leaves it aside.", err=True)
