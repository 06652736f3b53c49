"""How much of a text pretrained vectors cover: by word and by occurrence, how each was found, what is missed most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from textlstm.text.encoding import text_chunks
from textlstm.text.vectors import read_vectors
from textlstm.text.word_matching import MISSING, RANKS
from textlstm.text.word_pipeline import add_pipeline

_MISSES = 20


@dataclass(frozen=True)
class Coverage:
    """What has a vector.

    Attributes:
        types: different words (or pieces of a sub-word vocabulary) that occur.
        types_found: those of them with a vector.
        tokens: occurrences.
        tokens_found: those of them whose word has a vector.
        how: by way of finding (`word_matching.RANKS`), words and occurrences.
        misses: the most frequent words without a vector, with their occurrences.
    """

    types: int
    types_found: int
    tokens: int
    tokens_found: int
    how: dict[str, tuple[int, int]]
    misses: list[tuple[str, int]]

    def describe(self) -> list[str]:
        """Put it into sentences."""
        if not self.tokens:
            return ["no words to cover"]
        ways = ", ".join(f"{name} {types:,}" for name, (types, _) in self.how.items())
        lines = [
            f"{self.types_found:,} of {self.types:,} words ({self.types_found / self.types:.1%}) and"
            f" {self.tokens_found / self.tokens:.1%} of their occurrences have vectors ({ways})"
        ]
        if self.misses:
            lines.append("missed most: " + ", ".join(f"{word!r} {count:,}" for word, count in self.misses[:10]))
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "types": self.types,
            "types_found": self.types_found,
            "tokens": self.tokens,
            "tokens_found": self.tokens_found,
            "how": {name: {"types": types, "tokens": tokens} for name, (types, tokens) in self.how.items()},
            "misses": [{"word": word, "tokens": count} for word, count in self.misses],
        }


def coverage_of(words: Sequence[str], counts: np.ndarray, ranks: np.ndarray) -> Coverage:
    """Count what is covered.

    Args:
        words: each once.
        counts: (words,) occurrences; words that do not occur count nowhere.
        ranks: (words,) how each was found, an index into `word_matching.RANKS`.

    Returns:
        The coverage.
    """
    occurs = counts > 0
    found = occurs & (ranks != MISSING)
    how = {
        name: (int((found & (ranks == rank)).sum()), int(counts[found & (ranks == rank)].sum()))
        for rank, name in enumerate(RANKS)
        if (found & (ranks == rank)).any()
    }
    lost = np.flatnonzero(occurs & ~found)
    lost = lost[np.argsort(-counts[lost], kind="stable")][:_MISSES]
    return Coverage(
        types=int(occurs.sum()),
        types_found=int(found.sum()),
        tokens=int(counts.sum()),
        tokens_found=int(counts[found].sum()),
        how=how,
        misses=[(words[index], int(counts[index])) for index in lost.tolist()],
    )


def count_types(texts: Sequence[str] | pa.Array | pa.ChunkedArray, *, lowercase: bool) -> tuple[list[str], np.ndarray]:
    """Count the words of texts, cut as the `word` tokenizer cuts them.

    Args:
        texts: strings, without nulls.
        lowercase: whether case is dropped.

    Returns:
        The different words, the most frequent first (equal ones in alphabetical order), and their counts.
    """
    from tokenizers import Tokenizer, models

    backend = Tokenizer(models.WordLevel({"": 0}, unk_token=""))
    add_pipeline(backend, "word", lowercase=lowercase)
    normalize, cut = backend.normalizer.normalize_str, backend.pre_tokenizer.pre_tokenize_str
    seen: Counter[str] = Counter()
    for chunk in text_chunks(texts):
        # Texts of a chunk in one call; a line break is between words in every script.
        seen.update(word for word, _ in cut(normalize("\n".join(chunk))))
    ordered = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
    return [word for word, _ in ordered], np.array([count for _, count in ordered], dtype=np.int64)


def format_coverage(notes: Sequence[str], covered: dict[str, Coverage]) -> str:
    """Put the coverage of several splits into lines for a terminal.

    Args:
        notes: sentences on the source.
        covered: coverage by split.

    Returns:
        Lines: the source and its damage, then each split's shares, ways and most frequent misses.
    """
    lines = [f"pretrained vectors: {notes[0]}", *(f"  {note}" for note in notes[1:])]
    for name, coverage in covered.items():
        first, *rest = coverage.describe()
        lines += [f"  {name}: {first}", *(f"    {line}" for line in rest)]
    return "\n".join(lines)


def data_coverage(
    source: str, splits: dict[str, pa.Array | pa.ChunkedArray], *, lowercase: bool = True
) -> tuple[list[str], dict[str, Coverage]]:
    """Say how much of each split a source of vectors covers, before anything is trained.

    Args:
        source: as `vectors.read_vectors` takes it.
        splits: texts by split name.
        lowercase: whether case is dropped, as the tokenizer does by default.

    Returns:
        Sentences on the source and its damage; and the coverage of each split.

    Raises:
        DataError: the vectors cannot be read.
    """
    counted = {name: count_types(texts, lowercase=lowercase) for name, texts in splits.items()}
    words = list(dict.fromkeys(word for own, _ in counted.values() for word in own))
    vectors = read_vectors(source, words)
    rank = dict(zip(words, vectors.ranks.tolist(), strict=True))
    covered = {
        name: coverage_of(own, counts, np.array([rank[word] for word in own], dtype=np.int8))
        for name, (own, counts) in counted.items()
    }
    return vectors.report.describe(), covered
