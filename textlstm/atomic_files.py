"""Files that are there whole or not at all, whoever is killed and whoever else writes them at the same time."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL_FILES = "*.partial"
"""What a writer that was killed may leave in a folder; it counts as nothing."""


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, whoever else writes it at the same time.

    Args:
        path: in a folder that exists; what is there is replaced.
        content: the whole file.
    """
    with replacing(path) as partial:
        partial.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give writers that take a path a temporary one, which takes the file's place when the block ends well.

    Args:
        path: in a folder that exists; what is there is replaced.

    Yields:
        A path beside it that no other process and no other call uses; nothing is left there after an error.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
