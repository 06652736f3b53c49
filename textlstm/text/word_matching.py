"""Which words of a vector file stand for the needed words: exact first, then looser forms in a stated order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

_NOT_WORD = re.compile(r"[\W_]+")
_DIGIT = re.compile(r"\d")

FORMS: dict[str, Callable[[str], str]] = {
    "exact": lambda word: word,
    "lower-case": str.lower,
    "capitalized": str.capitalize,
    "upper-case": str.upper,
    "without punctuation": lambda word: _NOT_WORD.sub("", word),
    "without punctuation, lower-case": lambda word: _NOT_WORD.sub("", word).lower(),
    "digits as #": lambda word: _DIGIT.sub("#", word) if len(word) > 1 else word,  # how GoogleNews writes numbers
}
"""The forms in which a word is looked for; an earlier form wins over a later one, wherever each stands in the file."""

MISSING = len(FORMS) + 3
"""The rank of a word that nothing was found for."""
SUBWORDS, PIECES, ENCODED = len(FORMS), len(FORMS) + 1, len(FORMS) + 2
"""Ranks of words that were put together: of character n-grams, of a tokenizer's pieces, or by an encoder."""
RANKS = [*FORMS, "character n-grams", "mean of pieces", "encoder", "missing"]
"""How a word was found, by rank."""


class WordMatcher:
    """The needed words by every form in which a file may hold them.

    Attributes:
        ranks: (words,) int8, the best form found so far, an index into `RANKS`.
    """

    def __init__(self, words: Sequence[str], *, loose: bool = True) -> None:
        """List the forms.

        Args:
            words: the needed words, each once.
            loose: whether other forms than the exact one count.
        """
        forms: dict[bytes, tuple[int, ...]] = {}
        for row, word in enumerate(words):
            seen = set()
            for rank, form in enumerate(FORMS.values()):
                shape = form(word)
                if shape and shape not in seen:
                    seen.add(shape)
                    key = shape.encode("utf-8", "replace")
                    # Row and rank in one number: a vocabulary of 100,000 words has half a million forms.
                    forms[key] = (*forms.get(key, ()), row * len(FORMS) + rank)
                if not loose:
                    break
        self._forms = forms
        self.ranks = np.full(len(words), MISSING, dtype=np.int8)

    def __contains__(self, word: bytes) -> bool:
        return word in self._forms

    def rows_of(self, word: bytes) -> list[int]:
        """Find the needed words that a file's word serves better than what was found before, and note that it does.

        Args:
            word: as UTF-8.

        Returns:
            Rows; empty where the word is not needed, or better was found.
        """
        rows = []
        for packed in self._forms.get(word, ()):
            row, rank = divmod(packed, len(FORMS))
            if rank < self.ranks[row]:
                self.ranks[row] = rank
                rows.append(row)
        return rows


def match_positions(matcher: WordMatcher, words: Iterable[bytes]) -> tuple[np.ndarray, int]:
    """Go through a vocabulary and note the place of each needed word in it.

    Args:
        matcher: of the needed words.
        words: the vocabulary in order, as UTF-8.

    Returns:
        (needed,) int64 positions, -1 where nothing was found; and the length of the vocabulary.
    """
    positions = np.full(len(matcher.ranks), -1, dtype=np.int64)
    position = -1
    for position, word in enumerate(words):
        if word in matcher:
            positions[matcher.rows_of(word)] = position
    return positions, position + 1
