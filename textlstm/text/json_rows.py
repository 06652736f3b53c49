"""JSON files as rows and typed columns: one object a line (jsonl), an array of objects, or columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from textlstm.errors import DataError
from textlstm.text.files import BadRow, Findings, open_text

Row = dict[str, object]


def json_rows(path: Path, *, kind: str, encoding: str | None, findings: Findings) -> Iterator[tuple[Row, int]]:
    """Yield the objects of a JSON file.

    A jsonl file is streamed; a json file with an array or with columns is held in memory whole.

    Args:
        path: the file, possibly .gz or .zip.
        kind: "jsonl" (an object a line) or "json" (any of the three forms).
        encoding: as in `open_text`.
        findings: takes notes and the numbers of dropped rows (0-based).

    Yields:
        A row, and its 1-based line (0 where the form has no lines).

    Raises:
        DataError: when the file is no JSON, or a row is no object or holds half a character.
    """
    form, document = ("jsonl", None) if kind == "jsonl" else _whole(path, encoding, findings)
    skip = findings.on_bad_row is not None
    rows = _lines(path, encoding, skip=skip) if form == "jsonl" else ((row, 0) for row in _rows_of(path, document))
    found = 0
    for number, (row, line) in enumerate(rows):
        found += 1
        if skip and not isinstance(row, dict):
            reason = f"is no JSON: {row.reason}" if isinstance(row, _Broken) else f"is {_kind_name(row)}, not an object"
            findings.drop(BadRow(number, line or None, reason, row.text if isinstance(row, _Broken) else row))
            continue
        if not isinstance(row, dict):
            raise DataError(
                f"{_at(path, number, line)} is {_kind_name(row)}, and an object with named fields was expected, "
                f'such as {{"text": "...", "label": "..."}}.'
            )
        if _half_character(row):
            if findings.drop_bad_rows:
                plain = json.dumps(row)  # with half characters as escapes, which can be written
                findings.drop(BadRow(number, line or None, "holds half of a surrogate pair", plain))
                continue
            raise DataError(
                f"{_at(path, number, line)} holds half of a surrogate pair (such as \\ud83d), which is no character; "
                f"the text was cut through a character. Mend the row, or leave such rows out with --on-bad-rows drop."
            )
        yield row, line
    if not found:
        raise DataError(f"{path} holds no rows; a list of objects was expected.")


@dataclass(frozen=True)
class _Broken:
    """A line that is no JSON."""

    text: str
    reason: str


def _lines(path: Path, encoding: str | None, *, skip: bool) -> Iterator[tuple[object, int]]:
    """Parse a file that has one JSON value a line; blank lines are no rows, and others stop it or are `_Broken`."""
    with open_text(path, encoding=encoding, newline="\n") as stream:
        for line, text in enumerate(stream, start=1):
            if not text.strip():
                continue
            try:
                yield json.loads(text), line
            except json.JSONDecodeError as error:
                if skip:
                    yield _Broken(text.rstrip("\r\n"), f"{error.msg} at character {error.pos + 1}"), line
                    continue
                hint = " (a .jsonl file has one whole object a line; name it .json if it is one document)"
                raise DataError(
                    f"{path}: line {line} is no JSON: {error.msg} at character {error.pos + 1}"
                    f"{hint if line <= 2 else ''}."
                ) from error
            except RecursionError as error:
                raise DataError(f"{path}: line {line} is nested too deeply to be a row.") from error


def _whole(path: Path, encoding: str | None, findings: Findings) -> tuple[str, object]:
    """Parse a .json file; one with an object a line is told apart by the text after its first value."""
    with open_text(path, encoding=encoding, newline="") as stream:
        text = stream.read()
    if not text.strip():
        raise DataError(f"{path} holds no rows, only blanks; a list of objects was expected.")
    try:
        return "json", json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip().startswith("{"):
            findings.note(f"{path.name} holds one JSON object a line, and was read so.")
            return "jsonl", None
        raise DataError(f"{path} is no JSON: {error.msg} (line {error.lineno}, character {error.colno}).") from error
    except RecursionError as error:
        raise DataError(f"{path} is nested too deeply to be a list of rows.") from error


def _rows_of(path: Path, document: object) -> list[object]:
    """Find the rows in a parsed document: an array, columns (lists or pandas' maps), or the one array it wraps."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and document:
        values = list(document.values())
        lists = [value for value in values if isinstance(value, list)]
        of_objects = [value for value in lists if value and isinstance(value[0], dict)]
        if len(lists) == len(values) and not of_objects and len({len(column) for column in lists}) == 1:
            return [dict(zip(document, cells, strict=True)) for cells in zip(*lists, strict=True)]
        if len(of_objects) == 1:
            return of_objects[0]
        maps = [value for value in values if isinstance(value, dict) and value]
        if len(maps) == len(values) and all(list(column) == list(maps[0]) for column in maps):  # pandas' to_json()
            return [{name: column[key] for name, column in zip(document, maps, strict=True)} for key in maps[0]]
        if len(lists) + len(maps) == 0:
            return [document]
    keys = f" with the keys {', '.join(map(repr, list(document)[:6]))}" if isinstance(document, dict) else ""
    raise DataError(
        f"{path} holds {_kind_name(document)}{keys}; expected was a list of objects, or an object with one list of "
        f"equal length for each column. One file a split (train.json, test.json) is the way to store splits."
    )


def _half_character(value: object) -> bool:
    """Say whether any string inside holds a lone surrogate, which no encoding can store."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(value, dict):
        return any(_half_character(key) or _half_character(inner) for key, inner in value.items())
    if isinstance(value, list):
        return any(map(_half_character, value))
    return False


def _kind_name(value: object) -> str:
    """Name a JSON value's kind in words."""
    for kind, name in (
        (dict, "an object"),
        (list, "a list"),
        (str, "a string"),
        (bool, "a truth value"),
        ((int, float), "a number"),
    ):
        if isinstance(value, kind):
            return name
    return "null"


def _at(path: Path, number: int, line: int) -> str:
    """Name a row by number and line."""
    return f"{path}: row {number + 1}{f' (line {line})' if line else ''}"


def common_type(known: pa.DataType, values: list[object]) -> pa.DataType:
    """Widen a column's type so that it holds these values too; mixed kinds become text.

    Args:
        known: the type so far, `pa.null()` at the start.
        values: more values of the column.

    Returns:
        A type that holds both; text columns are large_string.
    """
    try:
        found = pa.array(values).type
        fields = [pa.schema([("column", kept)]) for kept in (known, found)]
        joined = pa.unify_schemas(fields, promote_options="permissive").field("column").type
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.large_string()
    return pa.large_string() if joined == pa.string() else joined


def typed_array(values: list[object], kept: pa.DataType) -> pa.Array:
    """Make a column of the agreed type; where that is text, other values are written out as JSON.

    Args:
        values: the column's values.
        kept: what `common_type` found.

    Returns:
        (rows,) the column.
    """
    if kept == pa.large_string():
        values = [
            v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False, default=str) for v in values
        ]
    return pa.array(values, kept)
