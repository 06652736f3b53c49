"""pretrain: language models of both directions from unlabeled text, saved as an encoder to start classifiers from."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

from textlstm.errors import NonFiniteLossError, RecipeError, RunFolderError
from textlstm.inference.torch_classifier import choose_device
from textlstm.model import TextLSTMConfig, TextLSTMForLanguageModeling
from textlstm.recipe import Recipe
from textlstm.text.running_text import RunningText
from textlstm.text.text_record import TextRecord
from textlstm.text.token_stream import write_stream
from textlstm.text.tokenization import load_tokenizer, save_tokenizer, train_tokenizer
from textlstm.training.checkpoint_files import told_of_full_disks
from textlstm.training.checkpoints import claim_checkpoints, discard_checkpoints, set_damaged_aside
from textlstm.training.cost import describe_environment
from textlstm.training.memory import keep_freed_memory
from textlstm.training.preparation import draw_weights
from textlstm.training.pretraining_keys import refuse_unread
from textlstm.training.pretraining_run import Listener, PretrainingRecord, PretrainingRun

RESULT_NAME = "pretraining.json"
CHECKPOINTS_FOLDER = "checkpoints"
DIRECTIONS = ("forward", "backward")


class Pretrained(BaseModel):
    """What came of pretraining.

    Attributes:
        source: of the text.
        text_digest: hash of the ids.
        texts: read.
        tokens: trained on, in one pass.
        vocabulary: words.
        perplexity: by direction on the texts kept out, by the whole softmax.
        unigram_perplexity: of word frequencies alone on the same texts, to hold it against.
        history: records on the way.
        seconds: wall time of the updates.
        tokens_per_second: tokens read by both directions together, in a second.
        parameters: of the stack with embeddings and softmax bias.
        notes: what was found in the source.
        environment: versions and machine.
    """

    source: str
    text_digest: str
    texts: int
    tokens: int
    vocabulary: int
    perplexity: dict[str, float]
    unigram_perplexity: float
    history: list[PretrainingRecord]
    seconds: float
    tokens_per_second: float
    parameters: int
    notes: list[str]
    environment: dict[str, Any]


def pretrain(recipe: Recipe, *, out: Path, listener: Listener | None = None) -> Pretrained:
    """Train language models on text and save them as an encoder.

    Args:
        recipe: `data` names the text, the fold that is left out of it, and data whose held-out texts are; `tokenizer`,
            `model`, `language_model`, `seed`, `threads`, `device` and of `training` epochs, batch_size (streams), the
            rates, schedule, warmup, weight_decay, max_grad_norm, weight_averaging and checkpoint_seconds are read;
            others are refused.
        out: folder for the encoder; an interrupted run is resumed from checkpoints below it.
        listener: called after every update.

    Returns:
        Perplexities and costs, as written to `out/pretraining.json`.

    Raises:
        DataError: the text cannot be read, or there is too little of it.
        RecipeError: the model's options do not go together, or keys are set that are not read.
        RunFolderError: the folder holds a finished encoder, or checkpoints of other settings or text.
        NonFiniteLossError: the loss or its gradient became NaN or infinite.
    """
    refuse_unread(recipe)
    if (out / RESULT_NAME).exists():
        raise RunFolderError(f"{out} holds a finished encoder ({RESULT_NAME}); give another --out, or move it away.")
    device = choose_device(recipe.device)
    torch.set_num_threads(recipe.threads)
    if device.type == "cpu":
        keep_freed_memory()
    texts = RunningText(recipe.data, limit=recipe.language_model.max_texts)
    tokenizer = _tokenizer(recipe, texts)
    model = build_language_model(recipe, tokenizer)
    with tempfile.TemporaryDirectory(prefix="textlstm-") as scratch:
        part, record = recipe.language_model, TextRecord()
        batches = record.watch(texts.batches())
        text = write_stream(batches, tokenizer, Path(scratch) / "ids", validation_tokens=part.validation_tokens)
        run = PretrainingRun(recipe, model, text, device)
        checkpoints = out / CHECKPOINTS_FOLDER
        damage = set_damaged_aside(checkpoints)
        resumed = claim_checkpoints(checkpoints, recipe, data_fingerprint=text.digest)
        if resumed is not None:
            run.resume(resumed)
        try:
            with told_of_full_disks(checkpoints):
                run.train(checkpoints, listener)
        except NonFiniteLossError:
            discard_checkpoints(checkpoints)  # to go on from one would end in the same place
            raise
        if run.average is not None:
            run.average.swap()
        losses = run.validation_losses()
        unigram = (text.counts + 1) / (text.counts + 1).sum()
        result = Pretrained(
            source=recipe.data.source,
            text_digest=text.digest,
            texts=text.texts,
            tokens=len(text.train),
            vocabulary=len(tokenizer),
            perplexity={name: math.exp(loss) for name, loss in zip(DIRECTIONS, losses, strict=False)},
            unigram_perplexity=float(np.exp(-np.log(unigram[text.validation]).mean())),
            history=run.history,
            seconds=run.seconds,
            tokens_per_second=run.tokens / max(run.seconds, 1e-9),
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            notes=[*texts.notes, *damage],
            environment=describe_environment(device),
        )
    model.cpu().train(False)
    with told_of_full_disks(out):
        model.save_pretrained(out)
        save_tokenizer(tokenizer, out)
        record.write(out)
    (out / "recipe.yaml").write_text(recipe.to_yaml(), "utf-8")
    partial = out / f"{RESULT_NAME}.partial"
    partial.write_text(result.model_dump_json(indent=1) + "\n", "utf-8")
    partial.replace(out / RESULT_NAME)  # by rename, and last: an encoder that has this file is whole
    discard_checkpoints(checkpoints)
    return result


def _tokenizer(recipe: Recipe, texts: RunningText) -> PreTrainedTokenizerFast:
    """Take the tokenizer that the recipe names, or train one on the first texts."""
    part = recipe.tokenizer
    if part.kind == "pretrained":
        assert part.source is not None  # noqa: S101 - the recipe has checked that the two go together
        return load_tokenizer(part.source, max_length=part.max_length)
    first = RunningText(recipe.data, limit=recipe.language_model.tokenizer_texts)
    return train_tokenizer(
        [text for batch in first.batches() for text in batch],
        kind=part.kind,
        vocab_size=part.vocab_size,
        min_frequency=part.min_frequency,
        lowercase=part.lowercase,
        max_length=part.max_length,
    )


def build_language_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> TextLSTMForLanguageModeling:
    """Make the pair of language models, every part from its own stream of random numbers.

    Args:
        recipe: `model` and `seed` are read.
        tokenizer: decides the vocabulary.

    Returns:
        The models, on the CPU.

    Raises:
        RecipeError: the options do not go together.
    """
    try:
        config = TextLSTMConfig(
            **recipe.model.model_dump(), vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id
        )
        model = TextLSTMForLanguageModeling(config)
    except ValueError as error:
        raise RecipeError(f"The model's options do not go together: {error}") from None
    draw_weights(model, seed=recipe.seed)
    return model
