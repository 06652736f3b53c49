"""The command `predict`. It imports no recipe and none of its library, so that a first answer comes within a second."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from textlstm import cli_shared as shared
from textlstm.cli_shared import cut_words, say
from textlstm.errors import RecipeError

if TYPE_CHECKING:
    from textlstm.inference.model_files import Backend
    from textlstm.inference.predictor import LongTexts

# The words of the recipe's keys, as a test holds.
TEXT_COLUMN_HELP = "columns joined to one text; inferred when absent"
ENCODING_HELP = "text encoding of csv, tsv and json files; utf-8 when absent"
TextColumn = Annotated[
    list[str] | None,
    typer.Option("--text-column", help=f"{TEXT_COLUMN_HELP}; repeat for several", show_default=False),
]
Encoding = Annotated[str | None, typer.Option("--encoding", help=ENCODING_HELP, show_default=False)]


def predict(
    model: shared.Model,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="INPUT", help="csv, tsv, json, jsonl, parquet, arrow or txt, also .gz; `-` reads lines from stdin"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="file to write, of any of these kinds")] = None,
    text: Annotated[list[str] | None, typer.Option("--input", help="one text; repeatable")] = None,
    text_column: TextColumn = None,
    encoding: Encoding = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="also give each label's probability")] = False,
    top_k: Annotated[
        int | None,
        typer.Option("--top-k", min=1, help="also give the so many most probable labels", show_default=False),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            help="multi-label: the probability from which a label is given; calibrated, or 0.5, when absent",
            show_default=False,
        ),
    ] = None,
    abstain_below: Annotated[
        float, typer.Option("--abstain-below", help="one label a text: give none below this probability")
    ] = 0.0,
    long_texts: shared.LongTexts = "truncate",
    keep_bad_rows: Annotated[
        bool, typer.Option("--keep-bad-rows", help="rows or lines without text get an empty label, instead of stopping")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            metavar="FILE",
            help="write rows that cannot be read or have no text there, with line and reason, instead of stopping",
            show_default=False,
        ),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            "--prefix",
            help="put before the names of the new columns; predicted_ when absent and a name is taken",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace OUT when it exists")] = False,
    backend: shared.BackendName = "auto",
    device: shared.Device = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads; all by default", show_default=False)
    ] = None,
    batch_tokens: Annotated[int, typer.Option("--batch-tokens", min=1, help="padded tokens a batch may hold")] = 16_384,
    batch_rows: Annotated[
        int | None,
        typer.Option(
            "--batch-rows",
            min=1,
            help="rows a batch may hold (8 by ONNX Runtime, 256 by torch); with 1, 8-bit scores are independent",
            show_default=False,
        ),
    ] = None,
    uncalibrated: shared.Uncalibrated = False,
    as_json: shared.AsJson = False,
    quiet: shared.Quiet = False,
    debug: shared.Debug = False,
) -> None:
    """Label texts: a file into a file, one text, or lines from stdin; input order is kept.

    Lines are answered as they come: label, a tab, score. With --keep-bad-rows an empty line is answered by a tab alone,
    or with --json by no labels and the score null. A prediction of a file that was killed goes on where it was when the
    same command is given again, and writes the same bytes. Scores of an 8-bit model depend a little on the other rows
    of a batch; batches are cut the same way each time.
    """
    if source is not None and text:
        raise RecipeError("predict takes either INPUT or --input, and got both; leave one out.")
    if source not in (None, "-") and out is None:
        raise RecipeError(
            f"predict {model} {source} needs a file to write, and none was named; add -o OUT.csv or another kind."
        )
    named = {"--text-column": bool(text_column), "--prefix": prefix is not None}
    file_only = named | {"--overwrite": overwrite, "--rejects": rejects is not None}
    if text:
        lines_too = {"--encoding": encoding is not None, "--keep-bad-rows": keep_bad_rows, "-o": out is not None}
        _refuse_idle(file_only | lines_too, "--input, whose answers are printed", "put the texts into a file")
    elif out is None:
        _refuse_idle(file_only, "lines from stdin, whose answers are printed", "name a file to write with -o")
    for written in (out, rejects):
        if written is not None and written.exists() and not overwrite:
            raise RecipeError(
                f"{written} exists already, and nothing is overwritten; name another file, or add --overwrite."
            )
    from textlstm.cli_predictions import show_predictions
    from textlstm.inference.model_files import find_model
    from textlstm.inference.predictor import Predictor

    wanted = {"backend": cast("Backend", backend), "device": device or "auto"}
    if find_model(model, **wanted).onnx is None:  # type: ignore[arg-type]
        from textlstm.cli_progress import quiet_libraries

        quiet_libraries()  # only then are they imported
    predictor = Predictor.load(
        model,
        backend=cast("Backend", backend),
        device=device or "auto",
        threads=threads,
        calibrated=not uncalibrated,
        threshold=threshold,
        abstain_below=abstain_below,
        long_texts=cast("LongTexts", long_texts),
    )
    batches: Any = {"batch_tokens": batch_tokens, "batch_rows": batch_rows}
    bad_rows: Literal["keep", "error"] = "keep" if keep_bad_rows else "error"
    if text:
        answers = predictor(text, **batches)
        show_predictions(text, answers, as_json=as_json, probabilities=probabilities, top_k=top_k)
        cut, count = sum(answer.truncated for answer in answers), len(answers)
    elif out is None:
        from textlstm.inference.line_predictions import predict_lines
        from textlstm.text.reading import arriving_lines

        arriving = arriving_lines(cast(io.BufferedReader, sys.stdin.buffer), encoding=encoding)
        cut = count = 0
        for lines, found in predict_lines(predictor, arriving, on_bad_rows=bad_rows, **batches):
            show_predictions(lines, found, as_json=as_json, probabilities=probabilities, top_k=top_k)
            cut, count = cut + sum(a is not None and a.truncated for a in found), count + len(lines)
    else:
        from textlstm.cli_progress import PredictProgress
        from textlstm.inference.prediction_files import predict_file
        from textlstm.text.reading import expected_rows

        expected = None if source in (None, "-") else expected_rows(Path(source))
        with PredictProgress(out, quiet=quiet, expected=expected) as progress:
            done = predict_file(
                predictor,
                source or "-",
                out,
                text_columns=text_column,
                encoding=encoding,
                probabilities=probabilities,
                top_k=top_k,
                prefix=prefix,
                on_bad_rows=bad_rows,
                rejects=rejects,
                progress=progress.update,
                **batches,
            )
            for note in done.notes:
                progress.say(note)
            if done.recalled:
                progress.say(f"{done.recalled:,} rows had been predicted before an interruption")
            if done.rejected:
                progress.say(f"{done.rejected:,} rows could not be labeled and are in {rejects}")
            if done.abstained:
                progress.say(f"{done.abstained:,} texts got no label")
            told = [f"{done.rows:,} rows written to {out}"]
            if done.unlabeled:
                told.append(f"{done.unlabeled:,} had no text")
            if done.truncated:
                told.append(cut_words(done.truncated, done.rows, predictor))
            progress.say("; ".join(told))
        if as_json:
            shown = {key: value for key, value in asdict(done).items() if key != "text_columns"}
            typer.echo(json.dumps({**shown, "output": str(out)}, ensure_ascii=False))
        return
    if cut:
        say([cut_words(cut, count, predictor)], quiet=quiet)


def _refuse_idle(given: dict[str, bool], mode: str, mend: str) -> None:
    """Refuse options that would do nothing."""
    if idle := [flag for flag, there in given.items() if there]:
        them = "it" if len(idle) == 1 else "them"
        raise RecipeError(
            f"predict was given {' and '.join(idle)}, which has no effect on {mode}; leave {them} out, or {mend}."
        )
