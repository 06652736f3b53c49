"""Teachers: somebody's classifier, own models, or an encoder with a head fitted here; their logits for any texts.

What a folder is, its config.json tells: a model of this package, a classifier of transformers, or else an encoder (of
transformers, sentence-transformers, SetFit or model2vec), on whose vectors a logistic regression is fitted. The head of
a SetFit model is a pickle, which is not read: a new one is fitted.

A teacher's labels are brought to the data's by name, never by position.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textlstm.errors import RecipeError
from textlstm.inference.frozen_encoder import encode_frozen, encoder_digest, find_encoder
from textlstm.inference.torch_classifier import choose_device
from textlstm.recipe import Recipe
from textlstm.text.datasets import TextData
from textlstm.text.splits import Split
from textlstm.training.answer_cache import cached_answers
from textlstm.training.heads import Head, fit_head
from textlstm.training.seen_before import seen_before
from textlstm.training.teacher_models import MOST_TOKENS, Floats, Kind, Opened, kind_of, load_classifier, load_own


@dataclass(frozen=True, eq=False)
class Teacher:
    """One teacher, its labels brought to the data's.

    Attributes:
        name: as the user named it.
        kind: what it is.
        digest: hash of its content; of a fitted head, of what it was fitted on too.
        answer: gives (texts, classes) logits, asked anew.
        logits: gives (texts, classes) logits for texts and, by position, the training row that each comes from (-1 for
            none), from the cache where it knows the texts.
        folder: where it lies.
        notes: what a user should know of it.
    """

    name: str
    kind: Kind
    digest: str
    answer: Callable[[list[str]], Floats]
    logits: Callable[[list[str], NDArray[np.int64]], Floats]
    folder: Path
    notes: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of its weights."""
        return sum(path.stat().st_size for path in self.folder.rglob("*.safetensors"))


def load_teachers(recipe: Recipe, data: TextData, train: Split) -> list[Teacher]:
    """Find a recipe's teachers, and fit the heads that are to be fitted.

    Args:
        recipe: its `distillation:` part is read; `threads`, `device` and `data` too.
        data: label names, and whether a text may have several.
        train: the training rows, on which heads are fitted.

    Returns:
        The teachers.

    Raises:
        ModelError: one cannot be found or read.
        RecipeError: its labels cannot be matched, or it has learned from rows that this run is scored on.
    """
    part = recipe.distillation
    assert part.teacher is not None  # noqa: S101 - the caller has looked
    loaded = []
    device = str(choose_device(recipe.device))
    for source in part.teacher:
        folder = find_encoder(source, option="distillation.teacher")
        kind = kind_of(folder)
        if kind == "encoder":
            loaded.append(_from_encoder(source, folder, data, train, threads=recipe.threads, device=device))
            continue
        notes = seen_before(f"Teacher {source}", folder, recipe, data) if kind == "textlstm" else []
        load = load_own if kind == "textlstm" else load_classifier
        opened = load(folder, recipe.threads, device)
        loaded.append(_from_classifier(source, folder, kind, opened, data, part.labels, notes))
    return loaded


def ensemble_logits(parts: Sequence[Floats], *, multi_label: bool) -> Floats:
    """Average several teachers' logits.

    Of logits for one label a text, only their differences mean anything, so each row is centered first; the mean is
    then the normalized geometric mean of the teachers' probabilities.

    Args:
        parts: (texts, classes) of each teacher.
        multi_label: whether each logit stands for itself.

    Returns:
        (texts, classes), with rows of mean 0 unless multi-label.
    """
    stacked = np.stack(parts).astype(np.float64)
    if not multi_label:
        stacked -= stacked.mean(axis=2, keepdims=True)
    return np.asarray(stacked.mean(axis=0), dtype=np.float32)


