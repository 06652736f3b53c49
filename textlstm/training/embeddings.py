"""Pretrained vectors of one run: read for its vocabulary, fitted to its width, and how training may change them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

from textlstm.errors import RecipeError
from textlstm.recipe import Recipe
from textlstm.recipe_sections import EmbeddingsSection, TrainingSection
from textlstm.text.alignment import compose_pieces, fill_missing, fit_scale, fit_width, found_rows
from textlstm.text.coverage import count_types, coverage_of
from textlstm.text.encoding import Encoded
from textlstm.text.streams import stream
from textlstm.text.tokenization import vocabulary_size
from textlstm.text.vector_places import find_place
from textlstm.text.vector_report import WordVectors
from textlstm.text.vectors import piece_vectors, read_vectors, source_digest, vector_width
from textlstm.text.word_matching import MISSING, PIECES

_NEVER = 2**62


@dataclass(frozen=True, eq=False)
class PretrainedEmbeddings:
    """What the embeddings of a run start from.

    Attributes:
        rows: (vocabulary, embedding_size) float32; the row of padding is zero.
        digest: hash of the vectors' content.
        notes: the source, its damage, what it covers of the training texts, and what was done to it.
    """

    rows: np.ndarray
    digest: str
    notes: list[str]


def pretrained_embeddings(
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerFast,
    encoded: Encoded,
    texts: Sequence[str] | pa.Array | pa.ChunkedArray,
) -> PretrainedEmbeddings:
    """Make a vocabulary's rows of pretrained vectors.

    Args:
        recipe: its `embeddings:` part, `model.embedding_size`, `seed` and `threads` are read.
        tokenizer: of the run.
        encoded: the training texts as ids.
        texts: the training texts; a sub-word tokenizer needs the words of which its pieces are parts.

    Returns:
        The rows. In this order: looked up (or put together), projected, scaled, gaps filled.

    Raises:
        DataError: the vectors cannot be read, or have another width and may not be projected.
        ModelError: an encoder or its tokenizer cannot be read.
        RecipeError: nothing was found for any word, or `distill` was asked of a file.
    """
    part, width = recipe.embeddings, recipe.model.embedding_size
    assert part.source is not None  # noqa: S101 - the caller has looked
    vocabulary = tokenizer.convert_ids_to_tokens(list(range(vocabulary_size(tokenizer))))
    tokens = [token or "" for token in vocabulary]
    counts = np.bincount(encoded.ids, minlength=len(tokens))
    kind = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["type"]
    same = None if part.distill or kind == "WordLevel" else piece_vectors(part.source, tokens)
    if kind == "WordLevel":
        vectors = _vectors(recipe, tokens, counts)
        rows, ranks = vectors.rows, vectors.ranks
        if part.distill:
            ranks[tokenizer.all_special_ids] = MISSING  # an encoder would read their names as words
        notes = [*vectors.report.describe(), *coverage_of(tokens, counts, ranks).describe()]
    elif same is not None:
        rows, ranks = same.rows, same.ranks
        notes = [*same.report.describe(), *coverage_of(tokens, counts, ranks).describe()]
    else:
        words, occurrences = count_types(texts, lowercase=False)
        vectors = _vectors(recipe, words, occurrences)
        found = found_rows(vectors.ranks)
        known = [word for word, has in zip(words, found.tolist(), strict=True) if has]
        rows, held = compose_pieces(
            known,
            occurrences[found],
            vectors.rows[found],
            tokenizer.backend_tokenizer,
            vocab_size=len(tokens),
            method=part.pieces,
        )
        ranks = np.where(held, PIECES, MISSING).astype(np.int8)
        way = "least squares" if part.pieces == "least_squares" else "their mean"
        notes = [*vectors.report.describe(), *coverage_of(words, occurrences, vectors.ranks).describe()]
        notes.append(f"{int(held.sum()):,} of {len(tokens):,} pieces put together from these words by {way}")
    ranks[tokenizer.pad_token_id] = MISSING
    found = found_rows(ranks)
    if not found.any():
        raise RecipeError(
            f"embeddings.source {part.source} holds a vector for none of the {len(tokens):,} words of the vocabulary;"
            " it is likely of another language, or of another kind than it seems."
        )
    rows[~found] = 0.0
    fitted = fit_width(rows, found, width=width, method=part.projection, seed=stream(recipe.seed, "projection"))
    scaled = fit_scale(fitted.rows, found, deviation=part.scale)
    filled = fill_missing(scaled, found, method=part.missing, seed=stream(recipe.seed, "missing vectors"))
    filled[tokenizer.pad_token_id] = 0.0
    notes += [fitted.note] if fitted.note else []
    return PretrainedEmbeddings(filled, source_digest(part.source), [f"embeddings: {note}" for note in notes])


def _vectors(recipe: Recipe, words: Sequence[str], counts: np.ndarray) -> WordVectors:
    """Read the vectors of words, or distil them from an encoder."""
    part = recipe.embeddings
    assert part.source is not None  # noqa: S101 - the caller has looked
    if not part.distill:
        return read_vectors(part.source, words)
    from textlstm.inference.static_table import distill_words

    width = recipe.model.embedding_size
    return distill_words(
        _encoder_folder(part.source), words, counts, width=width, name=part.source, threads=recipe.threads
    )


def _encoder_folder(source: str) -> Path:
    """Find the encoder that words are to be passed through."""
    place = find_place(source)
    if not place.is_folder:
        raise RecipeError(
            f"embeddings.distill passes words through an encoder, and {source} is a file; name the folder or Hub id of"
            " an encoder, or leave `distill` out."
        )
    return place.path


def check_vectors(recipes: Iterable[Recipe]) -> None:
    """Look at the sources of a grid's cells before anything is trained; the vectors themselves are not read.

    Args:
        recipes: the cells' recipes.

    Raises:
        DataError: there is nothing at a place, it is of no known format, or has another width and may not be projected.
        RecipeError: `distill` was asked of a file.
    """
    seen = set()
    for recipe in recipes:
        part, width = recipe.embeddings, recipe.model.embedding_size
        asked = (part.source, part.distill, part.projection, width)
        if part.source is None or asked in seen:
            continue
        seen.add(asked)
        if part.distill:
            _encoder_folder(part.source)
        else:
            nothing = np.empty((0, vector_width(part.source)), dtype=np.float32)
            fit_width(nothing, np.empty(0, dtype=bool), width=width, method=part.projection, seed=0)


def update_settings(training: TrainingSection, embeddings: EmbeddingsSection) -> TrainingSection:
    """Give the training settings with the rate that pretrained rows ask for.

    Args:
        training: the recipe's `training:` part.
        embeddings: its `embeddings:` part.

    Returns:
        The same settings without pretrained vectors; else a copy with their rate, 0 for rows that are never tuned.
    """
    if embeddings.source is None:
        return training
    rate = training.embedding_learning_rate if embeddings.learning_rate is None else embeddings.learning_rate
    return training.model_copy(update={"embedding_learning_rate": 0.0 if embeddings.tuned == "never" else rate})


def frozen_updates(embeddings: EmbeddingsSection, border_steps: np.ndarray) -> int:
    """Count the updates at the beginning of a run that leave the pretrained rows alone.

    Args:
        embeddings: the recipe's `embeddings:` part.
        border_steps: (epochs,) updates done at the end of each epoch.

    Returns:
        Updates; more than any run has where it ends before the rows' turn comes.
    """
    if embeddings.source is None or isinstance(embeddings.tuned, str):
        return 0
    return int(border_steps[embeddings.tuned - 1]) if embeddings.tuned < len(border_steps) else _NEVER
