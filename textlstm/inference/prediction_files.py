"""A file of texts in, the same rows with labels out: streamed, in input order, all other columns kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from textlstm.errors import DataError
from textlstm.inference.decisions import THRESHOLD
from textlstm.inference.predictor import BATCH_ROWS, BATCH_TOKENS, Predictor
from textlstm.text.columns import (
    INDEX_NAMES,
    LABEL_TIERS,
    TEXT_TIERS,
    Columns,
    is_blank,
    is_string,
    looks_like_data,
    texts_of,
)
from textlstm.text.files import Findings, file_kind
from textlstm.text.reading import line_of_row, open_writer, read_batches
from textlstm.text.tables import RawSplit, raw_table

WINDOW_ROWS = 8192
FALLBACK_PREFIX = "predicted_"


@dataclass(frozen=True)
class FilePredictions:
    """What was predicted and written.

    Attributes:
        rows: rows read and written.
        unlabeled: rows without a text, written with null in the new columns.
        truncated: rows whose text was longer than the model reads, and was cut at its end.
        text_columns: columns that the texts were taken from.
        new_columns: columns that were added.
        notes: what reading the file brought to light.
    """

    rows: int
    unlabeled: int
    truncated: int
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
    prefix: str | None = None,
    on_bad_rows: Literal["error", "keep"] = "error",
    window_rows: int = WINDOW_ROWS,
    batch_tokens: int = BATCH_TOKENS,
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[int], None] | None = None,
) -> FilePredictions:
    """Label every row of a file, with memory for one window of rows at a time.

    Added are `label` (for a multi-label model the list of labels given, the most probable first), `score` (probability
    of the most probable label) and by option `probabilities` (one field a label; JSON text in csv and tsv). The output
    appears whole under its name at the end, or not at all.

    Args:
        predictor: the model.
        source: a file as `read_batches` takes it, or "-" for standard input with one text a line.
        output: the file to write; its suffix tells the kind.
        text_columns: columns that make up the text, joined as in training; found by their names when None.
        encoding: of a text file; None means UTF-8, or what a byte order mark says.
        probabilities: whether to write every label's probability.
        prefix: put before the names of the new columns; None puts nothing there, or "predicted_" where the file already
            has a column of a new name, and says so in a note.
        on_bad_rows: what a row without a text is: an "error", or to "keep" with null in the new columns.
        window_rows: rows read at a time; similar lengths are batched together inside a window.
        batch_tokens: padded tokens a batch may hold.
        batch_rows: rows a batch may hold.
        progress: called after each window with the number of rows done so far.

    Returns:
        Counts and names.

    Raises:
        DataError: the file cannot be read or written, it lacks the text columns, it already has a column of a
            prefixed name, or a row has no text.
    """
    if str(source) != "-" and Path(source).exists() and Path(output).exists() and Path(output).samefile(source):
        raise DataError(f"The output {output} is the input itself; name another file, so that the input stays.")
    fields: list[pa.Field] = []
    findings = Findings()
    rows = unlabeled = truncated = 0
    used: list[str] = []
    with open_writer(output) as writer:
        batches = read_batches(source, encoding=encoding, batch_rows=window_rows, findings=findings)
        for window in _windows(batches, window_rows):
            raw = _raw(window, source)
            if not used:
                fields, note = _free_fields(predictor, window.schema.names, source, prefix, probabilities)
                findings.notes.extend(note)
                used = list(text_columns) if text_columns else find_text_columns(raw)
            texts = texts_of(raw, Columns(used, label="")).combine_chunks()
            present = pc.invert(is_blank(texts))
            missing = len(texts) - present.true_count
            if missing and on_bad_rows == "error":
                raise DataError(_no_text(source, rows + pc.index(present, False).as_py(), used, encoding))
            encoded = predictor.encode(texts.filter(present))
            chances = predictor.probabilities_of(encoded, batch_tokens=batch_tokens, batch_rows=batch_rows)
            # Row i of the window takes prediction place[i], and null where it has no text.
            place = pc.if_else(present, pc.subtract(pc.cumulative_sum(present.cast(pa.int64())), 1), None)
            added = [column.take(place) for column in _columns(predictor, chances, fields)]
            writer.write(pa.record_batch([*window.columns, *added], schema=_schema_with(window.schema, fields)))
            rows, unlabeled, truncated = rows + len(texts), unlabeled + missing, truncated + encoded.truncated
            if progress is not None:
                progress(rows)
    names = tuple(field.name for field in fields)
    return FilePredictions(rows, unlabeled, truncated, tuple(used), names, findings.notes)


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


def find_text_columns(raw: RawSplit) -> list[str]:
    """Find the text by the names that training looks for, or as the only column of strings that is no label.

    Args:
        raw: a table, with or without labels.

    Returns:
        The column's name, in a list.

    Raises:
        DataError: it is open which column is the text.
    """
    plain = {name: re.sub(r"[\W_]", "", name.lower()) for name in raw.table.column_names}
    for tier in TEXT_TIERS:
        if found := [name for name in plain if plain[name] in tier]:
            break
    else:
        aside = INDEX_NAMES.union(*LABEL_TIERS)
        strings = [name for name in plain if is_string(raw.table.schema.field(name).type)]
        found = [name for name in strings if plain[name] not in aside]
    if len(found) == 1 and not (len(plain) == 1 and looks_like_data(raw)):
        return found
    if looks_like_data(raw):
        cause = "the first line looks like data and not like column names; put a line with column names above it, or"
    elif found:
        cause = f"{', '.join(map(repr, found))} all could be; name one, or several to be joined, and"
    else:
        cause = f"the columns are {', '.join(map(repr, plain))};"
    raise DataError(f"{raw.origin}: it is open which column is the text: {cause} pass --text-column.")


def _free_fields(
    predictor: Predictor, names: list[str], source: str | Path, prefix: str | None, probabilities: bool
) -> tuple[list[pa.Field], list[str]]:
    """Name the new columns so that none is a column of the file, with a note when that took a prefix."""
    fields = _new_fields(predictor, prefix=prefix or "", probabilities=probabilities)
    taken = [field.name for field in fields if field.name in names]
    if not taken:
        return fields, []
    if prefix is None:
        fields, _ = _free_fields(predictor, names, source, FALLBACK_PREFIX, probabilities)
        new = " and ".join(repr(field.name) for field in fields)
        return fields, [f"{source} already has a column {taken[0]!r}, so the new columns are called {new}."]
    raise DataError(
        f"{source} already has a column {taken[0]!r}, and predictions would be written under that name; pass another"
        " prefix for the new columns, such as --prefix model_, or rename the old column."
    )


def _new_fields(predictor: Predictor, *, prefix: str, probabilities: bool) -> list[pa.Field]:
    label = pa.list_(pa.string()) if predictor.multi_label else pa.string()
    fields = [pa.field(f"{prefix}label", label), pa.field(f"{prefix}score", pa.float32())]
    if probabilities:
        each = pa.struct([pa.field(name, pa.float32()) for name in predictor.label_names])
        fields.append(pa.field(f"{prefix}probabilities", each))
    return fields


def _columns(predictor: Predictor, chances: NDArray[np.float32], fields: list[pa.Field]) -> list[pa.Array]:
    """Make the new columns of the rows with a text, in whole arrays."""
    names = pa.array(predictor.label_names, pa.string())
    if predictor.multi_label:
        ranked = np.argsort(-chances, axis=1, kind="stable")
        given = np.take_along_axis(chances, ranked, axis=1) >= THRESHOLD
        offsets = np.concatenate([[0], np.cumsum(given.sum(axis=1))])
        label = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names.take(pa.array(ranked[given])))
    else:
        label = names.take(pa.array(chances.argmax(axis=1)))
    columns = [label, pa.array(chances.max(axis=1))]
    if len(fields) > len(columns):
        columns.append(pa.StructArray.from_arrays([pa.array(c) for c in chances.T], fields=list(fields[-1].type)))
    return columns


def _schema_with(found: pa.Schema, fields: list[pa.Field]) -> pa.Schema:
    """Append fields, and describe them in the note that `datasets` keeps in a file, which must list every column."""
    metadata: dict[bytes, bytes] = dict(found.metadata or {})
    note = metadata.pop(b"huggingface", None)
    if note is not None:
        try:
            described = json.loads(note)
            described["info"]["features"].update({field.name: _feature(field.type) for field in fields})
            metadata[b"huggingface"] = json.dumps(described).encode()
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # not of the form that `datasets` writes: it would only mislead
    return pa.schema([*found, *fields], metadata=metadata)


def _feature(kind: pa.DataType) -> dict[str, Any]:
    """Spell a type as `datasets.Features` is stored."""
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": "float32" if pa.types.is_float32(kind) else "string", "_type": "Value"}


def _no_text(source: str | Path, row: int, columns: list[str], encoding: str | None) -> str:
    line = None if str(source) == "-" else line_of_row(Path(source), row, encoding=encoding)
    at = f" (line {line})" if line else ""
    return (
        f"{source}: data row {row + 1}{at} has no text in {' and '.join(map(repr, columns))}; mend the row, or pass"
        f" --keep-bad-rows to write such rows with an empty label."
    )
