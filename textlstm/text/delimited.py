"""Comma- and tab-separated files as rows: strict about quoting and field counts, with the row and line of each fault.

Python's csv module reads about a million rows in a few seconds, keeps every cell as the text it is ("01", "NA"),
and knows the line it is on; pyarrow's reader is faster, and joins rows silently where a quote is never closed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from textlstm.errors import DataError
from textlstm.text.files import BadRow, Findings, open_text

# The largest limit that fits a C long everywhere; the default of 131,072 characters stops at a long document.
_FIELD_LIMIT = 2**31 - 1
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SAMPLE_ROWS = 5
_WELL_QUOTED = re.compile(r'"((?:[^"]|"")*)"', flags=re.DOTALL)


def delimited_rows(
    path: Path, *, kind: str, encoding: str | None, findings: Findings
) -> Iterator[tuple[list[str], int]]:
    """Yield the header and then every row of a csv or tsv file.

    Lines that are wholly blank are no rows. Rows must have as many fields as the header.

    Args:
        path: the file, possibly .gz or .zip.
        kind: "csv" or "tsv": the delimiter that is expected.
        encoding: as in `open_text`.
        findings: takes notes (another delimiter, an unquoted tsv) and the numbers of dropped rows.

    Yields:
        Cells, and the 1-based line on which the row ends. The header comes first.

    Raises:
        DataError: when quoting is broken, a row is too short or too long, or the file has no header.
    """
    csv.field_size_limit(_FIELD_LIMIT)
    expected = "," if kind == "csv" else "\t"
    delimiter = _sniff_delimiter(path, expected, encoding)
    if delimiter != expected:
        findings.note(f"{path.name} is separated by {_DELIMITERS[delimiter]}s, and was read so.")
    unquoted = delimiter == "\t" and _is_unquoted(path, encoding, findings)
    with open_text(path, encoding=encoding, newline="") as stream:
        rows = _lines_of(stream) if unquoted else _records_of(path, stream, delimiter)
        width = 0
        number = 0  # 1-based data row, once the header is seen
        for cells, line in rows:
            if not width:
                width = len(cells)
                yield _header(path, cells), line
                continue
            number += 1
            if len(cells) == width:
                yield cells, line
            elif findings.drop_bad_rows:
                reason = f"has {len(cells)} fields and the header has {width}"
                findings.drop(BadRow(number - 1, line, reason, cells))
            else:
                raise DataError(_width_sentence(path, number, line, len(cells), width, delimiter))
        if not width:
            raise DataError(f"{path} holds no rows, only blank lines; a first line with column names was expected.")


def _records_of(path: Path, stream: TextIO, delimiter: str) -> Iterator[tuple[list[str], int]]:
    """Parse quoted records; strict, because a lenient reader merges rows at a quote that is never closed."""
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    number = 0
    begin = 1
    try:
        for cells in reader:
            if cells:  # a blank line gives no cells
                yield cells, reader.line_num
                number += 1
            begin = reader.line_num + 1
    except csv.Error as error:
        at = f"data row {number}" if number else "the header"
        if "unexpected end" in str(error):
            raise DataError(
                f'{path}: a quotation mark opens in {at} (line {begin}) and is never closed. Close it, and write a " '
                f'inside a quoted field twice ("").'
            ) from error
        raise DataError(
            f"{path}: broken quoting in {at} (lines {begin} to {reader.line_num}): a closing quotation mark is not "
            f'followed by the delimiter. Write a " inside a quoted field twice ("").'
        ) from error


def _lines_of(stream: TextIO) -> Iterator[tuple[list[str], int]]:
    """Take each line of an unquoted tsv as a row; only cells that are quoted throughout are unquoted."""
    for number, line in enumerate(stream, start=1):
        bare = line.rstrip("\r\n")
        if bare:
            yield [_unquoted(cell) for cell in bare.split("\t")], number


def _unquoted(cell: str) -> str:
    """Take the quotes off a cell that is quoted throughout."""
    match = _WELL_QUOTED.fullmatch(cell) if cell.startswith('"') else None
    return match.group(1).replace('""', '"') if match else cell


def _is_unquoted(path: Path, encoding: str | None, findings: Findings) -> bool:
    """Decide by a first pass whether a tsv uses quotation marks as plain characters, as many corpora do (SST, CoLA).

    It does when the strict quoted reading fails, and every line by itself has the header's number of tabs.
    """
    fails = False
    with open_text(path, encoding=encoding, newline="") as stream:
        reader = csv.reader(stream, delimiter="\t", strict=True)
        widths: set[int] = set()
        records = 0
        try:
            for cells in reader:
                if cells:
                    widths.add(len(cells))
                records += 1
        except csv.Error:
            fails = True
        fails = fails or len(widths) > 1
        if not fails and reader.line_num == records:  # no record spans lines: both readings agree
            return False
    with open_text(path, encoding=encoding, newline="") as stream:
        tabs = {line.count("\t") for line in stream if line.strip("\r\n")}
    if len(tabs) != 1 or tabs == {0}:
        return False
    if fails:
        findings.note(f"{path.name} uses quotation marks as plain characters; each of its lines was read as one row.")
    else:
        findings.note(
            f"{path.name} has quoted cells that span lines; if its quotation marks were meant as plain characters, "
            f"rows were joined: store it as jsonl."
        )
    return fails


def _sniff_delimiter(path: Path, expected: str, encoding: str | None) -> str:
    """Keep the expected delimiter unless the header lacks it and another one splits the first rows evenly."""
    with open_text(path, encoding=encoding, newline="") as stream:
        head = [line for line, _ in zip(stream, range(4 * _SAMPLE_ROWS), strict=False) if line.strip()]
    if not head or expected in head[0]:
        return expected
    for candidate in _DELIMITERS:
        if candidate in head[0]:
            reader = csv.reader(head, delimiter=candidate)
            widths = {len(cells) for cells, _ in zip(reader, range(_SAMPLE_ROWS), strict=False) if cells}
            if len(widths) == 1 and widths != {1}:
                return candidate
    return expected


def _header(path: Path, cells: list[str]) -> list[str]:
    """Check the column names: distinct, so that a name means one column; several without a name are numbered."""
    names = [cell.strip() for cell in cells]
    if names.count("") > 1:  # spreadsheets leave such a trail of empty columns
        names = [name or f"column {number}" for number, name in enumerate(names, start=1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path}: the first line names the column {twice[0]!r} {names.count(twice[0])} times; column names must "
            f"differ. If the first line is data, put a line with column names above it, such as: text,label"
        )
    return names


def _width_sentence(path: Path, number: int, line: int, found: int, width: int, delimiter: str) -> str:
    """Say which row has too many or too few fields, and why that happens."""
    name = _DELIMITERS[delimiter]
    cause = f"a {name} inside a text needs quotation marks around the field" if found > width else "a field is missing"
    return (
        f"{path}: data row {number} (line {line}) has {found} fields and the header has {width}; probably {cause}. "
        f"Mend the row, or leave such rows out with --on-bad-rows drop."
    )
