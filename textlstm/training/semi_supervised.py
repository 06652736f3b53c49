"""Objectives beside the labels: moves against the label, answers that stay, answers that are sure, mixed texts.

Each makes a term of `training.objectives.Objective`; the recipe's `objectives:` part weighs them. Moves are made on
embeddings, since words cannot be moved a little (Miyato et al. 2017, "Adversarial Training Methods for Semi-Supervised
Text Classification"); a move has a length relative to the text's own embeddings, so that growing embeddings gain
nothing (Miyato et al. normalize them for that).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional
from transformers.modeling_outputs import SequenceClassifierOutput

from textlstm.model import TextLSTMForSequenceClassification
from textlstm.recipe_pretraining import ObjectivesSection
from textlstm.training.objectives import Batch, Objective, Term
from textlstm.training.unlabeled_rows import UnlabeledRows

_PROBE = 1e-2
"""Length of the move by which the direction of most change is found, relative to the text's embeddings."""


def of_labels(network: TextLSTMForSequenceClassification, batch: Batch, output: SequenceClassifierOutput) -> Tensor:
    """Take the loss of the labels, which the model has computed.

    Args:
        network: not asked again.
        batch: not read.
        output: of the network on the batch.

    Returns:
        A scalar.
    """
    assert output.loss is not None  # noqa: S101 - every training batch has labels
    return output.loss


def build_objective(part: ObjectivesSection, unlabeled: UnlabeledRows | None, first: Term = of_labels) -> Objective:
    """Put the recipe's objectives together.

    Args:
        part: the recipe's `objectives:` part.
        unlabeled: texts without labels; None without any.
        first: what an answer is held against in the first place: the labels, or a teacher.

    Returns:
        The loss of the labels (mixup puts its own in its place) and a term for each objective with a weight.
    """
    terms: list[Term] = []
    if part.adversarial:
        terms.append(_weighted(part.adversarial, adversarial(part.perturbation)))
    if part.virtual_adversarial:
        terms.append(_weighted(part.virtual_adversarial, virtual_adversarial(part.perturbation, unlabeled)))
    if part.entropy:
        terms.append(_weighted(part.entropy, entropy(unlabeled)))
    if part.r_drop:
        terms.append(r_drop(part.r_drop, first))
    if part.mixup:
        terms.append(mixup(part.mixup, on_embeddings=part.mixup_on == "embeddings"))
    return Objective(terms, label_weight=0.0 if part.mixup else 1.0)


def _weighted(weight: float, term: Term) -> Term:
    return lambda network, batch, output: weight * term(network, batch, output)


def adversarial(length: float) -> Term:
    """Make the loss at embeddings moved against the label (Goodfellow et al. 2015; on text Miyato et al. 2017).

    Args:
        length: of the move over a whole text, as a multiple of the mean length of its words' embeddings.

    Returns:
        The term.
    """

    def term(network: TextLSTMForSequenceClassification, batch: Batch, output: SequenceClassifierOutput) -> Tensor:
        embedded = _embed(network, batch)
        still = embedded.detach().requires_grad_(True)
        with _without_dropout(network):
            (gradient,) = torch.autograd.grad(_loss(network, batch, still), still)
        return _loss(network, batch, embedded + _move(gradient, still, batch, length))

    return term


def virtual_adversarial(length: float, unlabeled: UnlabeledRows | None) -> Term:
    """Make the change of the answer at embeddings moved where it changes most (Miyato et al. 2016, 2017).

    One step of power iteration finds the direction. It needs no labels, so unlabeled texts are read too.

    Args:
        length: of the move, as in `adversarial`.
        unlabeled: texts without labels; None for the labeled ones alone.

    Returns:
        The term.
    """

    def change(network: TextLSTMForSequenceClassification, batch: Batch) -> Tensor:
        embedded = _embed(network, batch)
        still = embedded.detach()
        with _without_dropout(network):
            with torch.no_grad():
                clean = _logits(network, batch, still)
            probe = _move(torch.randn_like(still), still, batch, _PROBE).requires_grad_(True)
            found = divergence(network, clean, _logits(network, batch, still + probe))
            (gradient,) = torch.autograd.grad(found, probe)
        moved = _logits(network, batch, embedded + _move(gradient, still, batch, length))
        return divergence(network, clean, moved)

    def term(network: TextLSTMForSequenceClassification, batch: Batch, output: SequenceClassifierOutput) -> Tensor:
        value = change(network, batch)
        return value if unlabeled is None else (value + change(network, unlabeled.draw(value.device))) / 2

    return term


def entropy(unlabeled: UnlabeledRows | None) -> Term:
    """Make the mean entropy of the answers, in nats (Grandvalet & Bengio 2004; on text Sachan et al. 2019).

    Args:
        unlabeled: the texts whose answers are to be sure; None for the labeled ones.

    Returns:
        The term.
    """

    def term(network: TextLSTMForSequenceClassification, batch: Batch, output: SequenceClassifierOutput) -> Tensor:
        logits = output.logits
        assert logits is not None  # noqa: S101 - a classifier gives them
        if unlabeled is not None:
            logits = network(**unlabeled.draw(logits.device)).logits
        logits = logits.float()
        if _several(network):
            each = functional.binary_cross_entropy_with_logits(logits, logits.sigmoid(), reduction="none")
            return each.sum(dim=1).mean()
        return -(logits.softmax(dim=1) * logits.log_softmax(dim=1)).sum(dim=1).mean()

    return term


