"""Rows to files: csv, tsv, json, jsonl, parquet, arrow, txt, each whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import re
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import pyarrow as pa
import pyarrow.parquet as pq

from textlstm.errors import DataError
from textlstm.text.files import KIND_OF_SUFFIX, unwritable

WRITABLE = ("csv", "tsv", "json", "jsonl", "parquet", "arrow", "txt")
_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")


def output_kind(path: str | Path) -> str:
    """Tell from the name what a file is written as.

    Args:
        path: the file; a .gz suffix is taken off first.

    Returns:
        One of the values of `KIND_OF_SUFFIX`; empty for another suffix.
    """
    inner = Path(path).with_suffix("") if Path(path).suffix.lower() == ".gz" else Path(path)
    return KIND_OF_SUFFIX.get(inner.suffix.lower(), "")


class RowWriter:
    """Writes record batches to a file under a temporary name, and renames it when all is well.

    Use it as a context manager: an exception inside leaves nothing behind and an older file untouched.
    In csv and tsv a null becomes an empty field, a list or a struct its JSON text; a null in jsonl stays null. A txt
    has no column names: each row is a line of its cells with tabs between them, a list of words written with commas.
    """

    def __init__(self, path: str | Path) -> None:
        """Prepare to write; nothing is created yet.

        Args:
            path: the file to make; its suffix tells the kind, and .gz packs csv, tsv, json, jsonl and txt.

        Raises:
            DataError: when the suffix is none that can be written.
        """
        self.path = Path(path)
        self.rows = 0
        packed = self.path.suffix.lower() == ".gz"
        self.kind = output_kind(self.path)
        if self.kind not in WRITABLE or (packed and self.kind in {"parquet", "arrow"}):
            raise DataError(
                f"{self.path} cannot be written: the suffix must be one of .csv, .tsv, .json, .jsonl, .txt "
                f"(each also with .gz), .parquet, .arrow or .feather."
            )
        self._packed = packed
        self._temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._file: BinaryIO | None = None
        self._text: io.TextIOWrapper | None = None
        self._arrow: pq.ParquetWriter | pa.RecordBatchFileWriter | None = None

    def __enter__(self) -> Self:
        """Create the temporary file beside the final one."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            raw = self._temporary.open("wb")
        except OSError as error:
            raise DataError(unwritable(self.path, error)) from error
        self._file = raw
        if self.kind not in {"parquet", "arrow"}:
            # No time stamp inside: the same rows give the same bytes.
            packed = gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) if self._packed else raw
            self._text = io.TextIOWrapper(cast(BinaryIO, packed), encoding="utf-8", newline="")
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows; the first batch sets the columns.

        Args:
            batch: rows whose schema equals that of the first batch.
        """
        if self.kind in {"parquet", "arrow"}:
            self._open_arrow(batch.schema)
            cast(pq.ParquetWriter, self._arrow).write_batch(batch)
        elif self.kind in {"csv", "tsv"}:
            self._write_delimited(batch)
        elif self.kind == "txt":
            self._write_lines(batch)
        else:
            self._write_json(batch)
        self.rows += batch.num_rows

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and give it its name, or remove it when the block failed."""
        if kind is not None:
            self._give_up()
            return
        try:
            self._finish()
            for stream in (self._text, self._file):
                if stream is not None:
                    stream.close()  # writes what is still held, which a full disk may refuse
            self._temporary.replace(self.path)
        except BaseException:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Leave nothing behind; what closing would still write may find no room."""
        with contextlib.suppress(OSError, ValueError, pa.ArrowException):
            if self._arrow is not None:  # else it would end the file when it is collected
                self._arrow.close()
        for stream in (self._text, self._file):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()
        self._temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        """Write what ends the file."""
        if self.kind in {"parquet", "arrow"}:
            self._open_arrow(pa.schema([]))
            cast(pq.ParquetWriter, self._arrow).close()
        elif self.kind == "json" and self._text is not None:
            self._text.write("\n]\n" if self.rows else "[]\n")

    def _open_arrow(self, schema: pa.Schema) -> None:
        """Start the Arrow writer with the columns of the first batch."""
        if self._arrow is not None:
            return
        if self.kind == "parquet":
            self._arrow = pq.ParquetWriter(self._file, schema, compression="zstd")
        else:
            self._arrow = pa.ipc.new_file(self._file, schema)

    def _write_delimited(self, batch: pa.RecordBatch) -> None:
        """Write rows with minimal quoting; a row that holds a bare carriage return is quoted throughout."""
        stream = cast(io.TextIOWrapper, self._text)
        delimiter = "," if self.kind == "csv" else "\t"
        plain = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        # The csv module leaves "\r" bare when lines end in "\n", and every reader would break the row there.
        quoting = csv.writer(stream, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        if not self.rows and stream.tell() == 0:
            plain.writerow(batch.schema.names)
        for cells in zip(*(_cells(column) for column in batch.columns), strict=True):
            bare = any(isinstance(cell, str) and "\r" in cell for cell in cells)
            (quoting if bare else plain).writerow(cells)

    def _write_lines(self, batch: pa.RecordBatch) -> None:
        """Write a line a row; what would break a line or a cell becomes a blank."""
        stream = cast(io.TextIOWrapper, self._text)
        columns = [
            [None if cell is None else ", ".join(cell) for cell in column.to_pylist()]
            if pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type)
            else _cells(column)
            for column in batch.columns
        ]
        for cells in zip(*columns, strict=True):
            stream.write("\t".join("" if cell is None else _BREAKS.sub(" ", str(cell)) for cell in cells) + "\n")

    def _write_json(self, batch: pa.RecordBatch) -> None:
        """Write one object a line; json wraps the lines in brackets."""
        stream = cast(io.TextIOWrapper, self._text)
        for number, row in enumerate(batch.to_pylist(), start=self.rows):
            if self.kind == "json":
                stream.write(",\n" if number else "[\n")
            stream.write(json.dumps(row, ensure_ascii=False, default=str))
            if self.kind == "jsonl":
                stream.write("\n")


def open_writer(path: str | Path) -> RowWriter:
    """Open a file for writing rows, whole or not at all.

    Args:
        path: the file to make; see `RowWriter`.

    Returns:
        The writer, a context manager.
    """
    return RowWriter(path)


def _cells(column: pa.Array) -> list[object]:
    """Turn a column into what the csv module writes."""
    if pa.types.is_float32(column.type):  # as text, 32-bit numbers keep the digits they have (0.1, not 0.1000000015)
        column = column.cast(pa.string())
    cells: list[object] = column.to_pylist()
    if pa.types.is_nested(column.type):
        return [None if cell is None else json.dumps(cell, ensure_ascii=False, default=str) for cell in cells]
    return cells
