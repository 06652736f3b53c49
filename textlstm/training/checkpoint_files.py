"""Whether the files of a checkpoint are those that were written, and what it means when they could not be.

The last file of a checkpoint lists the digests of the others, and its own beside them. What a failing disk, a full one
or a copy that was cut off has left is thus told from a whole checkpoint, and nobody goes on from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from textlstm.errors import first_line

_FULL_DISK = ("inline_container", "PytorchStreamWriter", "iostream error", "No space left on device")


def write_last(path: Path, own: dict[str, Any]) -> None:
    """Write the file that makes a checkpoint whole: values that JSON can hold, with the digests of all other files.

    Args:
        path: appears by rename.
        own: what is kept in it.
    """
    digests = {
        other.relative_to(path.parent).as_posix(): _digest(other)
        for other in sorted(path.parent.rglob("*"))
        if other.is_file() and other != path
    }
    content = json.dumps({"own": own, "files": digests})
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps({"content": content, "digest": _digest_of(content)}), "utf-8")
    partial.replace(path)


def read_last(path: Path) -> dict[str, Any]:
    """Read what `write_last` kept.

    Args:
        path: of a checkpoint that is not damaged.

    Returns:
        The values.
    """
    own: dict[str, Any] = json.loads(json.loads(path.read_text("utf-8"))["content"])["own"]
    return own


def damaged_file(path: Path) -> str | None:
    """Find a file of a checkpoint that is not what was written.

    Args:
        path: of the file that `write_last` wrote.

    Returns:
        The name of the first one, or None when all are whole.
    """
    try:
        outer = json.loads(path.read_text("utf-8"))
        if _digest_of(outer["content"]) != outer["digest"]:
            return path.name
        digests = json.loads(outer["content"])["files"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return path.name
    for name, digest in digests.items():
        try:
            if _digest(path.parent / name) != digest:
                return str(name)
        except OSError:
            return str(name)
    return None


@contextmanager
def told_of_full_disks(folder: Path) -> Iterator[None]:
    """Make an OSError of what torch and safetensors raise where a file cannot be written; they have no class for it.

    Args:
        folder: that is written to.

    Yields:
        Nothing.

    Raises:
        OSError: a file could not be written.
    """
    try:
        yield
    except (RuntimeError, SafetensorError) as error:
        if isinstance(error, SafetensorError) or any(word in str(error) for word in _FULL_DISK):
            reason = first_line(error)
            raise OSError(
                f"a file in {folder} could not be written whole ({reason}), most likely for lack of space"
            ) from error
        raise


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