def match_labels(theirs: Sequence[str], ours: Sequence[str], renamed: Mapping[str, str], *, source: str) -> list[int]:
    """Find the data's labels among a teacher's, by name.

    Args:
        theirs: the teacher's names, in the order of its outputs.
        ours: the data's, in the order of the student's outputs.
        renamed: a teacher's name to the data's, where they differ.
        source: the teacher, for messages.

    Returns:
        For each of the data's labels the teacher's output: by the given names, then by equal names, then by names that
        are equal but for case, blanks and punctuation.

    Raises:
        RecipeError: a label of the data has no output, or more than one.
    """
    unknown = sorted({name for name in renamed.values() if name not in ours})
    if unknown:
        raise RecipeError(
            f"distillation.labels should lead to the data's labels {', '.join(ours)}, and names {', '.join(unknown)};"
            " give them as teacher's name to data's name."
        )
    called = [renamed.get(name, name) for name in theirs]
    plain = [_plain(name) for name in called]
    places = []
    for name in ours:
        found = [k for k, own in enumerate(called) if own == name]
        found = found or [k for k, own in enumerate(plain) if own == _plain(name) != ""]
        if len(found) != 1:
            what = "several outputs" if found else "no output"
            raise RecipeError(
                f"Teacher {source} should have one output for each of the labels {', '.join(ours)}, and has {what} for"
                f" {name!r} among {', '.join(theirs)}; say which is which with --teacher-labels"
                f" {theirs[0]}={ours[0]},... (distillation.labels), after a look at the teacher's model card."
            )
        places.append(found[0])
    return places


def _plain(name: str) -> str:
    """Reduce a name to its letters and digits."""
    return re.sub(r"[\W_]", "", name.casefold())


def _from_classifier(
    source: str,
    folder: Path,
    kind: Kind,
    opened: Opened,
    data: TextData,
    renamed: Mapping[str, str],
    notes: list[str],
) -> Teacher:
    """Bring a finished classifier to the data's labels."""
    names, several, ask = opened
    if several is not None and several != data.multi_label:
        kinds = ("one label a text", "any number of labels a text")
        raise RecipeError(
            f"Teacher {source} gives {kinds[several]}, and {data.source} has {kinds[data.multi_label]}; name a teacher"
            " of the same kind."
        )
    places = match_labels(names, data.label_names, renamed, source=source)
    notes = list(notes)
    if len(names) > len(places):
        left = [name for place, name in enumerate(names) if place not in places]
        notes.append(f"teacher {source}: its outputs {', '.join(left)} are no labels of the data and are left aside")
    digest = encoder_digest(folder)

    def logits(texts: list[str], owners: NDArray[np.int64]) -> Floats:
        return cached_answers(digest, texts, ask)[:, places]

    return Teacher(source, kind, digest, lambda texts: ask(texts)[:, places], logits, folder, notes)


def _from_encoder(source: str, folder: Path, data: TextData, train: Split, *, threads: int, device: str) -> Teacher:
    """Fit a head on an encoder's vectors of the training rows."""
    assert train.labels is not None  # noqa: S101 - `prepare` has refused rows without labels
    encoder = encoder_digest(folder)

    def embed(texts: list[str]) -> Floats:
        return encode_frozen(folder, texts, max_length=MOST_TOKENS, threads=threads, device=device)

    known = cached_answers(encoder, train.text_list(), embed)
    head: Head = fit_head(known, train.labels, classes=len(data.label_names))
    content = hashlib.sha256(encoder.encode() + train.digest()).hexdigest()[:16]

    def logits(texts: list[str], owners: NDArray[np.int64]) -> Floats:
        return head.logits(cached_answers(encoder, texts, embed), owners)

    def answer(texts: list[str]) -> Floats:
        return head.logits(embed(texts), np.full(len(texts), -1, dtype=np.int64))

    note = (
        f"teacher {source}: an encoder with a logistic regression on the {len(train):,} training rows"
        f" (C {head.strength:g}, chosen by {head.folds}-fold cross-validation)"
    )
    return Teacher(source, "encoder", content, answer, logits, folder, [note])
