"""What a probe asks a layer: facts about texts and tokens, each with the control task that it is held against.

Surface facts can be read off the text: which word stands here, at which place, how long the text is. Abstract facts
must be worked out: the label and, on ListOps, the nesting depth and the value so far.
A control task (Hewitt and Liang 2019, "Designing and Interpreting Probes with Control Tasks") has answers of the same
kind and frequency that are no property of the text, so that a probe can only learn them by heart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.diagnostics.states import Integers, TokenSample
from textlstm.text.encoding import Encoded

FREQUENT_WORDS = 20
"""Classes of the token's identity."""
FEWEST_OF_A_CLASS = 10
"""Classes with fewer samples are left out: a probe could not learn them, and a score over few texts says nothing."""
CONTROL_TYPES = 100
"""Fewest kinds of contexts that draw a random answer each; with fewer, a random answer is a fact about the token."""


@dataclass(frozen=True, eq=False)
class Fact:
    """One question with an answer for each sample.

    Attributes:
        name: such as "label" or "position".
        abstract: whether it must be worked out, in place of being read off.
        about: "text", asked of pooled states; or "token", asked of a token's state.
        is_number: whether answers are numbers (ridge, R squared) in place of classes (logistic regression, accuracy).
        answers: (samples,) float64 numbers, or int64 classes.
        control: (samples,) answers of the control task.
        counted: (samples,) bool, those that are asked.
    """

    name: str
    abstract: bool
    about: Literal["text", "token"]
    is_number: bool
    answers: NDArray[np.float64] | Integers
    control: NDArray[np.float64] | Integers
    counted: NDArray[np.bool_]


def label_classes(labels: NDArray[np.generic]) -> Integers:
    """Number labels; with several labels a text, each different set of them is a class.

    Args:
        labels: (texts,) class numbers, or (texts, classes) bool.

    Returns:
        (texts,) class numbers.
    """
    if labels.ndim == 1:
        return labels.astype(np.int64)
    return np.asarray(np.unique(labels, axis=0, return_inverse=True)[1], dtype=np.int64).ravel()


def text_facts(encoded: Encoded, labels: NDArray[np.generic] | None, *, seed: int) -> list[Fact]:
    """Ask about whole texts: the label, and the length in tokens; the controls are the other texts' answers.

    Args:
        encoded: the texts' ids.
        labels: as `label_classes` takes them; None without labels.
        seed: of the controls.

    Returns:
        The facts that vary.
    """
    rng = np.random.default_rng([seed, 1])
    shuffled = rng.permutation(len(encoded))
    everything = np.ones(len(encoded), dtype=np.bool_)
    facts = []
    if labels is not None:
        classes = label_classes(labels)
        facts.append(Fact("label", True, "text", False, classes, classes[shuffled], _often(classes, everything)))
    lengths = encoded.lengths.astype(np.float64)
    facts.append(Fact("length", False, "text", True, lengths, lengths[shuffled], everything))
    return [fact for fact in facts if _varies(fact)]


def token_facts(encoded: Encoded, sample: TokenSample, *, seed: int) -> list[Fact]:
    """Ask about tokens: which of the frequent words it is, and its place in the text.

    The control of the place is a random place for each kind of context (the token, with as many before it as make
    `CONTROL_TYPES` kinds). The identity of a token is by nature a property of its kind, so that answers by kind would
    only rename it: its control is the identity of another token of the same text.

    Args:
        encoded: the texts' ids.
        sample: the tokens.
        seed: of the controls.

    Returns:
        The facts that vary.
    """
    rng = np.random.default_rng([seed, 2])
    kinds, counts = np.unique(sample.ids, return_counts=True)
    frequent = kinds[np.argsort(-counts, kind="stable")[:FREQUENT_WORDS]]
    words = np.full(max(int(encoded.ids.max(initial=0)), int(kinds.max(initial=0))) + 1, -1, dtype=np.int64)
    words[frequent] = np.arange(len(frequent))
    identity = words[sample.ids]
    others = identity.copy()
    for place, (text, position) in enumerate(zip(sample.text, sample.position, strict=True)):
        row = words[encoded[int(text)]]
        row[position] = -1
        there = row[row >= 0]
        if len(there):
            others[place] = there[rng.integers(len(there))]
        else:  # a text of one frequent word only: another text's word
            others[place] = rng.integers(len(frequent))
    position = sample.position.astype(np.float64)
    everything = np.ones(len(sample), dtype=np.bool_)
    facts = [
        Fact("token", False, "token", False, identity, others, _often(identity, identity >= 0)),
        Fact("position", False, "token", True, position, by_context(position, encoded, sample, rng), everything),
    ]
    return [fact for fact in facts if _varies(fact)]


