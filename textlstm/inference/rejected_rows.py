"""Rows that could not be labeled, written down one JSON object a line, so that none is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from textlstm.errors import DataError
from textlstm.inference.prediction_journal import clear_parts
from textlstm.text.files import BadRow, unwritable


class RejectedRows:
    """Writes bad rows to a file, whole or not at all: `row` and `line` counted from 1, `reason` and `content`.

    Attributes:
        count: rows so far.
    """

    def __init__(self, path: Path) -> None:
        """Prepare to write; nothing is created yet.

        Args:
            path: the file to make; JSON lines, whatever it is called.
        """
        self.path, self.count = path, 0
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        """Create the temporary file.

        Returns:
            The writer.

        Raises:
            DataError: it cannot be made.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            clear_parts(self.path)
            self._file = self._temporary.open("w", encoding="utf-8")
        except OSError as error:
            raise DataError(unwritable(self.path, error)) from error
        return self

    def write(self, bad: BadRow) -> None:
        """Add a row."""
        assert self._file is not None  # noqa: S101 - used as a context manager
        entry = {"row": bad.row + 1, "line": bad.line, "reason": bad.reason, "content": bad.content}
        self._file.write(json.dumps(entry, ensure_ascii=False, default=str) + "\n")
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the file its name, or remove it when the block failed."""
        try:
            if self._file is not None:
                self._file.close()  # which a full disk may refuse
            if kind is None:
                self._temporary.replace(self.path)
        finally:
            self._temporary.unlink(missing_ok=True)
