"""How many randomly labeled texts a stack can fit: training on labels that only memory can tell.

Labels are drawn by chance for texts of which no two are alike, so that nothing is to be learned but the texts
themselves (Zhang et al. 2017, ICLR, arXiv 1611.03530). Word embeddings are frozen where they were drawn: they could
hold the labels of rare words without any layer. Nothing is dropped and nothing decays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from textlstm.analysis.claims.ladder import FITTED
from textlstm.errors import DataError
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.recipe import Recipe
from textlstm.text.batching import pad_batch
from textlstm.text.datasets import TextData
from textlstm.text.encoding import Encoded, encode
from textlstm.text.tokenization import train_tokenizer
from textlstm.training.optimizer import clip_gradients
from textlstm.training.preparation import build_model

_SCORED_ROWS = 1024  # texts that are scored at a time
_GAIN = 0.003  # share of texts; less is no gain
_WARM_UP = 50  # updates in which the learning rate rises


@dataclass(frozen=True, eq=False)
class RandomTexts:
    """Texts of which no two are alike, with labels drawn by chance.

    Attributes:
        encoded: ids of the texts, cut to the recipe's length.
        labels: (texts,) int64, 0 or 1.
        vocab_size: ids that there are.
        pad_id: id of padding.
    """

    encoded: Encoded
    labels: NDArray[np.int64]
    vocab_size: int
    pad_id: int

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Fit:
    """What a stack has fitted of some texts.

    Attributes:
        fixed: share of the texts that it gets right after the fixed number of updates.
        saturated: the same in the end.
        updates: in the end.
        loss: mean log loss in nats after the fixed number of updates.
        capped: whether training was cut off while it still gained.
    """

    fixed: float
    saturated: float
    updates: int
    loss: float
    capped: bool


@dataclass(frozen=True)
class Course:
    """How long a stack is trained.

    Attributes:
        fixed_updates: at which the first figure is taken.
        most_updates: at which training is cut off.
        patience: updates without a gain in the share of fitted texts after which it is saturated.
        batch_size: texts of an update.
        max_grad_norm: of the gradient.
    """

    fixed_updates: int
    most_updates: int
    patience: int
    batch_size: int
    max_grad_norm: float


def random_texts(recipe: Recipe, data: TextData, *, most: int, seed: int) -> RandomTexts:
    """Draw texts that differ after tokenization, and labels for them.

    Args:
        recipe: its tokenizer is read.
        data: the training split is drawn from.
        most: texts that are wanted; the first n of them are the texts of every smaller number.
        seed: of texts and labels.

    Returns:
        Up to `most` texts, as many as differ; each prefix has labels that are as even as can be.

    Raises:
        DataError: there are fewer than two different texts.
    """
    part = recipe.tokenizer
    rng = np.random.default_rng([seed, 0x6D656D6F])
    split = data.splits["train"]
    split = split.take(rng.permutation(len(split)))
    texts = split.text_list()
    tokenizer = train_tokenizer(
        texts,
        kind="word" if part.kind == "pretrained" else part.kind,
        vocab_size=part.vocab_size,
        min_frequency=part.min_frequency,
        lowercase=part.lowercase,
        max_length=part.max_length,
    )
    encoded = encode(tokenizer, split.texts, max_length=part.max_length)
    different = _different(encoded, most)
    if len(different) < 2:
        raise DataError(
            f"The capacity claim needs texts that differ within the first {part.max_length} tokens, and {data.source}"
            f" has {len(different)} of them; raise tokenizer.max_length, or name other data."
        )
    pairs = rng.random(((len(different) + 1) // 2, 1)) < 0.5
    labels = np.hstack([pairs, ~pairs]).ravel()[: len(different)].astype(np.int64)
    return RandomTexts(encoded.take(different), labels, len(tokenizer), int(tokenizer.pad_token_id))


def _different(encoded: Encoded, most: int) -> NDArray[np.int64]:
    """Positions of the first texts of which no two have the same ids."""
    first: dict[bytes, int] = {}
    for row in range(len(encoded)):
        first.setdefault(encoded[row].tobytes(), row)
        if len(first) == most:
            break
    return np.array(list(first.values()), dtype=np.int64)


def fit_texts(
    config: TextLSTMConfig,
    texts: RandomTexts,
    count: int,
    *,
    learning_rate: float,
    course: Course,
    seed: int,
    threads: int = 1,
) -> Fit:
    """Train a fresh stack on the first texts until it has them all, or gains no more.

    Args:
        config: of the stack; its vocabulary is that of the texts.
        texts: with labels.
        count: how many of them.
        learning_rate: of Adam, after a short warm-up; it stays, so that the fixed end and the end see one course.
        course: how long.
        seed: of weights and order.
        threads: CPU threads.

    Returns:
        Shares of the texts that it gets right in eval mode.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _fit(config, texts, count, learning_rate=learning_rate, course=course, seed=seed)
    finally:
        torch.set_num_threads(before)


