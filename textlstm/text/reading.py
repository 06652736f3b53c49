"""Files to rows, streaming and with constant memory, shared by check, train and predict; the way back is `writing`.

Every cell of a csv or tsv file stays the text it is: "01", "NA" and "true" are not guessed into numbers and nulls.
Imports neither torch, transformers nor datasets.
"""

from __future__ import annotations

import codecs
import difflib
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from textlstm.errors import DataError, first_line
from textlstm.text.arrow_bounds import arrow_batches, parquet_batches
from textlstm.text.delimited import delimited_rows
from textlstm.text.files import KIND_OF_SUFFIX, Findings, codec_name, file_kind, open_bytes, open_text
from textlstm.text.json_rows import common_type, json_rows, typed_array
from textlstm.text.writing import RowWriter, open_writer

__all__ = ["RowWriter", "arriving_lines", "expected_rows", "line_of_row", "open_writer", "read_batches", "read_table"]

BATCH_ROWS = 4096
_ARRIVING_BYTES = 65_536  # what a pipe holds on Linux
_SAMPLE_BYTES = 1 << 20

Item = TypeVar("Item")


def read_batches(
    source: str | Path,
    *,
    columns: Sequence[str] | None = None,
    encoding: str | None = None,
    batch_rows: int = BATCH_ROWS,
    findings: Findings | None = None,
) -> Iterator[pa.RecordBatch]:
    """Read a file of rows piece by piece, all columns in file order.

    A file that cannot be read so is a DataError with the file, the row and the mend.

    The kind is told by the suffix: csv, tsv, json, jsonl/ndjson, parquet, arrow/feather, or txt with one text a line
    (the column is called "text"); each also as .gz, or as the one member of a .zip. A blank line is no row, except in
    txt, where it is an empty text.

    Args:
        source: the file, or "-" for standard input with one text a line.
        columns: names of the columns to keep, in this order; all when None.
        encoding: of csv, tsv, json and txt; None means UTF-8, or what a byte order mark says.
        batch_rows: at most so many rows a batch.
        findings: takes notes and dropped rows; by default a bad row is an error.

    Yields:
        Batches of one schema; a file with column names and no rows yields one empty batch.
    """
    path = Path(source)
    findings = findings if findings is not None else Findings()
    kind = "txt" if str(path) == "-" else file_kind(path)
    if kind in {"csv", "tsv"}:
        batches = _delimited_batches(path, kind, encoding, batch_rows, findings)
    elif kind in {"json", "jsonl"}:
        batches = _json_batches(path, kind, encoding, batch_rows, findings)
    elif kind == "txt":
        batches = _line_batches(path, encoding, batch_rows)
    else:
        batches = _arrow_batches(path, kind, batch_rows)
    for batch in batches:
        kept = batch if columns is None else batch.select(_known_columns(path, batch.schema.names, columns))
        for start in range(0, max(1, kept.num_rows), batch_rows):  # Arrow files may store larger batches
            yield kept.slice(start, batch_rows)


def read_table(source: str | Path, *, encoding: str | None = None, findings: Findings | None = None) -> pa.Table:
    """Read a whole file of rows.

    Args:
        source: as in `read_batches`.
        encoding: as in `read_batches`.
        findings: as in `read_batches`.

    Returns:
        All rows and columns, with the schema's metadata where the file kind has any.

    Raises:
        DataError: with the file, the row and the mend when the file cannot be read.
    """
    batches = list(read_batches(source, encoding=encoding, findings=findings))
    if not batches:
        raise DataError(f"{source} holds no rows, and a row for each text was expected; was it written completely?")
    return pa.Table.from_batches(batches)


def arriving_lines(stream: io.BufferedReader | io.BytesIO, *, encoding: str | None = None) -> Iterator[list[str]]:
    """Read lines as they arrive: what is there is given at once, and nothing waits for a full batch.

    Args:
        stream: bytes, such as `sys.stdin.buffer`; a line ends at a newline, with or without a carriage return.
        encoding: its encoding; None means UTF-8, with or without a byte order mark.

    Yields:
        One or more whole lines, without their ends.

    Raises:
        DataError: the encoding is unknown or the bytes are not in it.
    """
    codec = codec_name(encoding)
    decoder = codecs.getincrementaldecoder(codec)()
    rest, done, ended = "", 0, False
    while not ended:
        chunk = stream.read1(_ARRIVING_BYTES)  # waits only while there is nothing at all
        ended = not chunk
        try:
            rest += decoder.decode(chunk, final=ended)
        except UnicodeDecodeError as error:
            line = done + error.object[: error.start].count(b"\n") + 1
            raise DataError(
                f"standard input is not {'UTF-8' if codec == 'utf-8-sig' else codec}: line {line} holds the byte"
                f" {error.object[error.start]:#04x}; pass the encoding it has, such as --encoding cp1252."
            ) from error
        except UnicodeError as error:  # such as UTF-16 without its byte order mark
            raise DataError(f"standard input is not {codec} ({error}); pass the encoding it has.") from error
        *lines, rest = rest.split("\n")
        if ended and rest:
            lines.append(rest)
        if lines:
            yield [line.removesuffix("\r") for line in lines]
        done += len(lines)


