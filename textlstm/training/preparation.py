"""From a recipe and its data to rows, ids and a fresh model; what one run needs before its first step.

Randomness comes in named streams drawn from the recipe's seed (subset, embedding, layer k, head, order, dropout), so
what is equal at two depths starts equal, and comparing depths at one seed is a paired comparison.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

from textlstm.errors import DataError, RecipeError
from textlstm.model import TextLSTMConfig, TextLSTMForLanguageModeling, TextLSTMForSequenceClassification
from textlstm.recipe import Recipe
from textlstm.text.datasets import TextData
from textlstm.text.folds import with_own_fold
from textlstm.text.protocol import UsedRows, use_rows
from textlstm.text.streams import stream
from textlstm.text.tokenization import Encoded, encode, load_tokenizer, train_tokenizer
from textlstm.text.vectors import source_words
from textlstm.training.embeddings import PretrainedEmbeddings, pretrained_embeddings
from textlstm.training.seen_before import seen_before, vector_models
from textlstm.training.transfer import Encoder, apply_encoder, encoder_folder
from textlstm.training.transfer_set import TransferSet, collect_texts, make_transfer_set


@dataclass
class Prepared:
    """Rows of one run as ids.

    Attributes:
        data: what was loaded.
        rows: the splits in use.
        tokenizer: trained on the training rows (and on texts that a teacher labels), or a given one.
        encoded: ids by split name.
        vectors: what the embeddings start from; None for a random start.
        transfer: what is learned from beside the training rows; None for nothing.
    """

    data: TextData
    rows: UsedRows
    tokenizer: PreTrainedTokenizerFast
    encoded: dict[str, Encoded]
    vectors: PretrainedEmbeddings | None = None
    transfer: TransferSet | None = None

    @property
    def fingerprint(self) -> str:
        """Of the data, and of pretrained vectors, teachers and changed copies where there are any."""
        parts = [self.data.fingerprint]
        if self.vectors is not None:
            parts.append(self.vectors.digest)
        if self.transfer is not None and self.transfer.digest:
            parts.append(self.transfer.digest)
        if self.transfer is not None and self.transfer.copies:
            parts.append(self.transfer.copies)
        return "+".join(parts)

    @property
    def learned(self) -> tuple[Encoded, np.ndarray]:
        """Ids and labels of all rows that are learned from: the training rows, and behind them the further ones.

        A further row without a label has a placeholder: class 0, or no label of several.
        """
        encoded, labels = self.encoded["train"], self.rows.train.labels
        assert labels is not None  # noqa: S101 - `prepare` has refused rows without labels
        if self.transfer is None:
            return encoded, labels
        further = labels[np.maximum(self.transfer.owners, 0)].copy()
        further[~self.transfer.labeled] = 0
        return encoded.followed_by(self.transfer.encoded), np.concatenate([labels, further])


def prepare(recipe: Recipe, data: TextData) -> Prepared:
    """Draw a run's rows and turn them into ids.

    Args:
        recipe: `data.size`, `seed`, `tokenizer`, `embeddings`, `transfer.encoder`, `augmentation` and `distillation`
            are read.
        data: all splits.

    Returns:
        Rows, tokenizer and ids; the same for every depth of one size and seed.

    Raises:
        DataError: the size does not fit the data, or pretrained vectors cannot be read.
        ModelError: a given tokenizer, encoder or teacher cannot be found.
        RecipeError: pretrained vectors do not go with the vocabulary, or a teacher's labels not with the data's; or an
            encoder or a teacher has learned from what is scored here.
    """
    data = with_own_fold(recipe.data, data)
    rows = use_rows(data, size=recipe.data.size, seed=stream(recipe.seed, "subset"), holdout=recipe.data.holdout)
    if not recipe.data.score_test:
        rows = replace(rows, test=None)
    labels = rows.train.labels
    if labels is None:
        raise DataError(f"Training needs labels, and {data.source} has none; name the column with --label-column.")
    if not data.multi_label and len(np.unique(labels)) < 2:
        raise DataError(
            f"Training needs rows of at least two classes, and all {len(labels)} training rows of {data.source} have"
            f" the label {data.label_names[int(labels[0])]!r}; check the label column, or use more rows."
        )
    told = [note for who, folder in vector_models(recipe) for note in seen_before(who, folder, recipe, data)]
    rows = replace(rows, notes=[*rows.notes, *told])
    further = collect_texts(recipe, data, rows)
    part = recipe.tokenizer
    if recipe.transfer.encoder is not None:
        folder = encoder_folder(recipe.transfer.encoder)
        told = seen_before(f"Encoder {recipe.transfer.encoder}", folder, recipe, data)
        rows = replace(rows, notes=[*rows.notes, *told])
        tokenizer = load_tokenizer(folder, max_length=part.max_length)
    elif part.kind == "pretrained":
        assert part.source is not None  # noqa: S101 - the recipe has checked that the two go together
        tokenizer = load_tokenizer(part.source, max_length=part.max_length)
    else:
        tokenizer = train_tokenizer(
            # Texts that a teacher labels bring words; copies are made of words that are known, and of noise.
            [*rows.train.text_list(), *further.others],
            kind=part.kind,
            vocab_size=part.vocab_size,
            min_frequency=part.min_frequency,
            lowercase=part.lowercase,
            max_length=part.max_length,
            extra_words=_extra_words(recipe),
        )
    encoded = {name: encode(tokenizer, split.texts, max_length=part.max_length) for name, split in rows.splits.items()}
    vectors = None
    if recipe.embeddings.source is not None:
        vectors = pretrained_embeddings(recipe, tokenizer, encoded["train"], rows.train.texts)
    transfer = make_transfer_set(recipe, data, rows, further, tokenizer)
    return Prepared(data, rows, tokenizer, encoded, vectors, transfer)


def _extra_words(recipe: Recipe) -> list[str]:
    """The words that pretrained vectors add to the vocabulary."""
    part = recipe.embeddings
    return source_words(part.source, part.extra_words) if part.source is not None and part.extra_words else []


def check_model_options(recipes: Iterable[Recipe]) -> None:
    """Find options that do not go together before anything is trained.

    Args:
        recipes: the cells of a grid.

    Raises:
        RecipeError: every problem, once.
    """
    problems: dict[str, None] = {}
    for recipe in recipes:
        try:
            TextLSTMConfig(**recipe.model.model_dump())
        except ValueError as error:
            problems[f"at {recipe.model.num_layers} layers, model.{error}"] = None
    if problems:
        raise RecipeError(
            "The model's options do not go together:\n" + "\n".join(f"  {problem}" for problem in problems)
        )


def build_config(recipe: Recipe, prepared: Prepared) -> TextLSTMConfig:
    """Make the model's configuration from the recipe and what the data decides.

    Args:
        recipe: the `model:` part is taken over.
        prepared: vocabulary, labels and class frequencies.

    Returns:
        The configuration.

    Raises:
        RecipeError: the options do not go together.
    """
    names = prepared.data.label_names
    weights = None
    if recipe.training.class_weights == "balanced":
        labels = prepared.rows.train.labels
        assert labels is not None  # noqa: S101 - `prepare` has refused rows without labels
        counts = labels.sum(0) if labels.ndim == 2 else np.bincount(labels, minlength=len(names))
        # A class without training rows has no loss to weigh.
        positive = np.maximum(counts, 1)
        balanced = (len(labels) - counts) / positive if labels.ndim == 2 else len(labels) / (len(names) * positive)
        weights = [float(weight) for weight in balanced]
    try:
        return TextLSTMConfig(
            **recipe.model.model_dump(),
            vocab_size=len(prepared.tokenizer),
            pad_token_id=prepared.tokenizer.pad_token_id,
            id2label=dict(enumerate(names)),
            label2id={name: index for index, name in enumerate(names)},
            problem_type="multi_label_classification" if prepared.data.multi_label else "single_label_classification",
            class_weights=weights,
        )
    except ValueError as error:
        raise RecipeError(f"The model's options do not go together: {error}") from None


def build_model(
    config: TextLSTMConfig,
    *,
    seed: int,
    vectors: PretrainedEmbeddings | None = None,
    encoder: Encoder | None = None,
) -> TextLSTMForSequenceClassification:
    """Make a model whose every part starts from its own stream.

    Args:
        config: of the model.
        seed: of the run.
        vectors: rows that the embeddings start from; drawn at random when None.
        encoder: what embeddings and lower layers start from; drawn at random when None.

    Returns:
        A model on the CPU; layer k starts alike in stacks of any depth (where its shapes are equal).

    Raises:
        RecipeError: the model's settings are not those of the encoder.
    """
    model = TextLSTMForSequenceClassification(config)
    draw_weights(model, seed=seed)
    if encoder is not None:
        apply_encoder(model, encoder)
    if vectors is not None:
        embedding = model.get_input_embeddings()
        assert isinstance(embedding, torch.nn.Embedding)  # noqa: S101 - the model's own contract
        with torch.no_grad():
            embedding.weight.copy_(torch.tensor(np.array(vectors.rows)))
    return model


def draw_weights(model: TextLSTMForSequenceClassification | TextLSTMForLanguageModeling, *, seed: int) -> None:
    """Draw every part's weights anew, each from its own stream.

    Args:
        model: changed in place.
        seed: of the run.
    """
    for name, module in model.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(stream(seed, name))
                for parameter in module.parameters(recurse=False):
                    parameter._is_hf_initialized = False
                model._init_weights(module)
