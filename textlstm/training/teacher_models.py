"""What a teacher's folder holds, and its logits: a model of this package, or a classifier of transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from textlstm.errors import ModelError, first_line
from textlstm.inference.frozen_encoder import is_static
from textlstm.text.augmentation import MASK
from textlstm.text.masked_texts import MARK, reads_masks, teach_mark
from textlstm.text.reused_tokenizer import load_tokenizer

Floats = NDArray[np.float32]
Kind = Literal["textlstm", "classifier", "encoder"]
Opened = tuple[list[str], bool | None, Callable[[list[str]], Floats]]
"""A classifier's label names, whether a text may have several of them (None where it does not say), and its logits."""

MOST_TOKENS = 512
"""Tokens of a text that a teacher reads, at most; its own limit may be lower."""

_BATCH_TOKENS = 8192


def kind_of(folder: Path) -> Kind:
    """Tell what a model's folder holds.

    Args:
        folder: with a config.json, or none.

    Returns:
        "textlstm", "classifier", or "encoder" for everything else.

    Raises:
        ModelError: its config.json is damaged.
    """
    path = folder / "config.json"
    if not path.is_file():
        return "encoder"
    try:
        config = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(
            f"{path} should be a model's settings as JSON and is damaged ({error}); copy it again."
        ) from None
    if config.get("model_type") == "textlstm":
        return "textlstm"
    named = config.get("architectures") or []
    return "classifier" if any(str(one).endswith("ForSequenceClassification") for one in named) else "encoder"


def mask_word(folder: Path, kind: Kind) -> str:
    """Say what stands for a masked word in a text that a teacher is asked about.

    Args:
        folder: of the teacher.
        kind: what it is.

    Returns:
        Of models of transformers the mask token, or else the unknown token; of own models what they read as unknown.
        A tokenizer without either, and a table of embeddings, whose unknown words do not count, get MASK itself.

    Raises:
        ModelError: the tokenizer cannot be loaded.
    """
    if kind == "encoder" and is_static(folder):
        return MASK
    if kind == "textlstm":
        own = load_tokenizer(folder, max_length=MOST_TOKENS)
        assert own.unk_token_id is not None  # noqa: S101 - `load_tokenizer` sees to it
        return MASK if reads_masks(own.backend_tokenizer, own.unk_token_id) else MARK
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    except Exception as error:  # a stranger's files make the libraries raise anything, bare exceptions too
        raise ModelError(
            f"{folder} should hold a tokenizer that transformers can load and does not ({first_line(error)}); name"
            " another teacher."
        ) from error
    unknown = tokenizer.unk_token if tokenizer.unk_token != tokenizer.eos_token else None  # of decoders: the end
    return str(tokenizer.mask_token or unknown or MASK)


def load_own(folder: Path, threads: int, device: str) -> Opened:
    """Load a model of this package.

    Args:
        folder: of the model.
        threads: that it may use.
        device: where it runs.

    Returns:
        Its label names, whether a text may have several, and its uncalibrated logits.
    """
    import torch

    from textlstm.inference.predictor import Predictor

    predictor = Predictor.load(folder, backend="torch", device=device, calibrated=False)
    backend, unk = predictor.classifier.backend, predictor.classifier.unk_id
    reader = None if reads_masks(backend, unk) else teach_mark(backend, unk)

    def ask(texts: list[str]) -> Floats:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            encoded = predictor.encode(texts)
            return predictor.logits_of(encoded if reader is None else reader.read(encoded))
        finally:
            torch.set_num_threads(before)

    return predictor.label_names, predictor.multi_label, ask


def load_classifier(folder: Path, threads: int, device: str) -> Opened:
    """Load a classifier of transformers, from safetensors and without code of its own.

    Args:
        folder: of the model and its tokenizer.
        threads: that it may use.
        device: where it runs.

    Returns:
        Its label names, whether a text may have several (None where it does not say), and its logits.

    Raises:
        ModelError: it cannot be loaded, or has one output alone.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from textlstm.text.batching import plan_ordered

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    except Exception as error:  # a stranger's files make the libraries raise anything, bare exceptions too
        reason = first_line(error)
        raise ModelError(
            f"{folder} should be a classifier that transformers can load and is not ({reason}); name another teacher."
        ) from error
    model.train(False)
    model.to(device)
    names = [str(name) for _, name in sorted((int(key), name) for key, name in model.config.id2label.items())]
    if len(names) < 2 and model.config.problem_type != "multi_label_classification":
        raise ModelError(
            f"A teacher has an output for each label, and {folder} has one output in all; name a teacher that was"
            " trained with a label for each class."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        model.config.pad_token_id = tokenizer.pad_token_id  # decoders look for the last word by it
    positions = getattr(model.config, "max_position_embeddings", None) or MOST_TOKENS
    limit = min(MOST_TOKENS, tokenizer.model_max_length, positions)
    several = {"multi_label_classification": True, "single_label_classification": False}.get(model.config.problem_type)

    def ask(texts: list[str]) -> Floats:
        ids = tokenizer(list(texts), truncation=True, max_length=limit)["input_ids"]
        logits = np.zeros((len(texts), len(names)), dtype=np.float32)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            with torch.inference_mode():
                lengths = np.array([len(row) for row in ids], dtype=np.int64)
                for rows in plan_ordered(lengths, batch_tokens=_BATCH_TOKENS, max_rows=256):
                    batch = tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt").to(device)
                    logits[rows] = model(**batch).logits.float().cpu().numpy()
        finally:
            torch.set_num_threads(before)
        return logits

    return names, several, ask