def r_drop(weight: float, first: Term = of_labels) -> Term:
    """Make the loss of a second pass with other dropout, and the divergence between both (Liang et al. 2021, R-Drop).

    Args:
        weight: of the divergence, the mean of both directions.
        first: the loss of a pass: that of the labels, or a teacher's.

    Returns:
        The term.
    """

    def term(network: TextLSTMForSequenceClassification, batch: Batch, output: SequenceClassifierOutput) -> Tensor:
        again = network(**{name: batch[name] for name in ("input_ids", "attention_mask", "labels")})
        one, other = output.logits, again.logits
        assert one is not None  # noqa: S101 - a classifier gives them
        both = divergence(network, one, other) + divergence(network, other, one)
        return first(network, batch, again) + weight * both / 2

    return term


def mixup(alpha: float, *, on_embeddings: bool) -> Term:
    """Make the loss of mixed texts (Zhang et al. 2018; wordMixup and senMixup of Guo et al. 2019).

    Args:
        alpha: of the symmetric Beta distribution from which a batch's share is drawn.
        on_embeddings: whether words are mixed place by place; else the pooled vectors are.

    Returns:
        The term, which stands in place of the labels' loss.
    """

    def term(network: TextLSTMForSequenceClassification, batch: Batch, output: SequenceClassifierOutput) -> Tensor:
        share = float(torch.distributions.Beta(alpha, alpha).sample())
        labels = batch["labels"]
        order = torch.randperm(len(labels)).to(labels.device)
        if on_embeddings:
            mask = batch["attention_mask"]
            embedded = _embed(network, batch) * mask.unsqueeze(2)
            mixed = share * embedded + (1 - share) * embedded[order]
            logits = network(inputs_embeds=mixed, attention_mask=torch.maximum(mask, mask[order])).logits
        else:
            pooled = network.lstm(batch["input_ids"], attention_mask=batch["attention_mask"]).pooler_output
            mixed = share * pooled + (1 - share) * pooled[order]
            logits = network.classifier(network.output_dropout(mixed))
        loss: Tensor = share * network.label_loss(logits, labels)
        return loss + (1 - share) * network.label_loss(logits, labels[order])

    return term


def divergence(network: TextLSTMForSequenceClassification, one: Tensor, other: Tensor) -> Tensor:
    """Kullback-Leibler divergence from one answer to another, mean over texts, in nats.

    Args:
        network: tells whether labels exclude each other.
        one: logits of the reference, (batch, classes).
        other: logits held against it.

    Returns:
        A scalar; for multi-label answers the sum over labels.
    """
    one, other = one.float(), other.float()
    if _several(network):
        chances = one.sigmoid()
        cross = functional.binary_cross_entropy_with_logits(other, chances, reduction="none")
        own = functional.binary_cross_entropy_with_logits(one, chances, reduction="none")
        return (cross - own).sum(dim=1).mean()
    chances = one.softmax(dim=1)
    return (chances * (one.log_softmax(dim=1) - other.log_softmax(dim=1))).sum(dim=1).mean()


def _several(network: TextLSTMForSequenceClassification) -> bool:
    """Whether a text may have several labels."""
    return network.config.problem_type == "multi_label_classification"


def _embed(network: TextLSTMForSequenceClassification, batch: Batch) -> Tensor:
    """Look up a batch's embeddings, (batch, time, width)."""
    embedded: Tensor = network.lstm.embedding(batch["input_ids"])
    return embedded


def _loss(network: TextLSTMForSequenceClassification, batch: Batch, embedded: Tensor) -> Tensor:
    """Give the labels' loss at embeddings."""
    return network.label_loss(_logits(network, batch, embedded), batch["labels"])


def _logits(network: TextLSTMForSequenceClassification, batch: Batch, embedded: Tensor) -> Tensor:
    """Classify embeddings, (batch, classes)."""
    logits: Tensor = network(inputs_embeds=embedded, attention_mask=batch["attention_mask"]).logits
    return logits


def _move(direction: Tensor, embedded: Tensor, batch: Batch, length: float) -> Tensor:
    """Scale a direction, text by text, to `length` times the mean length of the text's embeddings; padding rests."""
    mask = batch["attention_mask"].unsqueeze(2).to(embedded.dtype)
    direction = direction * mask
    norm = direction.square().sum(dim=(1, 2), keepdim=True).sqrt()
    typical = (embedded.norm(dim=2, keepdim=True) * mask).sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True)
    move: Tensor = length * typical / norm.clamp(min=torch.finfo(norm.dtype).tiny) * direction
    return move.detach()


@contextmanager
def _without_dropout(network: TextLSTMForSequenceClassification) -> Iterator[None]:
    """Answer without noise for a while: a direction would be that of the noise else."""
    network.train(False)
    try:
        yield
    finally:
        network.train(True)  # objectives are of training alone
