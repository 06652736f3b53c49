"""What a batch is trained on: the labels' loss, and terms that are added to it.

A term is any function of the model, the batch and what the model gave for it; the Trainer adds its value, so that a new
objective is one function and touches no loop. Terms draw their random numbers from torch's own generator, which
checkpoints keep: a resumed run stays equal to an undisturbed one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput

from textlstm.model import TextLSTMForSequenceClassification

Batch = Mapping[str, Tensor]
"""`input_ids` and `attention_mask` (batch, time), `labels`, and `rows` (batch,): the places of the training rows."""

Term = Callable[[TextLSTMForSequenceClassification, Batch, SequenceClassifierOutput], Tensor]
"""From the network, a batch and its output to a scalar that is added to the loss, its weight applied."""


@dataclass(frozen=True)
class Objective:
    """The loss of a batch.

    Attributes:
        terms: added to the loss of the labels.
        label_weight: of the loss of the labels; 0 leaves the terms alone.
    """

    terms: Sequence[Term] = ()
    label_weight: float = 1.0

    def __call__(
        self, wrapped: nn.Module, network: TextLSTMForSequenceClassification, batch: Batch
    ) -> tuple[Tensor, SequenceClassifierOutput]:
        """Compute a batch's loss.

        Args:
            wrapped: the network as the Trainer calls it, which several processes share.
            network: the network itself, for further passes.
            batch: of `TokenRows`.

        Returns:
            The loss, a scalar, and the model's output for the batch.
        """
        inputs = {name: value for name, value in batch.items() if name != "rows"}
        output: SequenceClassifierOutput = wrapped(**inputs)
        assert output.loss is not None  # noqa: S101 - every training batch has labels
        loss = output.loss if self.label_weight == 1.0 else self.label_weight * output.loss
        for term in self.terms:
            loss = loss + term(network, batch, output)
        return loss, output
