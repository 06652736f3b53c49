"""Stream word vectors out of text files (GloVe, word2vec, fastText) and word2vec binaries; only needed words are kept.

A line is looked at as bytes: its word is cut off and looked up, and its separators are counted, so that a line of the
wrong length is noticed. The values are parsed for needed words alone, which is what makes it fast. GloVe's 840B file
holds words of several tokens (". . .", "at name@domain.com"): the values are counted from the line's end. A word that
is not UTF-8 is read as cp1252, the encoding of old Windows files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO

import numpy as np

from textlstm.errors import DataError
from textlstm.text.archives import BROKEN_ARCHIVE
from textlstm.text.vector_report import MOST_VALUES, VectorReport, WordVectors, too_wide
from textlstm.text.word_matching import WordMatcher

_HEADER = re.compile(rb"\s*(\d+)[ \t]+(\d+)\s*")
_SAMPLED_LINES = 200
_BLOCK = 1 << 22
_LONGEST_WORD = 1 << 16
_LONGEST_VALUE = 64


@dataclass(frozen=True)
class Layout:
    """How the lines of a file are built.

    Attributes:
        format: for the report.
        width: values a vector.
        header: number of vectors that a first line announces; None without such a line.
        separator: one byte, of text files.
        separators: how many of it a line has; a fastText file ends its lines with one.
        binary: whether values are float32, little endian.
        notes: what is odd about the file.
    """

    format: str
    width: int
    header: int | None
    separator: bytes = b" "
    separators: int = 0
    binary: bool = False
    notes: tuple[str, ...] = ()


def layout_of(head: bytes, *, name: str) -> Layout:
    """Find out how a file is built from its beginning.

    Args:
        head: the first 64 KiB or more, or the whole file where it is shorter.
        name: of the file, for messages.

    Returns:
        The layout; where a header and the lines disagree on the width, the lines are believed.

    Raises:
        DataError: the beginning is neither lines of a word and numbers nor a word2vec binary.
    """
    first, _, rest = head.partition(b"\n")
    header = _HEADER.fullmatch(first)
    body = rest if header else head
    lines = [line for line in body.split(b"\n")[:_SAMPLED_LINES] if line.strip()]
    if len(lines) > 1:
        lines = lines[:-1]  # the head may end inside it
    widths = Counter(width for line in lines if (width := _values(line)))
    if not widths:
        if header and rest:
            count, width = int(header[1]), int(header[2])
            if width > MOST_VALUES:
                raise DataError(too_wide(name, width))
            if width and b" " in rest[:_LONGEST_WORD]:
                return Layout("word2vec binary", width, count, binary=True)
        raise DataError(
            f"{name} should hold word vectors, lines of a word and numbers, and its first line begins"
            f" {first[:60]!r}; name a GloVe, word2vec or fastText file, a model's folder or a Hub id."
        )
    width = widths.most_common(1)[0][0]
    if width > MOST_VALUES:
        raise DataError(too_wide(name, width))
    notes = []
    if header and int(header[2]) != width:
        notes.append(f"the first line says {int(header[2])} values a word, and the lines have {width}; they count")
    fitting = next(line for line in lines if _values(line) == width)
    separator = b"\t" if fitting.count(b"\t") >= width else b" "
    counts = Counter(line.count(separator) for line in lines if _values(line) == width)
    return Layout(
        "text with a header (word2vec, fastText)" if header else "text without a header (GloVe)",
        width,
        int(header[1]) if header else None,
        separator=separator,
        separators=counts.most_common(1)[0][0],
        notes=tuple(notes),
    )


def _values(line: bytes) -> int:
    """Count the numbers at the end of a line, its first field left aside; 0 where it is no line of vectors."""
    fields = line.split()
    if not line[:1].isspace():
        fields = fields[1:]
    count = 0
    for field in reversed(fields):
        if _number(field) is None:
            break
        count += 1
    return count


def _number(field: bytes) -> float | None:
    try:
        return float(field)
    except ValueError:
        return None


def read_text(file: BinaryIO, matcher: WordMatcher, layout: Layout, *, name: str) -> WordVectors:
    """Stream a text file.

    Args:
        file: at its beginning.
        matcher: of the needed words.
        layout: from `layout_of`.
        name: for the report.

    Returns:
        Vectors of the needed words; damaged lines are left out and counted.

    Raises:
        DataError: too much is damaged.
    """
    report = VectorReport(name, layout.format, layout.width, notes=list(layout.notes))
    rows = np.zeros((len(matcher.ranks), layout.width), dtype=np.float32)
    separator, separators, width = layout.separator, layout.separators, layout.width
    if layout.header is not None:
        file.readline()
    number = first = 1 if layout.header is not None else 0
    served: set[bytes] = set()
    try:
        for number, line in enumerate(_lines(file, layout, name), start=first + 1):
            end = line.find(separator)
            if line.count(separator) == separators and end > 0:
                word, values = line[:end], line[end:]
            else:
                odd = _odd_line(line, width)
                if isinstance(odd, str):
                    if odd:
                        report.count(odd, number)
                    continue
                word, values = odd
            if not word.isascii():  # asked here, for speed
                word = report.as_utf8(word, number)
            if word in matcher:
                if word in served:
                    report.count("word given twice (the first counts)", number)
                elif (vector := _parse(values, width)) is None:
                    report.count("value that is no number", number)
                    continue
                else:
                    served.add(word)
                    rows[matcher.rows_of(word)] = vector
            report.words += 1
    except BROKEN_ARCHIVE:  # an archive without its end
        report.count("cut off", number + 1)
    _check_header(report, layout)
    report.refuse_ruins()
    return WordVectors(rows, matcher.ranks, report)


def _lines(file: BinaryIO, layout: Layout, name: str) -> Iterator[bytes]:
    """Give the lines; a packed file of a few kilobytes may hold one of gigabytes, which is not held whole."""
    longest = _LONGEST_WORD + _LONGEST_VALUE * layout.width
    for line in iter(partial(file.readline, longest), b""):
        if len(line) == longest and not line.endswith(b"\n"):
            raise DataError(
                f"{name} should hold lines of a word and {layout.width} numbers, and one has {longest:,} characters or"
                " more, which is longer than any line of vectors; the file is damaged, fetch it again."
            )
        yield line


def _parse(values: bytes, width: int) -> np.ndarray | None:
    """Read the numbers of a line; None where they are not `width` finite ones."""
    try:
        with np.errstate(over="ignore"):  # too large for 32 bits becomes infinite, which is told below
            vector = np.array(values.split(), dtype=np.float32)
    except ValueError:
        return None
    return vector if len(vector) == width and np.isfinite(vector).all() else None


def _odd_line(line: bytes, width: int) -> tuple[bytes, bytes] | str:
    """Take apart a line of another number of separators: word and values, or what is wrong ("" for an empty line)."""
    fields = line.split()
    if not fields:
        return ""
    if line[:1] in (b" ", b"\t") and len(fields) == width:
        return "empty word"
    if len(fields) <= width:
        return "wrong number of values" if line.endswith(b"\n") else "cut off"  # the last line alone may lack it
    word, values = fields[:-width], fields[-width:]
    if len(word) > 1 and all(_number(field) is not None for field in word[1:]):
        return "wrong number of values"  # more of them, not a word of several tokens
    return b" ".join(word), b" ".join(values)


def _check_header(report: VectorReport, layout: Layout) -> None:
    """Compare the number of vectors with the one that the file announces."""
    held = report.words + report.skipped
    if layout.header is not None and layout.header != held:
        report.notes.append(f"the first line says {layout.header:,} vectors, and the file holds {held:,}")


def read_binary(file: BinaryIO, matcher: WordMatcher, layout: Layout, *, name: str) -> WordVectors:
    """Stream a word2vec binary: a header line, then each word, a space and float32 values.

    Args:
        file: at its beginning.
        matcher: of the needed words.
        layout: from `layout_of`.
        name: for the report.

    Returns:
        Vectors of the needed words.

    Raises:
        DataError: the thread is lost (no space after a word), or too much is damaged.
    """
    report = VectorReport(name, layout.format, layout.width)
    rows = np.zeros((len(matcher.ranks), layout.width), dtype=np.float32)
    for number, (word, values) in enumerate(_binary_records(file, layout, report), start=1):
        if not word:
            report.count("empty word", number)
            continue
        if b"\0" in word or b"\n" in word:  # the thread is lost: these are values
            report.count("unreadable word", number)
            continue
        key = report.as_utf8(word, number)
        if key in matcher:
            vector = np.frombuffer(values, dtype="<f4")
            if not np.isfinite(vector).all():
                report.count("value that is no number", number)
                continue
            rows[matcher.rows_of(key)] = vector
        report.words += 1
    _check_header(report, layout)
    report.refuse_ruins()
    return WordVectors(rows, matcher.ranks, report)


def _binary_records(file: BinaryIO, layout: Layout, report: VectorReport) -> Iterator[tuple[bytes, memoryview]]:
    """Words with their values, a block of the file at a time."""
    file.readline()
    size = 4 * layout.width
    buffer, position, number = b"", 0, 0
    assert layout.header is not None  # noqa: S101 - a binary has one
    while number < layout.header:
        end = buffer.find(b" ", position)
        if end < 0 or end + 1 + size > len(buffer):
            try:
                block = file.read(max(_BLOCK, size))
            except BROKEN_ARCHIVE:  # an archive without its end
                block = b""
            if not block:
                if buffer[position:].strip(b"\n"):
                    report.count("cut off", number + 1)
                return
            buffer, position = buffer[position:] + block, 0
            if end < 0 and len(buffer) > _LONGEST_WORD + _BLOCK:
                raise DataError(
                    f"{report.name} should be a word2vec binary of {layout.width} float32 values a word, and no word"
                    f" ends after vector {number:,}; the file is damaged, or its values are not float32."
                )
            continue
        word = buffer[position:end].lstrip(b"\n")
        yield word, memoryview(buffer)[end + 1 : end + 1 + size]
        position = end + 1 + size
        number += 1


def first_words(file: BinaryIO, layout: Layout, limit: int) -> list[str]:
    """Read the words at the beginning of a file; published files hold the most frequent ones first.

    Args:
        file: at its beginning.
        layout: from `layout_of`.
        limit: how many.

    Returns:
        Words in the file's order, damaged lines left out.
    """
    report = VectorReport("", layout.format, layout.width)
    if layout.binary:
        words = (word for word, _ in _binary_records(file, layout, report) if word)
    else:
        if layout.header is not None:
            file.readline()
        lines = _lines(file, layout, "the file of vectors")
        words = (odd[0] for line in lines if not isinstance(odd := _odd_line(line, layout.width), str))
    return [report.as_utf8(word, 0).decode() for word in islice(words, limit)]
