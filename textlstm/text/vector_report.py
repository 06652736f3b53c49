"""What a vector source turned out to be: format, size, and each kind of damage with its count and first lines."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from textlstm.errors import DataError

_SHOWN_LINES = 5
_FEW = 10
_WORST_SHARE = 0.1
SKIPPED = ("empty word", "wrong number of values", "cut off", "value that is no number", "unreadable word")
"""Kinds of damage for which a line is left out; words in another encoding and repeated ones do not stop a line."""

MOST_VALUES = 65_536
"""Values of a vector that a header may announce: more are damage, and room for them would fill the memory."""


def too_wide(name: str, width: int) -> str:
    """Say that a file announces vectors that nobody makes.

    Args:
        name: of the source.
        width: what it announces.

    Returns:
        A sentence.
    """
    return (
        f"{name} should hold vectors of {MOST_VALUES:,} values at most and announces {width:,}; the file is damaged,"
        " fetch it again."
    )


@dataclass
class VectorReport:
    """What was read.

    Attributes:
        name: of the source, as the user wrote it.
        format: such as "GloVe text".
        width: values a vector.
        words: vectors that the source holds, as far as they could be read.
        damage: count and first line (or word) numbers of each kind, counted from 1.
        notes: what else is worth a sentence.
    """

    name: str
    format: str
    width: int
    words: int = 0
    damage: dict[str, tuple[int, list[int]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count(self, kind: str, line: int) -> None:
        """Note one damaged line.

        Args:
            kind: what is wrong with it.
            line: its number, counted from 1.
        """
        number, lines = self.damage.get(kind, (0, []))
        self.damage[kind] = number + 1, lines if len(lines) == _SHOWN_LINES else [*lines, line]

    def as_utf8(self, word: bytes, line: int) -> bytes:
        """Give a word as UTF-8; one that is none is read as cp1252, the encoding of old Windows files, and counted.

        Args:
            word: its bytes in the file.
            line: its number, counted from 1.

        Returns:
            The word in UTF-8.
        """
        if not word.isascii():
            try:
                word.decode("utf-8")
            except UnicodeDecodeError:
                self.count("word not in UTF-8 (read as cp1252)", line)
                return word.decode("cp1252", "replace").encode()
        return word

    @property
    def skipped(self) -> int:
        """Lines that were left out."""
        return sum(self.damage[kind][0] for kind in SKIPPED if kind in self.damage)

    def describe(self) -> list[str]:
        """Put it into sentences: the source first, then each kind of damage, then notes."""
        first = f"{self.name}: {self.format}, {self.words:,} vectors of {self.width}"
        lines = [
            f"{count:,} x {kind} (line {', '.join(map(str, where))}{', ...' if count > len(where) else ''})"
            for kind, (count, where) in self.damage.items()
        ]
        return [first, *lines, *self.notes]

    def refuse_ruins(self) -> None:
        """Stop where so much is damaged that the file must be another thing than it seems.

        Raises:
            DataError: no line could be read, or more than a tenth of them (and more than ten) could not.
        """
        if self.words == 0 or (self.skipped > _FEW and self.skipped > _WORST_SHARE * (self.words + self.skipped)):
            kinds = "; ".join(self.describe()[1:]) or "it holds no vectors"
            raise DataError(
                f"{self.name} was read as {self.format} with {self.width} values a word, and {self.skipped:,} of"
                f" {self.words + self.skipped:,} lines do not fit ({kinds}); the download is likely damaged or of"
                " another format: fetch it again."
            )


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Vectors of needed words.

    Attributes:
        rows: (words, width) float32; zeros where nothing was found.
        ranks: (words,) int8, how each was found, an index into `word_matching.RANKS`.
        report: on the source.
    """

    rows: np.ndarray
    ranks: np.ndarray
    report: VectorReport
