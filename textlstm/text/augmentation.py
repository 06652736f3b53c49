"""Changed copies of training texts that keep their label by rule: seeded, of words, in plain numpy.

    deletion    words leave (Wei & Zou 2019, "EDA", section 2)
    swap        two words change places (EDA)
    insertion   a neighbor of one of the words comes in (EDA, with vectors for WordNet); without vectors a punctuation
                mark does (Karimi et al. 2021, "AEDA")
    neighbors   words become neighbors of theirs by vectors (EDA's synonym replacement)
    masking     a run of words becomes unknown words (Tang et al. 2019, "Distilling Task-Specific Knowledge")
    casing      words change between lower case, capitalized and upper case
    typos       a letter of a word is dropped, doubled, or changes places with the next one
    ngrams      a run of the text's words stands for the text (Tang et al. 2019)
    sentences   the sentences of a longer text are shuffled

A copy comes of one rule, drawn evenly among those that apply to the text. What a copy holds hangs on the seed, on the
text and on the copy's number alone (one that says what a training text or an earlier copy says is left out), so that an
interrupted run, and every depth of a comparison, meets the very same ones.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from textlstm.recipe_transfer import AugmentationRule
from textlstm.text.neighbors import Neighbors
from textlstm.text.overlap import text_keys
from textlstm.text.splits import Split
from textlstm.text.word_pipeline import SPACELESS

MASK = "\ufffd"
"""Stands for a masked word: the character for what could not be read, which no vocabulary of words has; where a
tokenizer would delete it, or read its bytes, `masked_texts` sees to it."""

_UNIT = re.compile(rf"[{SPACELESS}]|[^\s{SPACELESS}]+")
_SPACELESS = re.compile(rf"[{SPACELESS}]")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\s*\n+\s*")
_EDGES = re.compile(r"^\W+|\W+$")
_MARKS = (".", ";", "?", ":", "!", ",")
_SHORT_NGRAM = 5
_SHORTEST_TYPO = 4

Words = list[str]
Free = NDArray[np.int64]
"""Places of the words that may be touched."""
Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Copies:
    """Changed copies of some rows.

    Attributes:
        texts: of the copies, different from each other and from their rows' texts.
        owners: (copies,) int64 positions of the rows that they come from.
        labeled: (copies,) bool, whether they keep the label of their row; short n-grams do not.
        notes: how many there are, and what was left out.
    """

    texts: list[str]
    owners: NDArray[np.int64]
    labeled: NDArray[np.bool_]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class Augmenter:
    """What the rules are allowed.

    Attributes:
        rules: to draw from.
        copies: of each text.
        strength: share of a text's words that a rule changes, at least one.
        protected: words in lower case that no rule takes away, replaces or moves; words in "n't" are too.
        neighbors: of words, by vectors; None without.
        short_ngrams: whether n-grams have 1 to 5 words, of which somebody must say what they are about; else they have
            half of a text's words or more.
    """

    rules: Sequence[AugmentationRule]
    copies: int
    strength: float
    protected: frozenset[str] = frozenset()
    neighbors: Neighbors | None = None
    short_ngrams: bool = False

    def copies_of(self, train: Split, *, seed: int, forbidden: Sequence[Split] = ()) -> Copies:
        """Copy training rows.

        Args:
            train: the rows; no others are ever read.
            seed: of the draws.
            forbidden: splits whose texts must not come about, such as validation and test; a copy that has one of
                their texts (by `overlap.text_keys`) is left out and counted.

        Returns:
            The copies, those of one row one after another.
        """
        texts: list[str] = []
        owners: list[int] = []
        kept: list[bool] = []
        own_texts = train.text_list()
        known = {" ".join(text.split()) for text in own_texts}
        for row, text in enumerate(own_texts):
            own = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
            words = _UNIT.findall(text)
            free = np.array([k for k, word in enumerate(words) if not self._is_protected(word)], dtype=np.int64)
            for number in range(self.copies):
                made, rule = self._copy(text, words, free, np.random.default_rng([seed, number, own]))
                if made is not None and (plain := " ".join(made.split())) not in known:
                    known.add(plain)
                    texts.append(made)
                    owners.append(row)
                    kept.append(rule != "ngrams" or not self.short_ngrams)
        places, labeled = np.array(owners, dtype=np.int64), np.array(kept, dtype=bool)
        asked = self.copies * len(train)
        notes = [f"augmentation: {len(texts):,} copies of {len(train):,} training texts by {', '.join(self.rules)}"]
        if len(texts) < asked:
            notes[0] += f"; {asked - len(texts):,} more were no different from a text or a copy"
        guarded = np.concatenate([np.empty(0, np.uint64), *(text_keys(split.texts) for split in forbidden)])
        held_out = np.isin(text_keys(pa.array(texts, pa.large_string())), guarded)
        if held_out.any():
            texts = [text for text, out in zip(texts, held_out.tolist(), strict=True) if not out]
            places, labeled = places[~held_out], labeled[~held_out]
            notes.append(f"augmentation: {int(held_out.sum()):,} copies that say what held-out texts say left out")
        return Copies(texts, places, labeled, notes)

    def _copy(self, text: str, words: Words, free: Free, rng: Rng) -> tuple[str | None, str]:
        """Change a text by the first rule, in an order that is drawn, that applies to it; names the rule too."""
        for index in rng.permutation(len(self.rules)).tolist():
            rule = self.rules[index]
            if rule == "sentences":
                made = _shuffle_sentences(text, rng)
            else:
                changed = _RULES[rule](self, words, free, max(1, round(self.strength * len(words))), rng)
                made = None if changed is None or changed == words else _join(changed)
            if made:
                return made, rule
        return None, ""

    def _is_protected(self, word: str) -> bool:
        core = _EDGES.sub("", word).lower().replace("\u2019", "'")
        return core in self.protected or core.endswith("n't")

    def _delete(self, words: Words, free: Free, count: int, rng: Rng) -> Words | None:
        if len(words) <= count or not len(free):
            return None
        gone = set(rng.permutation(free)[:count].tolist())
        return [word for place, word in enumerate(words) if place not in gone]

    def _swap(self, words: Words, free: Free, count: int, rng: Rng) -> Words | None:
        if len(free) < 2:
            return None
        moved = list(words)
        for _ in range(count):
            first, second = int(rng.integers(len(free))), int(rng.integers(len(free) - 1))
            one, other = int(free[first]), int(free[second + (second >= first)])  # another place than the first
            moved[one], moved[other] = moved[other], moved[one]
        return moved

    def _insert(self, words: Words, free: Free, count: int, rng: Rng) -> Words | None:
        grown, near = list(words), self.neighbors
        known = [words[place] for place in free.tolist() if near is not None and near.has(words[place])]
        if near is not None and not known:
            return None
        for _ in range(count):
            new: str | None = _MARKS[int(rng.integers(len(_MARKS)))]
            if near is not None:
                new = near.draw(known[int(rng.integers(len(known)))], rng)
            assert new is not None  # noqa: S101 - the known words have neighbors
            grown.insert(int(rng.integers(len(grown) + 1)), _EDGES.sub("", new) or new)
        return grown

    def _replace(self, words: Words, free: Free, count: int, rng: Rng) -> Words | None:
        assert self.neighbors is not None  # noqa: S101 - the recipe has checked that vectors were named
        changed, left = list(words), count
        for place in rng.permutation(free).tolist():
            near = self.neighbors.draw(words[place], rng)
            if near is not None and left:
                changed[place], left = near, left - 1
        return changed

    def _mask(self, words: Words, free: Free, count: int, rng: Rng) -> Words | None:
        if len(words) <= count:
            return None
        fixed = np.ones(len(words), dtype=np.int64)
        fixed[free] = 0
        before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(fixed)])  # protected words before each place
        starts = np.flatnonzero(before[count:] == before[:-count])
        if not len(starts):
            return None
        start = int(starts[int(rng.integers(len(starts)))])
        return [*words[:start], *[MASK] * count, *words[start + count :]]

    def _recase(self, words: Words, free: Free, count: int, rng: Rng) -> Words | None:
        changed, left = list(words), count
        for place in rng.permutation(len(words)).tolist():
            word = words[place]
            forms = [form for form in (word.lower(), word.capitalize(), word.upper()) if form != word]
            if forms and left:
                changed[place], left = forms[int(rng.integers(len(forms)))], left - 1
        return changed

    def _misspell(self, words: Words, free: Free, count: int, rng: Rng) -> Words | None:
        long = [k for k in free.tolist() if len(words[k]) >= _SHORTEST_TYPO and words[k].isalpha()]
        changed = list(words)
        for place in rng.permutation(np.array(long, dtype=np.int64))[:count].tolist():
            word, at = words[place], int(rng.integers(1, len(words[place]) - 1))  # the first letter stays
            forms = (
                word[:at] + word[at + 1 :],
                word[: at + 1] + word[at:],
                word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            )
            changed[place] = forms[int(rng.integers(3))]
        return changed

    def _ngram(self, words: Words, free: Free, count: int, rng: Rng) -> Words | None:
        total = len(words)
        least = 1 if self.short_ngrams else math.ceil(total / 2)
        most = min(_SHORT_NGRAM, total - 1) if self.short_ngrams else total - 1
        if most < max(1, least) or (not self.short_ngrams and total < 2 * _SHORTEST_TYPO):
            return None
        size = int(rng.integers(least, most + 1))
        start = int(rng.integers(total - size + 1))
        inside = int(((free >= start) & (free < start + size)).sum())
        if not self.short_ngrams and size - inside < total - len(free):
            return None  # a protected word would be lost
        return words[start : start + size]


_Rule = Callable[[Augmenter, Words, Free, int, Rng], Words | None]
_RULES: dict[Literal["deletion", "swap", "insertion", "neighbors", "masking", "casing", "typos", "ngrams"], _Rule] = {
    "deletion": Augmenter._delete,
    "swap": Augmenter._swap,
    "insertion": Augmenter._insert,
    "neighbors": Augmenter._replace,
    "masking": Augmenter._mask,
    "casing": Augmenter._recase,
    "typos": Augmenter._misspell,
    "ngrams": Augmenter._ngram,
}


def copies_for(rows: int) -> int:
    """Choose the number of copies of each text by the number of texts: 16, 8 or 4, the fewer the more texts there are.

    Args:
        rows: training rows.

    Returns:
        What EDA recommends (Wei & Zou 2019, table 3).
    """
    return 16 if rows <= 500 else 8 if rows <= 2000 else 4


def strength_for(rows: int) -> float:
    """Choose the share of changed words by the number of texts.

    Args:
        rows: training rows.

    Returns:
        0.05 up to 2,000 rows and 0.1 above, as EDA recommends (Wei & Zou 2019, table 3).
    """
    return 0.05 if rows <= 2000 else 0.1


def _shuffle_sentences(text: str, rng: Rng) -> str | None:
    """Put the sentences of a text of three or more into another order."""
    sentences = [part for part in _SENTENCE_END.split(text) if part.strip()]
    if len(sentences) < 3:
        return None
    order = rng.permutation(len(sentences)).tolist()
    if order == sorted(order):
        order = [*order[1:], order[0]]
    return " ".join(sentences[place] for place in order)


def _join(words: Words) -> str:
    """Write words with blanks between, but beside letters of scripts that are written without them."""
    parts: list[str] = []
    for word in words:
        if parts and not (_SPACELESS.match(word) or _SPACELESS.match(parts[-1])):
            parts.append(" ")
        parts.append(word)
    return "".join(parts)
