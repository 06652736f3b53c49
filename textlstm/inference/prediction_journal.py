"""A journal of what was predicted, window by window, so that a killed prediction goes on where it was.

It lies beside the output while that is being written: one line that says what made it, then for each window of rows a
digest of its texts and their probabilities. A second run reads the input again and asks the model only for windows
whose texts the journal does not have; both runs write the same bytes, since they write from the same numbers. What a
kill tore, or what another input or model makes useless, is recognized by its digest and computed anew.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from textlstm.errors import DataError
from textlstm.text.files import unwritable

try:
    import fcntl
except ImportError:  # Windows has no such locks: two predictions into one file are then not told apart
    fcntl = None  # type: ignore[assignment]

_RECORD = struct.Struct("<8sIII")  # digest of the texts, rows, cut texts, checksum of the probabilities


class Journal:
    """The journal of one output file; a context manager that removes it when all is well.

    Attributes:
        recalled: rows that were taken from an earlier run.
    """

    def __init__(self, output: Path, *, settings: str, classes: int) -> None:
        """Prepare a journal; nothing is created yet.

        Args:
            output: the file that is to be written.
            settings: all that the probabilities depend on beside the texts.
            classes: probabilities of a row.
        """
        self.output, self.classes = output, classes
        self.path = output.with_name(f".{output.name}.journal")
        self.recalled = 0
        self._head = json.dumps({"settings": settings, "classes": classes}).encode() + b"\n"
        self._file: BinaryIO | None = None
        self._reading = self._kept = False

    def __enter__(self) -> Self:
        """Open it, and clear away what a killed run left half-written.

        Returns:
            The journal.

        Raises:
            DataError: the file cannot be made, or another process is writing this output.
        """
        try:
            self.output.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("r+b") if self.path.exists() else self.path.open("w+b")
        except OSError as error:
            raise DataError(unwritable(self.output, error)) from error
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.close()
                raise DataError(
                    f"{self.output} is being written by another process; wait for it, or name another file."
                ) from None
            clear_parts(self.output)
        self._reading = self._file.readline() == self._head
        if not self._reading:
            self._restart(0)
            self._file.write(self._head)
        return self

    def recall(self, digest: bytes, rows: int) -> tuple[NDArray[np.float32], int] | None:
        """Look up the next window; once one is absent, those behind it are forgotten.

        Args:
            digest: of the window's texts, 8 bytes.
            rows: texts in it.

        Returns:
            Probabilities (rows, classes) and the number of cut texts, or None.
        """
        if not self._reading or self._file is None:
            return None
        place = self._file.tell()
        head = self._file.read(_RECORD.size)
        if len(head) == _RECORD.size:
            found, count, cut, checksum = _RECORD.unpack(head)
            if (found, count) == (digest, rows):
                content = self._file.read(4 * rows * self.classes)
                if len(content) == 4 * rows * self.classes and zlib.crc32(content) == checksum:
                    self.recalled += rows
                    self._kept = True
                    return np.frombuffer(content, "<f4").reshape(rows, self.classes).astype(np.float32), cut
        self._restart(place)
        return None

    def note(self, digest: bytes, probabilities: NDArray[np.float32], cut: int) -> None:
        """Add a window.

        Args:
            digest: of its texts, 8 bytes.
            probabilities: (rows, classes).
            cut: texts that were longer than the model reads.
        """
        assert self._file is not None and not self._reading  # noqa: S101 - recall came before
        content = probabilities.astype("<f4").tobytes()
        self._file.write(_RECORD.pack(digest, len(probabilities), cut, zlib.crc32(content)) + content)
        self._file.flush()  # it is then the system's, and outlives this process
        self._kept = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove it, unless the block failed and there is something to go on from."""
        if kind is None or not self._kept:
            self.path.unlink(missing_ok=True)
        if self._file is not None:
            self._file.close()

    def _restart(self, place: int) -> None:
        """Write on from here."""
        assert self._file is not None  # noqa: S101 - it is open
        self._reading = False
        self._file.seek(place)
        self._file.truncate()


def digest_texts(texts: list[str]) -> bytes:
    """Digest a window's texts.

    Args:
        texts: in order.

    Returns:
        8 bytes.
    """
    digest = hashlib.blake2b(np.array([len(text) for text in texts], np.int64).tobytes(), digest_size=8)
    digest.update("".join(texts).encode("utf-8", "surrogatepass"))
    return digest.digest()


def clear_parts(output: Path) -> None:
    """Remove what killed runs left half-written of a file.

    Args:
        output: the file; nobody else may be writing it.
    """
    left = re.compile(rf"\.{re.escape(output.name)}\.\d+\.part")
    for part in output.parent.iterdir():
        if left.fullmatch(part.name):
            part.unlink()
