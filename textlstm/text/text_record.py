"""Which texts a language model has read: their numbers, kept beside it, so that nobody scores on them unawares.

A number is a hash of 8 bytes of a text's words (`overlap.text_keys`): it tells whether a text that somebody has at hand
was read, and gives no text back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from textlstm.text.overlap import text_keys

TEXTS_FILE = "texts.npy"
MOST_TEXTS = 10_000_000
"""Texts of which numbers are kept, 8 bytes each; of more, none are."""


class TextRecord:
    """Numbers of the texts that go by.

    Attributes:
        texts: that went by.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.texts = 0
        self._parts: list[np.ndarray] = []

    def watch(self, batches: Iterable[list[str]]) -> Iterator[list[str]]:
        """Note the texts of batches as they go by.

        Args:
            batches: lists of texts.

        Yields:
            The same lists.
        """
        for batch in batches:
            self.texts += len(batch)
            if self.texts <= MOST_TEXTS:
                self._parts.append(text_keys(pa.array(batch, pa.large_string())))
            else:
                self._parts.clear()
            yield batch

    def write(self, folder: Path) -> None:
        """Write the numbers, rising and each once; nothing where there were too many texts.

        Args:
            folder: of the language model.
        """
        if self.texts <= MOST_TEXTS:
            np.save(folder / TEXTS_FILE, np.unique(np.concatenate([np.empty(0, np.uint64), *self._parts])))


def read_record(folder: Path) -> np.ndarray | None:
    """Read which texts a language model has read.

    Args:
        folder: of the language model.

    Returns:
        (texts,) uint64; None where there is no record, or none that can be read.
    """
    try:
        numbers = np.load(folder / TEXTS_FILE, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return numbers if numbers.dtype == np.uint64 and numbers.ndim == 1 else None
