"""The options that need no recipe, so that `predict` can do without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from textlstm.inference.predictor import Predictor

Data = Annotated[str, typer.Argument(help="Hub id, file, folder, or an embedded corpus: pydocs, listops, recall")]
Model = Annotated[str, typer.Argument(help="folder of a trained model, or its Hub id")]
Debug = Annotated[bool, typer.Option("--debug", help="show the traceback of an error")]
AsJson = Annotated[bool, typer.Option("--json", help="machine-readable output on stdout")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress, results only")]
Device = Annotated[
    str | None,
    typer.Option("--device", help="where to compute: auto, cpu, cuda, cuda:1 or mps", show_default=False),
]
BackendName = Annotated[
    str,
    typer.Option(
        "--backend", help="auto (an exported model.onnx if there is one, else torch), onnx, onnx-int8 or torch"
    ),
]
LongTexts = Annotated[
    str,
    typer.Option(
        "--long-texts", help="truncate a text longer than the model reads, or average the logits of its windows"
    ),
]
Uncalibrated = Annotated[bool, typer.Option("--uncalibrated", help="leave the model's calibration.json aside")]


def say(notes: list[str], *, quiet: bool) -> None:
    """Print sentences on stderr.

    Args:
        notes: one a line.
        quiet: whether to leave it.
    """
    for note in [] if quiet else notes:
        typer.echo(note, err=True)


def cut_words(truncated: int, rows: int, predictor: Predictor) -> str:
    """Say how many texts were cut or read in windows, and their share.

    Args:
        truncated: texts that were longer than the model reads.
        rows: all of them.
        predictor: the model.

    Returns:
        A sentence.
    """
    share = 100 * truncated / max(1, rows)
    became = "were cut" if predictor.long_texts == "truncate" else "were read in windows"
    return (
        f"{truncated:,} of {rows:,} texts ({share:.1f} %) were longer than the model reads ({predictor.max_length:,}"
        f" tokens) and {became}"
    )
