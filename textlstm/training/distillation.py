"""Learning from a teacher's scores: the loss, and a study of a student alone, the student taught, and the teacher.

Hinton, Vinyals & Dean 2015, "Distilling the Knowledge in a Neural Network"; Ba & Caruana 2014, "Do Deep Nets Really
Need to be Deep?"; Tang et al. 2019, "Distilling Task-Specific Knowledge from BERT into Simple Neural Networks".
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers.modeling_outputs import SequenceClassifierOutput

from textlstm.model import TextLSTMForSequenceClassification
from textlstm.recipe_transfer import DistillationSection
from textlstm.training.objectives import Batch


class TeacherTerm:
    """The loss of a batch of which some rows have labels and all have a teacher's logits; stands for the labels' loss.

    A labeled row has `hard_weight` times the labels' loss and the rest of the teacher's, a row without label the
    teacher's whole; the mean is over all rows of the batch.
    """

    def __init__(
        self, logits: NDArray[np.float32], labeled: NDArray[np.bool_], part: DistillationSection, *, multi_label: bool
    ) -> None:
        """Hold the scores of all rows.

        Args:
            logits: (rows, classes) of the teacher.
            labeled: (rows,) which rows have a label.
            part: the recipe's `distillation:` part.
            multi_label: whether a text may have any number of labels.
        """
        self.logits, self.labeled = torch.from_numpy(np.array(logits)), torch.from_numpy(np.array(labeled))
        self.part, self.multi_label = part, multi_label

    def __call__(
        self, network: TextLSTMForSequenceClassification, batch: Batch, output: SequenceClassifierOutput
    ) -> Tensor:
        """Compute a batch's loss.

        Args:
            network: has the labels' loss, with its class weights and its smoothing.
            batch: `rows` and `labels` are read; labels of rows without any are placeholders.
            output: of the network.

        Returns:
            A scalar.
        """
        assert output.logits is not None  # noqa: S101 - a classifier gives them
        rows, device = batch["rows"].cpu(), output.logits.device
        labeled = self.labeled[rows].to(device)
        student, weight = output.logits.float(), self.part.hard_weight
        soft = soft_losses(
            student,
            self.logits[rows].to(device),
            loss=self.part.loss,
            temperature=self.part.temperature,
            multi_label=self.multi_label,
        )
        total = ((1.0 - weight * labeled.to(soft.dtype)) * soft).sum()
        if weight and bool(labeled.any()):
            total = total + weight * labeled.sum() * network.label_loss(student[labeled], batch["labels"][labeled])
        return total / len(rows)


def soft_losses(
    student: Tensor, teacher: Tensor, *, loss: Literal["kl", "mse"], temperature: float, multi_label: bool
) -> Tensor:
    """Compare logits row by row.

    Args:
        student: (rows, classes), with gradients.
        teacher: (rows, classes).
        loss: "kl" for the divergence of the softened probabilities, times the squared temperature so that gradients
            keep their scale (Hinton 2015, section 2); "mse" for the mean squared difference of the logits (Tang 2019,
            equation 2), of which each row is centered first, since a shift of all changes no probability.
        temperature: divides the logits under "kl".
        multi_label: whether each logit is a decision of its own; "kl" is then the mean over the labels, and "mse"
            centers nothing.

    Returns:
        (rows,) losses, zero where both say the same.
    """
    if loss == "mse":
        if not multi_label:
            student = student - student.mean(dim=1, keepdim=True)
            teacher = teacher - teacher.mean(dim=1, keepdim=True)
        return (student - teacher).square().mean(dim=1)
    student, teacher = student / temperature, teacher / temperature
    if not multi_label:
        expected = functional.softmax(teacher, dim=1)
        gap = functional.log_softmax(teacher, dim=1) - functional.log_softmax(student, dim=1)
        return temperature**2 * (expected * gap).sum(dim=1)
    yes = torch.sigmoid(teacher)
    gap_yes = functional.logsigmoid(teacher) - functional.logsigmoid(student)
    gap_no = functional.logsigmoid(-teacher) - functional.logsigmoid(-student)
    return temperature**2 * (yes * gap_yes + (1.0 - yes) * gap_no).mean(dim=1)
