"""A file of texts in, the same rows with labels out: streamed, in input order, all other columns kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from textlstm.errors import DataError
from textlstm.inference.prediction_columns import find_text_columns, new_fields, prediction_columns, schema_with
from textlstm.inference.prediction_journal import Journal, digest_texts
from textlstm.inference.predictor import BATCH_TOKENS, Predictor
from textlstm.inference.rejected_rows import RejectedRows
from textlstm.text.columns import Columns, is_blank, texts_of
from textlstm.text.files import BadRow, Findings, file_kind
from textlstm.text.reading import line_of_row, open_writer, read_batches
from textlstm.text.tables import RawSplit, raw_table
from textlstm.text.writing import output_kind

WINDOW_ROWS = 8192
"""Rows read at a time. Batches never cross a window, so this is part of what 8-bit scores depend on."""


@dataclass(frozen=True)
class FilePredictions:
    """What was predicted and written.

    Attributes:
        rows: rows written.
        unlabeled: rows without a text among them, written with null in the new columns.
        truncated: rows whose text was longer than the model reads: it was cut at its end, or read in windows.
        abstained: rows with a text and without a label.
        rejected: rows that went to the file of rejected rows.
        recalled: rows whose probabilities an interrupted run had left.
        text_columns: columns that the texts were taken from.
        new_columns: columns that were added.
        notes: what reading the file brought to light.
    """

    rows: int
    unlabeled: int
    truncated: int
    abstained: int
    rejected: int
    recalled: int
    text_columns: tuple[str, ...]
    new_columns: tuple[str, ...]
    notes: list[str]


def predict_file(
    predictor: Predictor,
    source: str | Path,
    output: str | Path,
    *,
    text_columns: Sequence[str] | None = None,
    encoding: str | None = None,
    probabilities: bool = False,
    top_k: int | None = None,
    prefix: str | None = None,
    on_bad_rows: Literal["error", "keep"] = "error",
    rejects: str | Path | None = None,
    window_rows: int = WINDOW_ROWS,
    batch_tokens: int = BATCH_TOKENS,
    batch_rows: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> FilePredictions:
    """Label every row of a file, with memory for one window of rows at a time.

    Added are `label` (for a multi-label model the list of labels given, the most probable first), `score` (probability
    of the most probable label) and by option `top_labels` and `probabilities` (one field a label); lists and fields are
    JSON text in csv and tsv. A txt gets a line a text, label and score with a tab between them as on standard output,
    and no other column, so that it is written of lines alone.

    The output appears whole under its name at the end, or not at all. A run that is killed leaves a journal of its
    finished windows beside the output (`prediction_journal`); the same call then goes on from there and writes the same
    bytes. A .json file, and a packed parquet or arrow file, is held in memory whole.

    Args:
        predictor: the model.
        source: a file as `read_batches` takes it, or "-" for standard input with one text a line.
        output: the file to write; its suffix tells the kind.
        text_columns: columns that make up the text, joined as in training; found by their names when None.
        encoding: of a text file; None means UTF-8, or what a byte order mark says.
        probabilities: whether to write every label's probability.
        top_k: how many of the most probable labels to write with their probabilities; None writes no such column.
        prefix: put before the names of the new columns; None puts nothing there, or "predicted_" where the file already
            has a column of a new name, and says so in a note.
        on_bad_rows: what a row without a text is: an "error", or to "keep" with null in the new columns.
        rejects: a file for rows that cannot be read and, unless they are kept, rows without a text: each with its line
            and what is wrong. Without it a row that cannot be read is an error.
        window_rows: rows read at a time; similar lengths are batched together inside a window.
        batch_tokens: padded tokens a batch may hold.
        batch_rows: rows a batch may hold; None takes what suits what runs the model.
        progress: called after each window with the number of rows done so far.

    Returns:
        Counts and names.

    Raises:
        DataError: the file cannot be read or written, it lacks the text columns, it already has a column of a
            prefixed name, a row has no text, or another process writes the same output.
    """
    _refuse_same(source, output, rejects)
    lines = output_kind(output) == "txt"
    if lines and not _has_lines(source):
        raise DataError(
            f"{output} would hold a line a text, and {source} has columns that would be lost; name a .csv, a .jsonl or"
            " a file of another kind that has columns."
        )
    batch_rows = predictor.classifier.batch_rows if batch_rows is None else batch_rows
    fields: list[pa.Field] = []
    rows = unlabeled = truncated = abstained = 0
    used: list[str] = []
    with ExitStack() as stack:
        # Entered first and left last: it goes only when the output has its name.
        journal = stack.enter_context(_journal(predictor, output, window_rows, batch_tokens, batch_rows))
        writer = stack.enter_context(open_writer(output))
        rejected = None if rejects is None else stack.enter_context(RejectedRows(Path(rejects)))
        findings = Findings(rejected is not None, on_bad_row=None if rejected is None else rejected.write)
        batches = read_batches(source, encoding=encoding, batch_rows=window_rows, findings=findings)
        read = forgotten = 0
        for window in _windows(batches, window_rows):
            raw = _raw(window, source)
            if not used:
                fields, note = new_fields(
                    predictor, window.schema.names, source, prefix=prefix, probabilities=probabilities, top_k=top_k
                )
                findings.notes.extend(note)
                used = list(text_columns) if text_columns else find_text_columns(raw)
            texts = texts_of(raw, Columns(used, label="")).combine_chunks()
            present = pc.invert(is_blank(texts))
            missing = len(texts) - present.true_count
            first, read = read, read + len(texts)
            if missing and on_bad_rows == "error":
                if rejected is None:
                    raise DataError(_no_text(source, first + pc.index(present, False).as_py(), used, encoding))
                for bad in _without_text(window, present, first, forgotten, findings, source):
                    rejected.write(bad)
                window, texts, missing = window.filter(present), texts.filter(present), 0
                present = present.filter(present)
            chances, cut = _chances(predictor, texts.filter(present), journal, batch_tokens, batch_rows)
            # Row i of the window takes prediction place[i], and null where it has no text.
            place = pc.if_else(present, pc.subtract(pc.cumulative_sum(present.cast(pa.int64())), 1), None)
            new = prediction_columns(predictor, chances, probabilities=probabilities, top_k=top_k)
            added = [column.take(place) for column in new]
            if lines:
                writer.write(pa.record_batch(added, schema=pa.schema(fields)))
            else:
                writer.write(pa.record_batch([*window.columns, *added], schema=schema_with(window.schema, fields)))
            rows, unlabeled, truncated = rows + len(texts), unlabeled + missing, truncated + cut
            abstained += int((~predictor.given(chances).any(axis=1)).sum())
            # All before this window's end: a file of bad rows alone must not fill the memory with their numbers.
            forgotten += len(findings.dropped)
            findings.dropped.clear()
            if progress is not None:
                progress(rows)
    count = 0 if rejected is None else rejected.count
    names = tuple(field.name for field in fields)
    recalled = journal.recalled
    return FilePredictions(rows, unlabeled, truncated, abstained, count, recalled, tuple(used), names, findings.notes)


def _refuse_same(source: str | Path, output: str | Path, rejects: str | Path | None) -> None:
    """Refuse to write one file over another."""
    if str(source) != "-" and Path(source).exists() and Path(output).exists() and Path(output).samefile(source):
        raise DataError(f"The output {output} is the input itself; name another file, so that the input stays.")
    if rejects is not None and Path(rejects).absolute() in (Path(output).absolute(), Path(source).absolute()):
        raise DataError(f"The rejected rows should have a file of their own, and {rejects} is in use; name another.")


def _has_lines(source: str | Path) -> bool:
    """Tell whether each line of the input is a text."""
    return str(source) == "-" or file_kind(Path(source)) == "txt"


def _journal(predictor: Predictor, output: str | Path, window_rows: int, batch_tokens: int, batch_rows: int) -> Journal:
    """Open the journal of an output, for these settings."""
    calibration = predictor.calibration
    settings = {
        "model": predictor.identity(),
        "temperature": None if calibration is None else calibration.temperature,
        "long_texts": predictor.long_texts,
        "batches": [window_rows, batch_tokens, batch_rows],
    }
    return Journal(Path(output), settings=json.dumps(settings), classes=len(predictor.label_names))


def _chances(
    predictor: Predictor, texts: pa.Array, journal: Journal, batch_tokens: int, batch_rows: int
) -> tuple[NDArray[np.float32], int]:
    """Take a window's probabilities from the journal, or have them from the model and note them there."""
    digest = digest_texts(texts.to_pylist())
    if (known := journal.recall(digest, len(texts))) is not None:
        return known
    encoded = predictor.encode(texts)
    chances = predictor.probabilities_of(encoded, batch_tokens=batch_tokens, batch_rows=batch_rows)
    journal.note(digest, chances, encoded.truncated)
    return chances, encoded.truncated


