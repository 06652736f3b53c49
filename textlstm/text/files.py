"""Data files as bytes and characters: kinds by suffix, gz and zip, encodings, and errors that name the place.

Imports neither torch, transformers nor datasets.
"""

from __future__ import annotations

import codecs
import errno
import gzip
import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from textlstm.errors import DataError
from textlstm.text.archives import BROKEN_ARCHIVE, Unpacked, member_names

KIND_OF_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".txt": "txt",
}
"""What a file is read as, by its last suffix; a .gz or .zip suffix is taken off first."""

COMPRESSIONS = (".gz", ".zip")


@dataclass(frozen=True)
class BadRow:
    """A row that could not be used.

    Attributes:
        row: its 0-based number.
        line: the 1-based line on which it ends; None for kinds without lines.
        reason: what is wrong with it.
        content: its cells or fields, or the line as it is.
    """

    row: int
    line: int | None
    reason: str
    content: object


@dataclass
class Findings:
    """What reading a file brought to light, gathered while its rows stream by.

    Attributes:
        drop_bad_rows: skip rows that cannot be read (a wrong number of fields, no valid text) instead of stopping.
        dropped: 0-based numbers of the rows that were skipped.
        notes: sentences for the user, such as a delimiter that was recognized.
        on_bad_row: takes each row that was skipped; where it is there, lines that are no JSON are skipped too.
        lines: 1-based lines on which the rows of the batch given last end; empty for kinds without lines.
    """

    drop_bad_rows: bool = False
    dropped: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    on_bad_row: Callable[[BadRow], None] | None = None
    lines: list[int] = field(default_factory=list)

    def drop(self, bad: BadRow) -> None:
        """Count a row that is skipped, and hand it on."""
        self.dropped.append(bad.row)
        if self.on_bad_row is not None:
            self.on_bad_row(bad)

    def note(self, sentence: str) -> None:
        """Keep a sentence for the user, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def is_data_file(path: Path) -> bool:
    """Say whether the name of a file is one that `read_batches` would read."""
    stem = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
    return stem.suffix.lower() in KIND_OF_SUFFIX and not path.name.startswith(".")


def file_kind(path: Path) -> str:
    """Tell from the name what a file is read as.

    Args:
        path: the file; a zip is looked into, because its one member has the telling name.

    Returns:
        One of the values of `KIND_OF_SUFFIX`.

    Raises:
        DataError: when the suffix is none of the known ones.
    """
    inner = path
    if path.suffix.lower() == ".gz":
        inner = path.with_suffix("")
    elif path.suffix.lower() == ".zip":
        inner = Path(_only_member(path))
    kind = KIND_OF_SUFFIX.get(inner.suffix.lower())
    if kind is None:
        known = ", ".join(KIND_OF_SUFFIX)
        found = f"the suffix {inner.suffix!r}" if inner.suffix else "no suffix"
        raise DataError(
            f"{path} cannot be read: a data file is told by its suffix ({known}; any of them with .gz or .zip), "
            f"and this one has {found}. Rename it to what it holds."
        )
    return kind


def archive_members(path: Path) -> list[str]:
    """List the data files inside a zip, without the clutter that macOS adds.

    Args:
        path: a zip file.

    Returns:
        Names inside the archive, sorted.

    Raises:
        DataError: when the file is missing or no zip archive.
    """
    require_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = member_names(archive)
    except BROKEN_ARCHIVE as error:
        raise DataError(f"{path} is not a readable zip archive ({error}); make or download it again.") from error
    return sorted(name for name in names if is_data_file(Path(name)))


def _only_member(path: Path) -> str:
    """Name the one data file of a zip."""
    members = archive_members(path)
    if len(members) != 1:
        shown = ", ".join(members[:5]) or "none"
        raise DataError(f"{path} should hold one data file and holds {len(members)} ({shown}); unpack it and name one.")
    return members[0]


def require_file(path: Path) -> None:
    """Stop with the reason when a path is not a file that can be read.

    Args:
        path: what should be a file.

    Raises:
        DataError: when it does not exist, is a folder, or is empty.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; check the spelling and the folder ({path.absolute().parent}).")
    if path.is_dir():
        raise DataError(f"{path} is a folder and a file was expected; name a file in it.")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes); was it written completely?")


