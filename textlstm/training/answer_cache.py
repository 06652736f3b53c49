"""What somebody else's model said of texts, kept on disk by content, so that no text is ever asked about twice.

    ~/.cache/textlstm/teachers/<digest of the model>/<digest of the texts>.safetensors

A file holds the answers of one call and is never changed, so that any number of processes may write at a time. The
folder may be removed at any moment. `TEXTLSTM_CACHE_DIR` names another one than `~/.cache/textlstm`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textlstm.atomic_files import replacing

CACHE = "TEXTLSTM_CACHE_DIR"
"""The environment variable that names the folder of caches."""

Answers = NDArray[np.float32]


def cached_answers(digest: str, texts: Sequence[str], ask: Callable[[list[str]], Answers]) -> Answers:
    """Give a model's answers, from disk where they are there.

    Args:
        digest: of the model and of whatever else its answers hang on.
        texts: any number, repetition allowed; one at least.
        ask: gives (texts, width) for different texts.

    Returns:
        (texts, width) float32, in the order of the texts; the same bits whenever they are asked for again.
    """
    folder = cache_folder() / "teachers" / digest
    keys = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
    known = _read(folder, set(keys))
    new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if new:
        answers = np.ascontiguousarray(ask(list(new.values())), dtype=np.float32)
        _write(folder, list(new), answers)
        known |= dict(zip(new, answers, strict=True))
    return np.stack([known[key] for key in keys])


def cache_folder() -> Path:
    """Say where answers are kept.

    Returns:
        `TEXTLSTM_CACHE_DIR`, or textlstm in the user's folder of caches.
    """
    own = os.environ.get(CACHE)
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "textlstm"


def _read(folder: Path, wanted: set[bytes]) -> dict[bytes, Answers]:
    """Read the wanted answers of all files; one that is damaged counts as absent."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    known: dict[bytes, Answers] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            held = load_file(path)
            keys, answers = held["keys"], held["answers"]
        except (SafetensorError, OSError, KeyError):
            continue
        for row, key in enumerate(keys.astype("<i8").tobytes()[k : k + 16] for k in range(0, 16 * len(keys), 16)):
            if key in wanted:
                known[key] = answers[row]
    return known


def _write(folder: Path, keys: list[bytes], answers: Answers) -> None:
    """Write the answers of one call."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.frombuffer(b"".join(keys), "<i8").reshape(len(keys), 2)
    name = hashlib.blake2b(b"".join(keys), digest_size=16).hexdigest()
    with replacing(folder / f"{name}.safetensors") as partial:
        save_file({"keys": numbers, "answers": answers}, partial)
