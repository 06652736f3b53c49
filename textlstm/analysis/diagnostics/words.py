"""Tokens put together to the words that a reader sees, with what each adds to a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from textlstm.inference.predictor import Predictor


@dataclass(frozen=True)
class Word:
    """A word of a text with what it adds to the score.

    Attributes:
        text: as it stands in the text.
        start: its first character's place in the text.
        end: the place after its last character.
        value: in logits; above 0 speaks for the label.
    """

    text: str
    start: int
    end: int
    value: float


def token_places(predictor: Predictor, text: str) -> list[tuple[int, int, int | None]]:
    """Find where the tokens that a model reads stand in a text.

    Args:
        predictor: the model at work.
        text: a string that UTF-8 can hold.

    Returns:
        For each token the character it begins at, the one after its end, and the number of the word that the tokenizer
        counts it to: None, and an empty span, for a token that is no part of the text.
    """
    encoding = predictor.classifier.backend.encode(text)
    places = [(start, end, word) for (start, end), word in zip(encoding.offsets, encoding.word_ids, strict=True)]
    return places or [(0, 0, None)]  # a text without any token is read as one unknown word


def merge_words(
    text: str, places: Sequence[tuple[int, int, int | None]], values: NDArray[np.float64]
) -> tuple[list[Word], float]:
    """Add up the values of the tokens of each word.

    Tokens are of one word when the tokenizer counts them to the same word and nothing but the word stands between
    them; a tokenizer that does not part words is helped out with white space.

    Args:
        text: the text.
        places: of each token, where it begins and ends in the text, and the number of its word; None and an empty
            span for tokens that are no part of the text.
        values: one a token.

    Returns:
        The words in order, and the sum of what belongs to none.
    """
    words: list[Word] = []
    other, last = 0.0, None
    for (start, end, number), value in zip(places, values.tolist(), strict=True):
        inner = text[start:end]
        begin = start + len(inner) - len(inner.lstrip())
        stop = start + len(inner.rstrip())
        if number is None or begin >= stop:
            other += value
            continue
        joined = number == last and words and not any(letter.isspace() for letter in text[words[-1].end : begin])
        last = number
        if joined:
            begin, stop = words[-1].start, max(words[-1].end, stop)
            words[-1] = Word(text[begin:stop], begin, stop, words[-1].value + value)
        else:
            words.append(Word(text[begin:stop], begin, stop, value))
    return words, other