def _without_text(
    window: pa.RecordBatch, present: pa.Array, first: int, forgotten: int, findings: Findings, source: str | Path
) -> Iterator[BadRow]:
    """Name the rows of a window that have no text.

    `first` counts the rows that could be read before it, and `forgotten` those that could not.
    """
    by_line = _has_lines(source)
    dropped = np.array(findings.dropped, dtype=np.int64)
    before = dropped - np.arange(len(dropped)) - forgotten  # rows that could be read before each that could not
    for place in np.flatnonzero(~np.asarray(present.to_numpy(zero_copy_only=False), dtype=bool)).tolist():
        row = first + place + forgotten + int(np.searchsorted(before, first + place, side="right"))
        line = row + 1 if by_line else findings.lines[place] if findings.lines else None
        yield BadRow(row, line, "has no text", window.slice(place, 1).to_pylist()[0])


def _windows(batches: Iterable[pa.RecordBatch], window_rows: int) -> Iterator[pa.RecordBatch]:
    """Cut batches that a file stores larger than a window."""
    for batch in batches:
        for start in range(0, max(1, batch.num_rows), window_rows):
            yield batch.slice(start, window_rows)


def _raw(window: pa.RecordBatch, source: str | Path) -> RawSplit:
    """Wrap a window as the text floor takes tables; every cell of a csv is text because csv knows nothing else."""
    plain = raw_table(pa.Table.from_batches([window]), str(source))
    untyped = str(source) != "-" and file_kind(Path(source)) in {"csv", "tsv"}
    return RawSplit(plain.table, plain.rows, plain.origin, plain.place, untyped)


def _no_text(source: str | Path, row: int, columns: list[str], encoding: str | None) -> str:
    line = None if str(source) == "-" else line_of_row(Path(source), row, encoding=encoding)
    at = f" (line {line})" if line else ""
    return (
        f"{source}: data row {row + 1}{at} has no text in {' and '.join(map(repr, columns))}; mend the row, or pass"
        f" --keep-bad-rows to write such rows with an empty label, or --rejects FILE to write them there."
    )
