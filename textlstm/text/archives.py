"""Archives of strangers: what reading a broken one raises, and how much one may unpack to.

Imports neither torch, transformers nor datasets.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

from textlstm.errors import DataError

MOST_UNPACKED, MOST_TIMES_PACKED = 2**30, 200
"""An archive that unpacks to more bytes than the one, and to more times its own size than the other, is refused."""

# A file that was cut off, or that was never what its suffix says, ends in one of these.
BROKEN_ARCHIVE = (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError)


def member_names(archive: zipfile.ZipFile) -> list[str]:
    """List the files of an archive, without folders, nameless entries and the clutter that macOS adds.

    Args:
        archive: open.

    Returns:
        Names inside it, in its order.
    """
    return [name for name in archive.namelist() if name and not name.endswith("/") and not name.startswith("__MACOSX/")]


def leads_out(name: str) -> bool:
    """Say whether a name out of a stranger's file would lead out of the folder that it is to be looked for in.

    Args:
        name: a path as that file writes it.

    Returns:
        Whether it is absolute, or has a part "..", by the rules of any system.
    """
    plain, windows = PurePosixPath(name), PureWindowsPath(name)
    return plain.is_absolute() or bool(windows.anchor) or ".." in {*plain.parts, *windows.parts}


class Tally:
    """Counts what comes out of one file."""

    def __init__(self, path: Path) -> None:
        self._path, self._count, self._packed = path, 0, path.stat().st_size

    def add(self, count: int) -> None:
        """Count on.

        Args:
            count: more bytes.

        Raises:
            DataError: so many come out of so small a file that it was made to fill memory or disk.
        """
        self._count += count
        if _is_bomb(self._packed, self._count):
            raise DataError(_bomb_sentence(self._path, self._packed, self._count))


class Unpacked(io.RawIOBase):
    """The content of an archive, counted while it is read, because what an archive says of its size may be a lie."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._stream, self._tally = stream, Tally(path)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - Python 3.11 has no name for buffers
        """Fill a buffer."""
        block = self._stream.read(len(buffer))
        self._tally.add(len(block))
        buffer[: len(block)] = block
        return len(block)


def _is_bomb(packed: int, unpacked: int) -> bool:
    """Say whether an archive unpacks to so much more than it takes that it was made to fill memory or disk.

    Args:
        packed: bytes of the archive.
        unpacked: bytes of its content, as far as known.

    Returns:
        Whether there is more than a gigabyte, and over 200 times the archive's size: text packs to a third or a tenth.
    """
    return unpacked > MOST_UNPACKED and unpacked > MOST_TIMES_PACKED * packed


def refuse_bomb(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse to unpack a zip that says of itself that it would fill memory or disk; it never unpacks to more.

    Args:
        path: of the archive.
        archive: the same, open.

    Raises:
        DataError: it holds more than a gigabyte, and over 200 times its size.
    """
    packed, unpacked = path.stat().st_size, sum(info.file_size for info in archive.infolist())
    if _is_bomb(packed, unpacked):
        raise DataError(_bomb_sentence(path, packed, unpacked))


def _bomb_sentence(path: Path, packed: int, unpacked: int) -> str:
    return (
        f"{path} takes {packed:,} bytes and would unpack to {unpacked:,} or more, as files do that are made to fill a"
        " memory; if it is what you want, unpack it yourself (a table as csv), and name the file."
    )
