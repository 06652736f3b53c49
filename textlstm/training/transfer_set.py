"""What a run learns from beside its labeled rows: changed copies of them, texts without labels, a teacher's scores.

All of it is made once, before the first step, from the recipe's seed: an interrupted run goes on with the very same
rows, the workers of a grid share them, every depth at one seed learns from the same ones, and a teacher is asked about
each text once. (Copies that are drawn anew each epoch would give none of this.)

Nothing of it is ever scored, and no text of it is in a held-out split.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

from textlstm.recipe import Recipe
from textlstm.text.augmentation import MASK, Augmenter, Copies, copies_for, strength_for
from textlstm.text.datasets import TextData
from textlstm.text.encoding import Encoded
from textlstm.text.masked_texts import encode_masked
from textlstm.text.neighbors import find_neighbors
from textlstm.text.overlap import text_keys
from textlstm.text.protocol import UsedRows
from textlstm.text.splits import Split
from textlstm.text.streams import stream
from textlstm.text.vectors import source_digest
from textlstm.training.further_texts import held_out_splits, taught_texts
from textlstm.training.same_models import teacher_content
from textlstm.training.teacher_models import mask_word
from textlstm.training.teachers import ensemble_logits, load_teachers


@dataclass(frozen=True, eq=False)
class TransferSet:
    """Rows beside the training rows, and a teacher's scores of all of them.

    Attributes:
        encoded: ids of the further rows.
        owners: (further,) int64, the training row of which each is a copy; -1 for a text without a label.
        labeled: (further,) bool, whether it has the label of its owner.
        logits: (training + further, classes) float32 of the teachers; None without any.
        digest: hash of the teachers and of the texts without labels; empty where there is neither.
        notes: what there is, and what was left out.
        copies: hash of the changed copies; empty without any.
        teachers: hash of the content of each teacher.
        neighbors: hash of the vectors by which copies were made; None without any.
    """

    encoded: Encoded
    owners: NDArray[np.int64]
    labeled: NDArray[np.bool_]
    logits: NDArray[np.float32] | None
    digest: str
    notes: list[str] = field(default_factory=list)
    copies: str = ""
    teachers: list[str] = field(default_factory=list)
    neighbors: str | None = None


@dataclass(frozen=True, eq=False)
class FurtherTexts:
    """The texts of a transfer set, before anything is made of them.

    Attributes:
        copies: changed copies of training texts.
        others: texts without labels.
        notes: what there is, and what was left out.
    """

    copies: Copies
    others: list[str]
    notes: list[str]


def collect_texts(recipe: Recipe, data: TextData, rows: UsedRows) -> FurtherTexts:
    """Collect what a run learns from beside its training rows.

    Args:
        recipe: its `augmentation:` and `distillation:` parts and `seed` are read.
        data: all splits.
        rows: those of the run.

    Returns:
        The texts; none where the recipe asks for nothing of the kind.

    Raises:
        DataError: vectors or texts without labels cannot be read.
        ModelError: the tokenizer of a model whose vectors are asked for cannot be loaded.
    """
    held_out = held_out_splits(data, rows)
    copies = _copies(recipe, data, rows, held_out)
    others, notes = taught_texts(recipe, data, rows, held_out)
    if texts := [*copies.texts, *others]:
        # Whatever the ways that led here, no held-out text is learned from.
        guarded = np.concatenate([np.empty(0, np.uint64), *(text_keys(split.texts) for split in held_out)])
        assert not np.isin(text_keys(pa.array(texts, pa.large_string())), guarded).any()  # noqa: S101
    return FurtherTexts(copies, others, [*copies.notes, *notes])


def make_transfer_set(
    recipe: Recipe, data: TextData, rows: UsedRows, further: FurtherTexts, tokenizer: PreTrainedTokenizerFast
) -> TransferSet | None:
    """Turn further texts into ids, and ask the teachers about them and about the training rows.

    Args:
        recipe: its `distillation:` part and `threads` are read.
        data: all splits.
        rows: those of the run.
        further: from `collect_texts`.
        tokenizer: of the run.

    Returns:
        The rows; None where there is neither a further text nor a teacher.

    Raises:
        ModelError: a teacher cannot be found or read.
        RecipeError: a teacher's labels cannot be matched, or it has learned from held-out rows.
    """
    copies, others = further.copies, further.others
    texts = [*copies.texts, *others]
    if not texts and recipe.distillation.teacher is None:
        return None
    notes, digest, logits = list(further.notes), "", None
    contents: list[str] = []
    owners = np.concatenate([copies.owners, np.full(len(others), -1, dtype=np.int64)])
    labeled = np.concatenate([copies.labeled, np.zeros(len(others), dtype=bool)])
    own = rows.train.text_list()
    masked = np.array([MASK in text for text in copies.texts] + [False] * len(others), dtype=bool)
    for place in np.flatnonzero(masked).tolist():
        masked[place] = MASK not in own[owners[place]]  # where it stands for what could not be read, it stays
    if recipe.distillation.teacher is not None:
        teachers = load_teachers(recipe, data, rows.train)
        places = np.concatenate([np.arange(len(own)), owners])
        words = [mask_word(teacher.folder, teacher.kind) if masked.any() else MASK for teacher in teachers]
        parts = [
            teacher.logits([*own, *_with_masks_as(word, texts, masked)], places)
            for teacher, word in zip(teachers, words, strict=True)
        ]
        logits = ensemble_logits(parts, multi_label=data.multi_label)
        content = hashlib.sha256("".join(teacher.digest for teacher in teachers).encode())
        content.update("\0".join(others).encode("utf-8", "surrogatepass"))
        content.update("".join(word for word in words if word != MASK).encode())  # once it was MASK for all
        digest = content.hexdigest()[:16]
        contents = [teacher_content(teacher.folder) for teacher in teachers]
        notes += [note for teacher in teachers for note in teacher.notes]
        notes += _agreement(logits[: len(own)], rows.train)
    encoded = encode_masked(tokenizer, texts, masked, max_length=recipe.tokenizer.max_length)
    vectors = recipe.augmentation.vectors if recipe.augmentation.copies else None
    neighbors = source_digest(vectors) if vectors is not None else None
    made = _hash_of(copies.texts) if copies.texts else ""
    return TransferSet(encoded, owners, labeled, logits, digest, notes, made, contents, neighbors)


def _hash_of(texts: list[str]) -> str:
    """Hash texts: 16 hexadecimal digits."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _with_masks_as(word: str, texts: list[str], masked: NDArray[np.bool_]) -> list[str]:
    """Write another word for masked ones."""
    return [text.replace(MASK, word) if inside else text for text, inside in zip(texts, masked.tolist(), strict=True)]