def listops_facts(encoded: Encoded, sample: TokenSample, vocabulary: Sequence[str], *, seed: int) -> list[Fact]:
    """Ask, on ListOps, how deep a token is nested, and what its list is worth so far.

    The value so far is that of the innermost list that the token belongs to, over the arguments read up to and with it;
    a list's first two tokens have none. Controls are random answers by kind of context, as for the place.

    Args:
        encoded: the texts' ids.
        sample: the tokens.
        vocabulary: the tokens' strings by id.
        seed: of the controls.

    Returns:
        Both facts; none where the texts are no ListOps.
    """
    depth, value = np.empty(len(sample), dtype=np.int64), np.empty(len(sample), dtype=np.int64)
    for text in np.unique(sample.text):
        read = read_listops([vocabulary[token] for token in encoded[int(text)]])
        if read is None:
            return []
        here = np.flatnonzero(sample.text == text)
        depth[here], value[here] = read[0][sample.position[here]], read[1][sample.position[here]]
    rng = np.random.default_rng([seed, 3])
    everything = np.ones(len(sample), dtype=np.bool_)
    facts = [
        Fact(name, True, "token", False, answers, by_context(answers, encoded, sample, rng), _often(answers, counted))
        for name, answers, counted in (("nesting depth", depth, everything), ("partial value", value, value >= 0))
    ]
    return [fact for fact in facts if _varies(fact)]


def read_listops(tokens: Sequence[str]) -> tuple[Integers, Integers] | None:
    """Evaluate a ListOps text token by token; the text may be cut off.

    Args:
        tokens: "[", operators, digits and "]", or "[MAX" in one piece; marks of subword tokenizers do not matter.

    Returns:
        Nesting depth and value so far of each token (-1 where there is none yet); None where it is no ListOps.
    """
    depth, value = np.zeros(len(tokens), dtype=np.int64), np.full(len(tokens), -1, dtype=np.int64)
    operators: list[str] = []
    arguments: list[list[int]] = []
    for place, token in enumerate(tokens):
        plain = token.strip("Ġ▁# ").upper()
        if plain.startswith("["):
            operators.append(plain[1:])
            arguments.append([])
        elif plain in ("MIN", "MAX", "MED", "SM") and operators and not operators[-1]:
            operators[-1] = plain
        elif (plain == "]" or (len(plain) == 1 and plain.isdecimal())) and operators and operators[-1]:
            if plain != "]":
                arguments[-1].append(int(plain))
        else:
            return None
        depth[place] = len(operators)
        if operators[-1] not in ("", "MIN", "MAX", "MED", "SM"):
            return None
        if arguments[-1]:
            value[place] = _worth(operators[-1], sorted(arguments[-1]))
        if plain == "]":
            operators.pop()
            closed = arguments.pop()
            if not closed or (not operators and place + 1 < len(tokens)):
                return None
            if operators:
                arguments[-1].append(int(value[place]))
    return depth, value


def by_context(
    answers: NDArray[np.float64] | Integers, encoded: Encoded, sample: TokenSample, rng: np.random.Generator
) -> NDArray[np.float64] | Integers:
    """Draw a random answer for each kind of context, with the frequencies of the true answers.

    Args:
        answers: (samples,) true answers.
        encoded: the texts' ids.
        sample: the tokens.
        rng: of the draws.

    Returns:
        (samples,) answers of the control task.
    """
    kinds = np.zeros(len(sample), dtype=np.int64)
    for back in range(3):
        inside = sample.position >= back
        place = encoded.offsets[sample.text] + sample.position - back
        before = np.where(inside, encoded.ids[np.where(inside, place, 0)].astype(np.int64), -1)
        kinds = np.asarray(np.unique(np.stack([kinds, before]), axis=1, return_inverse=True)[1], np.int64).ravel()
        if kinds.max(initial=-1) + 1 >= CONTROL_TYPES:
            break
    usable = answers[answers >= 0]
    return rng.choice(usable if len(usable) else answers, size=int(kinds.max(initial=-1)) + 1)[kinds]


def _worth(operator: str, digits: list[int]) -> int:
    """The value of a list of sorted digits."""
    if operator == "MIN":
        return digits[0]
    if operator == "MAX":
        return digits[-1]
    if operator == "SM":
        return sum(digits) % 10
    middle = len(digits) // 2
    return digits[middle] if len(digits) % 2 else (digits[middle - 1] + digits[middle]) // 2


def _often(classes: Integers, counted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The samples of classes that are there often enough."""
    known, place, counts = np.unique(classes[counted], return_inverse=True, return_counts=True)
    often = np.zeros(len(classes), dtype=np.bool_)
    if len(known):
        often[counted] = counts[place] >= FEWEST_OF_A_CLASS
    return often


def _varies(fact: Fact) -> bool:
    """Whether there is anything to tell apart."""
    return len(np.unique(fact.answers[fact.counted])) > 1
