"""Words that stand near a word by pretrained vectors, and may stand for it in a training text.

Nearness by vectors is likeness of use, and "good" and "bad" are used alike. So a neighbor whose own occurrences in the
training texts lean to a class is only taken for a word that leans to the same one.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from textlstm.text.alignment import found_rows
from textlstm.text.splits import Split
from textlstm.text.vectors import read_vectors

MOST_WORDS = 20_000
"""So many of the most frequent training words have neighbors; comparing all pairs of them takes seconds."""

_NEAREST = 10
_CHUNK = 1_000
_FEWEST = 3
_LEAN = 2.0
_CORE = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Neighbors of the words of some training texts.

    Attributes:
        near: words in lower case, each with its neighbors, the nearest first; words without any are absent.
        notes: how many words have some.
    """

    near: dict[str, list[str]]
    notes: list[str]

    def has(self, word: str) -> bool:
        """Say whether a word, with the punctuation around it, has neighbors."""
        match = _CORE.match(word)
        return match is not None and match[2].lower() in self.near

    def draw(self, word: str, rng: np.random.Generator) -> str | None:
        """Draw a neighbor of a word.

        Args:
            word: as it stands in a text, with its case and the punctuation around it, which the neighbor takes over.
            rng: source of randomness.

        Returns:
            The neighbor; None where there is none.
        """
        match = _CORE.match(word)
        assert match is not None  # noqa: S101 - the expression fits every string
        before, core, after = match.groups()
        near = self.near.get(core.lower())
        if near is None:
            return None
        chosen = near[int(rng.integers(len(near)))]
        if core.isupper() and len(core) > 1:
            chosen = chosen.upper()
        elif core[:1].isupper():
            chosen = chosen.capitalize()
        return f"{before}{chosen}{after}"


def find_neighbors(source: str, train: Split, *, classes: int, least: float) -> Neighbors:
    """Find the neighbors of the training texts' words among these words.

    Args:
        source: of vectors, as `vectors.read_vectors` takes it.
        train: the training rows; of data with several labels a row, no word counts as leaning to one.
        classes: number of classes.
        least: smallest cosine of two neighbors' vectors.

    Returns:
        At most 10 neighbors a word, which the training rows do not show to lean to another class.

    Raises:
        DataError: the vectors cannot be read.
        ModelError: the tokenizer of a model cannot be loaded.
    """
    counts: Counter[str] = Counter()
    by_class: Counter[tuple[str, int]] = Counter()
    single = train.labels is not None and train.labels.ndim == 1
    labels = train.labels.tolist() if single and train.labels is not None else [0] * len(train)
    for text, label in zip(train.text_list(), labels, strict=True):
        cores = [match[2].lower() for word in text.split() if (match := _CORE.match(word)) and match[2]]
        counts.update(cores)
        by_class.update((core, label) for core in cores)
    words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_WORDS]]
    if not words:
        return Neighbors({}, ["augmentation: the training texts hold no word that could have neighbors"])
    vectors = read_vectors(source, words)
    found = np.flatnonzero(found_rows(vectors.ranks))
    rows = vectors.rows[found].astype(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    table = np.array([[by_class[words[k], label] for label in range(classes)] for k in found.tolist()], dtype=np.int64)
    table = table.reshape(-1, classes)
    leaning = _leaning(table) if single else np.full(len(found), -1)
    near: dict[str, list[str]] = {}
    for start in range(0, len(found), _CHUNK):
        part = np.arange(start, min(start + _CHUNK, len(found)))
        alike = rows[part] @ rows.T
        alike[np.arange(len(part)), part] = -1.0
        fits = (leaning[None, :] == -1) | (leaning[None, :] == leaning[part, None])
        alike[~fits] = -1.0
        most = min(_NEAREST, alike.shape[1])
        best = np.argpartition(-alike, most - 1, axis=1)[:, :most]
        for place, candidates in zip(part.tolist(), best, strict=True):
            ranked = sorted((-float(alike[place - start, k]), int(k)) for k in candidates)
            own = [words[found[k]] for cosine, k in ranked if -cosine >= least]
            if own:
                near[words[found[place]]] = own
    share = sum(counts[word] for word in near) / max(1, sum(counts.values()))
    note = (
        f"augmentation: {len(near):,} of {len(words):,} training words ({100 * share:.0f} % of occurrences) have"
        f" neighbors by {source}"
    )
    return Neighbors(near, [note])


def _leaning(table: np.ndarray) -> np.ndarray:
    """Say to which class each word leans.

    Args:
        table: (words, classes) occurrences.

    Returns:
        (words,) the class in which a word makes up at least twice the share that it does in any other, of words that
        occur three times or more; -1 for others.
    """
    if table.shape[1] < 2 or not len(table):
        return np.full(len(table), -1)
    share = (table + 0.5) / np.maximum(table.sum(axis=0), 1)
    ordered = np.sort(share, axis=1)
    leans = (ordered[:, -1] >= _LEAN * ordered[:, -2]) & (table.sum(axis=1) >= _FEWEST)
    return np.where(leans, share.argmax(axis=1), -1)
