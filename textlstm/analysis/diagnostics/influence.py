"""How far back a word still moves the answer: occlusion by distance, on the user's texts.

A word's embedding is set to zero, as word dropout does in training, and the change of the winning class's log-odds is
noted, by the word's distance to the text's last word (or to its first). The gradient of the same log-odds by the
embedding stands beside it. In a one-directional stack whose last state is pooled, distance to the end is what the
network has to remember over. Where states of all words are pooled (mean, max, attention, concat, layer_mix), a word is
picked up where it stands: its distance to the end is a position and no test of memory, and a flat profile is what one
expects of it. With two directions and the last states, each word is at most half a text from one of the two ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from textlstm.analysis.diagnostics.steps import text_batches
from textlstm.errors import DataError
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.text.encoding import Encoded

Floats = NDArray[np.float64]
End = Literal["end", "start"]

TEXTS, MAX_TOKENS, PLACES, FEWEST_TEXTS = 128, 256, 16, 8
_ROWS = 256  # occluded copies a batch


@dataclass(frozen=True, eq=False)
class Influence:
    """What single words move, by their distance to one end of the text.

    Attributes:
        counted_from: the end of the text that distances count from.
        distances: (places,) distances looked at, in words; 0 is the word at that end.
        moved: (places,) mean absolute change of the winning class's log-odds, in nats, when the word is hidden.
        low: (places,) lower end of the 95 % interval over texts (normal approximation).
        high: (places,) upper end.
        gradient: (places,) mean L2 norm of the gradient of the log-odds by the word's embedding.
        texts: (places,) texts that are long enough.
        share: of the largest mean change that bounds the effective distance.
        effective: largest distance looked at whose mean change is at least `share` of the largest.
        censored: whether that is the longest distance looked at, so that the true one may be longer.
        tests_memory: whether distance is what the network must remember over: one direction and the last state, from
            the end.
        meaning: a sentence on what distance means for this model.
    """

    counted_from: End
    distances: NDArray[np.int64]
    moved: Floats
    low: Floats
    high: Floats
    gradient: Floats
    texts: NDArray[np.int64]
    share: float
    effective: int
    censored: bool
    tests_memory: bool
    meaning: str


def word_influence(
    model: TextLSTMForSequenceClassification,
    encoded: Encoded,
    *,
    counted_from: End = "end",
    texts: int = TEXTS,
    max_tokens: int = MAX_TOKENS,
    places: int = PLACES,
    fewest: int = FEWEST_TEXTS,
    share: float = 0.1,
    seed: int = 0,
) -> Influence:
    """Hide one word at a time and see what the answer does.

    Args:
        model: on its device; put into eval mode for the while, and left as it was.
        encoded: ids of real texts.
        counted_from: the end of the text that distances count from.
        texts: texts to draw.
        max_tokens: words after which a text is cut.
        places: distances to look at, evenly spaced on a log scale up to the longest that `fewest` texts have.
        fewest: texts below which a distance is not looked at, at least 2.
        share: of the largest mean change that bounds the effective distance.
        seed: of the draw.

    Returns:
        The profile.

    Raises:
        DataError: there are fewer texts with a token than `fewest`.
    """
    batches = text_batches(
        encoded, most=texts, max_tokens=max_tokens, batch_rows=16, pad_id=model.config.pad_token_id, seed=seed
    )
    fewest = max(2, fewest)  # an interval needs two
    lengths = np.concatenate([part.numpy() for _, part in batches]) if batches else np.empty(0, dtype=np.int64)
    if len(lengths) < fewest:
        raise DataError(
            f"The influence of words is measured on {fewest} texts or more, and {len(lengths)} have a token; give more"
            " texts."
        )
    longest = int(np.sort(lengths)[-fewest]) - 1
    spaced = np.geomspace(1, longest + 1, places).round().astype(np.int64) - 1
    distances = np.unique(spaced)
    changes: list[Floats] = []
    norms: list[Floats] = []
    modes = [(module, module.training) for module in model.modules()]
    model.train(False)
    try:
        for ids, own in batches:
            change, norm = _batch_influence(model, ids.to(model.device), own.to(model.device), distances, counted_from)
            changes.append(change)
            norms.append(norm)
    finally:
        for module, training in modes:
            module.training = training
    moved, gradient = np.concatenate(changes), np.concatenate(norms)  # (texts, places), NaN where too short
    seen = np.isfinite(moved).sum(axis=0)
    mean = np.nanmean(moved, axis=0)
    reach = 1.96 * np.nanstd(moved, axis=0, ddof=1) / np.sqrt(seen)
    still = np.flatnonzero(mean >= share * mean.max())
    last = int(still[-1]) if mean.max() > 0 else 0
    tests_memory, meaning = distance_meaning(
        model.config.pooling, bidirectional=model.config.bidirectional, layers=model.config.num_layers, end=counted_from
    )
    return Influence(
        counted_from=counted_from,
        distances=distances,
        moved=mean,
        low=np.maximum(mean - reach, 0.0),
        high=mean + reach,
        gradient=np.nanmean(gradient, axis=0),
        texts=seen,
        share=share,
        effective=int(distances[last]),
        censored=bool(mean.max() > 0 and last == len(distances) - 1),
        tests_memory=tests_memory,
        meaning=meaning,
    )


def distance_meaning(pooling: str, *, bidirectional: bool, layers: int, end: End) -> tuple[bool, str]:
    """Say what a word's distance to an end of the text means for a model.

    Args:
        pooling: of the model.
        bidirectional: whether it reads from both ends.
        layers: number of layers.
        end: that distances count from.

    Returns:
        Whether distance tests memory, and a sentence.
    """
    if layers == 0:
        return False, "Without layers nothing is carried from word to word, so that distance is position alone."
    if pooling != "last":
        return False, (
            f"The model pools by {pooling}, which picks a word up where it stands: distance to the {end} is position,"
            " not what has to be remembered."
        )
    if bidirectional:
        return False, (
            "The model reads from both ends and keeps the last state of each, so that a word has to be carried over the"
            " shorter of its two distances."
        )
    if end == "start":
        return False, "The model reads to the end of the text, so that distance to the start is position alone."
    return True, "The model answers from its last state, so that distance to the end is what it has to remember over."


def _batch_influence(
    model: TextLSTMForSequenceClassification, ids: Tensor, lengths: Tensor, distances: NDArray[np.int64], end: End
) -> tuple[Floats, Floats]:
    """Measure one batch: absolute changes and gradient norms, (rows, places), NaN where a text is too short."""
    mask = (torch.arange(ids.size(1), device=ids.device) < lengths[:, None]).long()
    embedded = model.lstm.embedding.weight.detach()[ids].requires_grad_()
    with torch.enable_grad():
        logits = model(inputs_embeds=embedded, attention_mask=mask).logits.float()
        winner = logits.argmax(dim=1)
        before = _log_odds(logits, winner, model)
        (slopes,) = torch.autograd.grad(before.sum(), embedded)
    norms = slopes.double().norm(dim=2).cpu().numpy()
    plain = embedded.detach()
    far = np.arange(len(ids))[:, None], distances[None, :]
    own = lengths.cpu().numpy()[:, None]
    inside = far[1] < own
    place = np.where(inside, own - 1 - far[1] if end == "end" else np.broadcast_to(far[1], inside.shape), 0)
    rows, columns = np.nonzero(inside)
    changes = np.full(inside.shape, np.nan)
    with torch.no_grad():
        for start in range(0, len(rows), _ROWS):
            part = torch.from_numpy(rows[start : start + _ROWS]).to(ids.device)
            hidden = torch.from_numpy(place[rows, columns][start : start + _ROWS]).to(ids.device)
            copies = plain[part]
            copies[torch.arange(len(part), device=ids.device), hidden] = 0.0
            after = _log_odds(
                model(inputs_embeds=copies, attention_mask=mask[part]).logits.float(), winner[part], model
            )
            spots = rows[start : start + _ROWS], columns[start : start + _ROWS]
            changes[spots] = (after - before[part]).abs().cpu().numpy()
    gradients = np.where(inside, np.take_along_axis(norms, place, axis=1), np.nan)
    return changes, gradients


def _log_odds(logits: Tensor, winner: Tensor, model: TextLSTMForSequenceClassification) -> Tensor:
    """Log-odds of a class against all others, in nats: (rows,)."""
    own = logits.gather(1, winner[:, None]).squeeze(1)
    if model.config.problem_type == "multi_label_classification":
        return own  # each label is a question of its own, and its logit is the log-odds of yes
    others = logits.scatter(1, winner[:, None], float("-inf"))
    return own - others.logsumexp(dim=1)
