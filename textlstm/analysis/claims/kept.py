"""Figures of one repeat of a claim in a JSON file, so that what is measured once is read the next time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textlstm.atomic_files import replace_file
from textlstm.errors import RunFolderError


def kept(path: Path, fingerprint: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read what was measured before with the same settings, or measure it and keep it.

    Args:
        path: of the JSON file; written at once and whole, so that an interrupted measurement leaves none.
        fingerprint: of everything that can change the figures; figures with another one are measured anew.
        compute: measures; plain values that JSON can hold.

    Returns:
        The figures, as JSON gives them back.

    Raises:
        RunFolderError: the file is there and is no such JSON.
    """
    if path.exists():
        try:
            found = json.loads(path.read_text("utf-8"))
            if found["fingerprint"] == fingerprint:
                figures: dict[str, Any] = found["figures"]
                return figures
        except (ValueError, KeyError, TypeError) as error:
            raise RunFolderError(
                f"{path} should hold figures as JSON and does not ({error}); it was damaged: remove it, and it is"
                " measured again."
            ) from None
    content = json.dumps({"fingerprint": fingerprint, "figures": compute()}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content.encode())
    figures = json.loads(content)["figures"]
    return figures
