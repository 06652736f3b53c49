"""What the layers of a stack hold on some texts: states of sampled tokens, and one pooled vector a text and layer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from textlstm.errors import DataError
from textlstm.inference.predictor import BATCH_ROWS, BATCH_TOKENS
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.model.pooling import pool_last, pool_max, pool_mean
from textlstm.text.batching import pad_batch, plan_ordered
from textlstm.text.encoding import Encoded
from textlstm.training.preparation import build_model

Integers = NDArray[np.int64]
PoolingName = Literal["own", "last", "mean", "max"]


@dataclass(frozen=True, eq=False)
class TokenSample:
    """Some tokens of some texts.

    Attributes:
        text: (samples,) number of the text that each token stands in, rising.
        position: (samples,) its place in the text, counted from 0.
        ids: (samples,) its token id.
    """

    text: Integers
    position: Integers
    ids: Integers

    def __len__(self) -> int:
        return len(self.text)


@dataclass(frozen=True, eq=False)
class LayerStates:
    """States of every level of a stack: 0 is the word embeddings, k is layer k.

    Attributes:
        sample: the tokens whose states were kept.
        tokens: by level, (samples, width) float32.
        pooled: by level, (texts, pooled width) float32.
        lengths: (texts,) tokens of each text.
        groups: (texts,) equal numbers are texts of equal token ids.
    """

    sample: TokenSample
    tokens: tuple[NDArray[np.float32], ...]
    pooled: tuple[NDArray[np.float32], ...]
    lengths: Integers
    groups: Integers

    @property
    def levels(self) -> int:
        """Number of levels, the embeddings included."""
        return len(self.pooled)


def choose_texts(rows: int, *, most: int, seed: int) -> Integers:
    """Pick texts at random, where there are more than can be looked at.

    Args:
        rows: texts there are.
        most: texts to keep.
        seed: of the draw.

    Returns:
        Row numbers, rising; all of them where there are no more than `most`.
    """
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, size=most, replace=False))


def sample_tokens(encoded: Encoded, *, most: int, seed: int) -> TokenSample:
    """Pick tokens at random, every token of all texts with the same chance.

    Args:
        encoded: the texts' ids.
        most: tokens to keep.
        seed: of the draw.

    Returns:
        The tokens, in the order of the texts.
    """
    chosen = choose_texts(len(encoded.ids), most=most, seed=seed)
    text = np.searchsorted(encoded.offsets, chosen, side="right") - 1
    return TokenSample(text, chosen - encoded.offsets[text], encoded.ids[chosen].astype(np.int64))


def one_token_a_text(encoded: Encoded, *, seed: int) -> TokenSample:
    """Pick one token of each text at random: samples that are independent where the texts are.

    Args:
        encoded: the texts' ids.
        seed: of the draw.

    Returns:
        As many tokens as there are texts that have any.
    """
    text = np.flatnonzero(encoded.lengths > 0)
    position = np.floor(np.random.default_rng(seed).random(len(text)) * encoded.lengths[text]).astype(np.int64)
    return TokenSample(text, position, encoded.ids[encoded.offsets[text] + position].astype(np.int64))


def text_groups(encoded: Encoded) -> Integers:
    """Number texts so that equal numbers are equal texts, for splits that part no text from its copies.

    Args:
        encoded: the texts' ids.

    Returns:
        (texts,) numbers from 0.
    """
    keys = [hashlib.blake2b(encoded[row].tobytes(), digest_size=16).digest() for row in range(len(encoded))]
    if not keys:
        return np.empty(0, dtype=np.int64)
    return np.asarray(np.unique(np.array(keys, dtype="S16"), return_inverse=True)[1], dtype=np.int64)


def layer_states(
    model: TextLSTMForSequenceClassification,
    encoded: Encoded,
    *,
    sample: TokenSample | None = None,
    pooling: PoolingName = "own",
    batch_tokens: int = BATCH_TOKENS,
) -> LayerStates:
    """Run a stack over texts and keep what each level holds.

    Memory is that of what is kept, (texts + samples) x widths in float32, and of one batch.

    Args:
        model: on its device; put into eval mode for the while, and left as it was.
        encoded: the texts' ids; pick some of many first (`choose_texts`, `Encoded.take`).
        sample: tokens whose states are kept, of `sample_tokens`; none when None.
        pooling: how a level's states become one vector a text. "own" pools every level as the model pools its top; mean
            and max side by side where that has weights of its own (attention, layer_mix), which fit one level alone.
        batch_tokens: padded tokens a batch may hold.

    Returns:
        The states.

    Raises:
        DataError: there are no texts.
    """
    if len(encoded) == 0:
        raise DataError("States are read on texts, and there are none; give at least one.")
    if sample is None:
        sample = TokenSample(*(np.empty(0, dtype=np.int64) for _ in range(3)))
    names = _poolings(model.config.pooling if pooling == "own" else pooling)
    pooled: list[NDArray[np.float32]] = []
    tokens: list[NDArray[np.float32]] = []
    starts = np.searchsorted(sample.text, np.arange(len(encoded) + 1))  # where each text's samples begin
    for rows, lengths, hidden in read_layers(model, encoded, batch_tokens=batch_tokens):
        if not pooled:
            pooled = [np.empty((len(encoded), states.size(2) * len(names)), dtype=np.float32) for states in hidden]
            tokens = [np.empty((len(sample), states.size(2)), dtype=np.float32) for states in hidden]
        picked = np.concatenate([np.arange(starts[row], starts[row + 1]) for row in rows])
        inside = np.repeat(np.arange(len(rows)), starts[rows + 1] - starts[rows])
        for level, states in enumerate(hidden):
            both = model.config.bidirectional and level > 0  # the embeddings have no direction
            pooled[level][rows] = _pool(states, lengths, names, bidirectional=both).float().cpu().numpy()
            if len(picked):
                place = torch.from_numpy(inside), torch.from_numpy(sample.position[picked])
                tokens[level][picked] = states[place].float().cpu().numpy()
    return LayerStates(sample, tuple(tokens), tuple(pooled), encoded.lengths, text_groups(encoded))


def read_layers(
    model: TextLSTMForSequenceClassification, encoded: Encoded, *, batch_tokens: int = BATCH_TOKENS
) -> Iterator[tuple[Integers, torch.Tensor, tuple[torch.Tensor, ...]]]:
    """Run a stack over texts, batch by batch, without gradients and without dropout.

    Args:
        model: on its device; in eval mode for the while.
        encoded: the texts' ids.
        batch_tokens: padded tokens a batch may hold.

    Yields:
        Row numbers of the batch's texts (rows,), their lengths (rows,), and the states of every level, the embeddings
        first, each (rows, time, width) and zero at padding but for the embeddings.
    """
    batches = plan_ordered(encoded.lengths, batch_tokens=batch_tokens, max_rows=BATCH_ROWS)
    with _reading(model):
        for rows in batches:
            ids, lengths = pad_batch(encoded, rows, pad_id=model.config.pad_token_id)
            mask = (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)
            read = model.lstm(
                torch.from_numpy(ids).to(model.device),
                attention_mask=torch.from_numpy(mask).to(model.device),
                output_hidden_states=True,
                return_dict=True,
            )
            yield rows, torch.from_numpy(lengths).to(model.device), read.hidden_states


def untrained_like(model: TextLSTMForSequenceClassification, *, seed: int) -> TextLSTMForSequenceClassification:
    """Make a stack of the same configuration with fresh weights, embeddings included.

    Args:
        model: the trained stack.
        seed: of the weights; the recipe's own seed gives the weights that its run set out from.

    Returns:
        A model in eval mode, on the same device.
    """
    fresh = build_model(model.config, seed=seed)
    torch.nn.Module.to(fresh, model.device)  # the method of transformers has a type that hides its own class
    fresh.train(False)
    return fresh


@contextmanager
def _reading(model: TextLSTMForSequenceClassification) -> Iterator[None]:
    """Eval mode and no gradients inside; the modes as they were after it."""
    modes = [(module, module.training) for module in model.modules()]
    model.train(False)
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _poolings(name: str) -> Sequence[str]:
    """The plain poolings that one of the model's poolings consists of."""
    return {"concat": ("last", "mean", "max"), "attention": ("mean", "max"), "layer_mix": ("mean", "max")}.get(
        name, (name,)
    )


def _pool(states: torch.Tensor, lengths: torch.Tensor, names: Sequence[str], *, bidirectional: bool) -> torch.Tensor:
    """Pool one level's states, (rows, time, width), to (rows, width a pooling)."""
    parts = []
    for name in names:
        if name == "last":
            parts.append(pool_last(states, lengths, bidirectional=bidirectional))
        else:
            parts.append(pool_mean(states, lengths) if name == "mean" else pool_max(states, lengths))
    return torch.cat(parts, dim=1)