def unwritable(path: Path, error: OSError) -> str:
    """Say that a file cannot be made.

    Args:
        path: the file.
        error: what the system answered.

    Returns:
        A sentence; where a file stands in the place of a folder it says so, for which the system has odder words.
    """
    above = next((parent for parent in path.parents if parent.exists()), path)
    reason = f"{above} is a file and no folder" if above.is_file() else error.strerror
    return f"{path} cannot be written ({reason}); free space, change permissions, or name another file."


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading its bytes, unpacked when it is a .gz or .zip.

    Args:
        path: the file.

    Yields:
        The unpacked bytes, as a stream.

    Raises:
        DataError: when the file is missing, empty, unreadable or a broken archive.
    """
    require_file(path)
    suffix = path.suffix.lower()
    try:
        if suffix == ".gz":
            with gzip.open(path, "rb") as unpacked:
                yield cast(BinaryIO, io.BufferedReader(Unpacked(path, cast(BinaryIO, unpacked))))
        elif suffix == ".zip":
            with zipfile.ZipFile(path) as archive, archive.open(_only_member(path)) as member:
                yield cast(BinaryIO, io.BufferedReader(Unpacked(path, cast(BinaryIO, member))))
        else:
            with path.open("rb") as plain:
                yield plain
    except BROKEN_ARCHIVE as error:
        raise DataError(f"{path} cannot be unpacked ({error}): it is cut off or damaged. Get it again.") from error
    except (NotImplementedError, RuntimeError) as error:  # zipfile's words for a method that it lacks, and a password
        raise DataError(f"{path} cannot be unpacked here ({error}); unpack it, and name the file inside.") from error
    except OSError as error:
        if suffix == ".zip" and error.errno == errno.EINVAL:  # its table of contents points to nowhere
            raise DataError(f"{path} cannot be unpacked: its table of contents is damaged. Get it again.") from error
        if not isinstance(error, PermissionError):
            raise
        raise DataError(f"{path} may not be read ({error.strerror}); change its permissions.") from error


@contextmanager
def open_text(path: Path, *, encoding: str | None, newline: str) -> Iterator[TextIO]:
    """Open a file for reading its characters, and turn decoding errors into a sentence with the place.

    Args:
        path: the file, or "-" for standard input.
        encoding: its encoding; None means UTF-8, or what a byte order mark says.
        newline: as in `io.TextIOWrapper`: "" keeps line ends as they are.

    Yields:
        The decoded text, as a stream.

    Raises:
        DataError: when the encoding is unknown or the bytes are not in it.
    """
    if str(path) == "-":
        stream = io.TextIOWrapper(sys.stdin.buffer, encoding=codec_name(encoding), newline=newline)
        try:
            yield stream
        except UnicodeDecodeError as error:
            raise DataError(
                f"standard input is not {error.encoding}: byte {error.object[error.start]:#04x}. "
                f"Pass the encoding it has, such as --encoding cp1252."
            ) from error
        finally:
            stream.detach()  # leave sys.stdin open
        return
    codec = codec_name(encoding) if encoding is not None else _sniffed_codec(path)
    with open_bytes(path) as raw:
        stream = io.TextIOWrapper(raw, encoding=codec, newline=newline)
        try:
            yield stream
        except UnicodeError as error:
            raise DataError(_decoding_sentence(path, codec, error)) from error


def codec_name(encoding: str | None) -> str:
    """Give Python's name of an encoding; UTF-8 always tolerates a byte order mark.

    Args:
        encoding: as the user wrote it; None means UTF-8.

    Returns:
        The name of a codec.

    Raises:
        DataError: Python knows no such encoding.
    """
    try:
        name = codecs.lookup(encoding or "utf-8").name
        io.TextIOWrapper(io.BytesIO(), name)  # refuses those that are no encodings of text, such as zip
    except (LookupError, ValueError) as error:  # a name may hold what no name can
        raise DataError(
            f"{encoding!r} is not an encoding of text that Python knows; common ones are utf-8, cp1252, latin-1,"
            " utf-16, gbk."
        ) from error
    return "utf-8-sig" if name == "utf-8" else name


def _sniffed_codec(path: Path) -> str:
    """Tell UTF-8 from UTF-16 and UTF-32 by the byte order mark; refuse what is plainly neither."""
    with open_bytes(path) as raw:
        head = raw.read(1024)
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head and head.count(0) * 4 > len(head):  # every second byte of Latin text in UTF-16 is zero
        guess = "utf-16-be" if head[0] == 0 else "utf-16-le"
        raise DataError(
            f"{path} is full of NUL bytes, so it is not UTF-8; it is probably UTF-16 without a byte order mark. "
            f"Pass --encoding {guess}."
        )
    return "utf-8-sig"


def _decoding_sentence(path: Path, codec: str, error: UnicodeError) -> str:
    """Name the first byte that does not decode, by a second look at the file (the stream forgets its place)."""
    shown = "UTF-8" if codec == "utf-8-sig" else codec
    mend = "It is probably cp1252 (Excel on Windows): pass --encoding cp1252, or save it as UTF-8."
    if codec != "utf-8-sig":
        mend = "Pass the encoding that it was saved in, such as --encoding utf-8."
    offset = 0
    if codec in {"utf-16", "utf-32"} or codec.startswith(("utf-16-", "utf-32-")):  # a line end is no single byte there
        return f"{path} is not {shown} all through ({error}). {mend}"
    with open_bytes(path) as raw:
        for number, line in enumerate(raw, start=1):
            try:
                line.decode(codec)
            except UnicodeDecodeError as found:
                byte = line[found.start]
                return (
                    f"{path} is not {shown}: line {number} holds the byte {byte:#04x} "
                    f"at offset {offset + found.start}. {mend}"
                )
            except UnicodeError:  # codecs such as punycode do not say which byte
                break
            offset += len(line)
    return f"{path} is not {shown} ({error}). {mend}"