def line_of_row(path: Path, row: int, *, encoding: str | None = None) -> int | None:
    """Find the line of a row by reading the file again up to it; meant for error messages.

    Args:
        path: the file.
        row: 0-based row number.
        encoding: as in `read_batches`.

    Returns:
        The 1-based line on which the row ends, or None for kinds without lines.
    """
    kind = file_kind(path)
    findings = Findings(drop_bad_rows=True)
    if kind in {"csv", "tsv"}:
        numbered: Iterator[tuple[object, int]] = iter(
            delimited_rows(path, kind=kind, encoding=encoding, findings=findings)
        )
        next(numbered)  # the header
    elif kind == "jsonl":
        numbered = iter(json_rows(path, kind=kind, encoding=encoding, findings=findings))
    else:
        return row + 1 if kind == "txt" else None
    for kept, (_, line) in enumerate(numbered):
        if kept + len(findings.dropped) >= row:
            return line
    return None


def expected_rows(path: Path) -> int | None:
    """Tell about how many rows a file has without reading it, for a bar that shows what is left.

    Args:
        path: the file.

    Returns:
        The number in parquet; for lines an estimate by the length of the first ones; None for kinds that tell nothing
        before they are read, and for files that cannot be.
    """
    kind = KIND_OF_SUFFIX.get(path.suffix.lower())
    try:
        if kind == "parquet":
            return int(pq.read_metadata(path).num_rows)
        if kind not in ("csv", "tsv", "jsonl", "txt"):
            return None
        with path.open("rb") as file:
            head = file.read(_SAMPLE_BYTES)
            lines = head.count(b"\n")
            return round(lines * max(1.0, path.stat().st_size / len(head))) if lines else None
    except (OSError, pa.ArrowException):
        return None


def _known_columns(path: Path, names: list[str], wanted: Sequence[str]) -> list[str]:
    """Check that the wanted columns exist."""
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise DataError(f"{path} has no column {name!r}; its columns are {', '.join(map(repr, names))}.{hint}")
    return list(wanted)


def _delimited_batches(
    path: Path, kind: str, encoding: str | None, batch_rows: int, findings: Findings
) -> Iterator[pa.RecordBatch]:
    """Gather csv rows into batches of text columns."""
    rows = delimited_rows(path, kind=kind, encoding=encoding, findings=findings)
    names, _ = next(rows)
    schema = pa.schema([pa.field(name, pa.large_string()) for name in names])
    for chunk in _chunks(rows, batch_rows):
        findings.lines = [line for _, line in chunk]
        arrays = [pa.array(column, pa.large_string()) for column in zip(*(cells for cells, _ in chunk), strict=True)]
        yield pa.record_batch(arrays or [[] for _ in names], schema=schema)


def _json_batches(
    path: Path, kind: str, encoding: str | None, batch_rows: int, findings: Findings
) -> Iterator[pa.RecordBatch]:
    """Gather JSON objects into batches; a first pass finds the columns and types that hold for all rows."""
    types: dict[str, pa.DataType] = {}
    scratch = Findings(drop_bad_rows=findings.drop_bad_rows)
    if findings.on_bad_row is not None:  # the second pass hands them on; nobody asks this one, and there may be many
        scratch.on_bad_row = lambda bad: scratch.dropped.clear()
    for chunk in _chunks(json_rows(path, kind=kind, encoding=encoding, findings=scratch), batch_rows):
        for name in dict.fromkeys(name for row, _ in chunk for name in row):
            types[name] = common_type(types.get(name, pa.null()), [row.get(name) for row, _ in chunk])
    schema = pa.schema(list(types.items()))
    for chunk in _chunks(json_rows(path, kind=kind, encoding=encoding, findings=findings), batch_rows):
        findings.lines = [line for _, line in chunk if line]
        arrays = [typed_array([row.get(name) for row, _ in chunk], kept) for name, kept in types.items()]
        yield pa.record_batch(arrays, schema=schema)


def _line_batches(path: Path, encoding: str | None, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Take each line as a text."""
    with open_text(path, encoding=encoding, newline="\n") as stream:
        lines = (line.removesuffix("\n").removesuffix("\r") for line in stream)
        for chunk in _chunks(lines, batch_rows):
            yield pa.record_batch([pa.array(chunk, pa.large_string())], names=["text"])


def _arrow_batches(path: Path, kind: str, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Stream parquet or Arrow IPC (the file form, which feather is, or the stream form, which datasets writes)."""
    with open_bytes(path) as raw:
        # A packed file cannot be sought in, so it is unpacked in memory.
        source = pa.PythonFile(raw) if path.suffix.lower() not in {".gz", ".zip"} else pa.BufferReader(raw.read())
        try:
            found = 0
            if kind == "parquet":
                schema, stream = parquet_batches(source, path, batch_rows)
            else:
                schema, stream = arrow_batches(source, path)
            _read_names(schema)
            for batch in stream:
                # Parquet's reader leaves out the metadata, which holds the names of the classes.
                yield pa.record_batch(batch.columns, schema=schema) if kind == "parquet" else batch
                found += 1
            if not found:
                yield pa.record_batch([pa.array([], column.type) for column in schema], schema=schema)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: of a column's name
            reason = first_line(error)
            raise DataError(f"{path} is not a readable {kind} file ({reason}); was it written completely?") from error


def _read_names(fields: Iterable[pa.Field]) -> None:
    """Read the name of each field and of those inside it; one of damaged bytes raises UnicodeDecodeError here."""
    for field in fields:
        _ = field.name
        _read_names(field.type.field(number) for number in range(field.type.num_fields))


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a stream into lists; an empty stream gives one empty list."""
    iterator = iter(items)
    chunk = list(islice(iterator, size))
    yield chunk
    while chunk := list(islice(iterator, size)):
        yield chunk