def _fit(
    config: TextLSTMConfig, texts: RandomTexts, count: int, *, learning_rate: float, course: Course, seed: int
) -> Fit:
    """Train and look; the weights are on the CPU, where such small stacks are fastest."""
    model = build_model(config, seed=seed).train()
    model.get_input_embeddings().weight.requires_grad_(False)
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=learning_rate, fused=True)
    batches = _batches(count, course.batch_size, seed)
    # Looking at all texts costs a third of training on them: not more often than once in two epochs.
    check = max(25, 2 * -(-count // course.batch_size))
    best, best_at = 0.0, 0
    at_fixed_end: tuple[float, float] | None = None
    right, loss, update = 0.0, float("inf"), 0
    while update < course.most_updates:
        update += 1
        optimizer.param_groups[0]["lr"] = learning_rate * min(1.0, update / _WARM_UP)
        model(**_inputs(texts, next(batches))).loss.backward()
        clip_gradients(weights, course.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if update % check and update not in (course.fixed_updates, course.most_updates):
            continue
        right, loss = _score(model, texts, count)
        if right > best + _GAIN:
            best, best_at = right, update
        if at_fixed_end is None and (update >= course.fixed_updates or right >= FITTED):
            at_fixed_end = right, loss
        still = update - best_at >= course.patience and update >= course.fixed_updates
        if right >= FITTED or still or not np.isfinite(loss):
            break
    fixed, loss = at_fixed_end or (right, loss)
    capped = update == course.most_updates and right < FITTED and update - best_at < course.patience
    return Fit(fixed=fixed, saturated=max(best, right), updates=update, loss=loss, capped=capped)


def _batches(count: int, batch_size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Positions of one batch after another, in a new order every epoch."""
    rng = np.random.default_rng([seed, 0x6261746368])
    parts = -(-count // batch_size)
    while True:
        yield from np.array_split(rng.permutation(count), parts)


def _inputs(texts: RandomTexts, rows: NDArray[np.int64]) -> dict[str, torch.Tensor]:
    """A batch as the model takes it."""
    ids, lengths = pad_batch(texts.encoded, rows, pad_id=texts.pad_id)
    mask = np.arange(ids.shape[1])[None, :] < lengths[:, None]
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask.astype(np.int64)),
        "labels": torch.from_numpy(texts.labels[rows]),
    }


def _score(model: TextLSTMForSequenceClassification, texts: RandomTexts, count: int) -> tuple[float, float]:
    """Share of the texts that are right in eval mode, and their mean log loss."""
    model.eval()
    right, loss = 0, 0.0
    for start in range(0, count, _SCORED_ROWS):
        rows = np.arange(start, min(start + _SCORED_ROWS, count))
        with torch.inference_mode():
            output = model(**_inputs(texts, rows))
        right += int((output.logits.argmax(dim=-1).numpy() == texts.labels[rows]).sum())
        loss += float(output.loss) * len(rows)
    model.train()
    return right / count, loss / count