def _copies(recipe: Recipe, data: TextData, rows: UsedRows, held_out: list[Split]) -> Copies:
    """Make the changed copies of the training texts."""
    part, train = recipe.augmentation, rows.train
    if part.copies == 0:
        return Copies([], np.empty(0, dtype=np.int64), np.empty(0, dtype=bool), [])
    neighbors = None
    if part.vectors is not None:
        neighbors = find_neighbors(part.vectors, train, classes=len(data.label_names), least=part.similarity)
    augmenter = Augmenter(
        rules=part.rules,
        copies=copies_for(len(train)) if part.copies == "auto" else part.copies,
        strength=strength_for(len(train)) if part.strength == "auto" else part.strength,
        protected=frozenset(word.lower() for word in part.protected),
        neighbors=neighbors,
        short_ngrams=recipe.distillation.teacher is not None,
    )
    copies = augmenter.copies_of(train, seed=stream(recipe.seed, "augmentation"), forbidden=held_out)
    notes = [*(neighbors.notes if neighbors is not None else []), *copies.notes]
    return Copies(copies.texts, copies.owners, copies.labeled, notes)


def _agreement(logits: NDArray[np.float32], train: Split) -> list[str]:
    """Say how often the teacher is right on the training rows; less often than the majority label is no teacher."""
    labels = train.labels
    assert labels is not None  # noqa: S101 - `prepare` has refused rows without labels
    if labels.ndim == 2:
        right, guess = float(((logits > 0) == labels).mean()), float(np.maximum(labels.mean(), 1 - labels.mean()))
    else:
        right, guess = float((logits.argmax(axis=1) == labels).mean()), float(np.bincount(labels).max() / len(labels))
    note = f"teacher: right on {100 * right:.1f} % of the training rows"
    if right <= guess:
        note += (
            f", and always saying the most frequent label would be on {100 * guess:.1f} %: it is likely of another"
            " task, or its labels mean something else than their names say"
        )
    return [note]
