"""Whether two forms of one model say the same: differences of scores on real texts, and a bound they must keep."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from textlstm.inference.decisions import given_labels, probabilities_from_logits
from textlstm.inference.held_out import HeldOut
from textlstm.results import Estimate
from textlstm.stats.intervals import mean_interval, wilson_interval

LARGEST_DIFFERENCE = 1e-4
"""What 32-bit logits may differ by, relative to the largest logit where that is above 1."""
LEAST_AGREEMENT = 0.97
"""Where the interval of an 8-bit graph's agreement with its model must begin, unless told otherwise."""


class Parity(BaseModel):
    """How an exported graph compares with the model in torch.

    Attributes:
        precision: of the graph, "float32" or "int8".
        origin: the texts.
        rows: how many.
        logit_difference: the largest absolute difference of a logit.
        relative_difference: the same, relative to the largest logit where that is above 1.
        probability_difference: the largest absolute difference of a probability.
        mean_probability_difference: of the most probable label's, with its 95 % interval.
        agreement: share of the texts that get the same label (multi-label: the same labels), with Wilson's interval.
        accuracy_change: accuracy of the graph minus the model's on these texts, paired; None without labels.
    """

    precision: str
    origin: str
    rows: int
    logit_difference: float
    relative_difference: float
    probability_difference: float
    mean_probability_difference: Estimate
    agreement: Estimate
    accuracy_change: Estimate | None

    def problem(self, *, least_agreement: float = LEAST_AGREEMENT) -> str | None:
        """Say what keeps the graph from being called good.

        Args:
            least_agreement: where the agreement's interval must begin; for an 8-bit graph.

        Returns:
            A sentence, or None for a good graph.
        """
        if not math.isfinite(self.logit_difference):
            return (
                "it gives NaN or infinite scores where torch gives numbers (ONNX Runtime's softplus does so above 88):"
                " train with another activation"
            )
        if self.precision == "float32":
            if self.relative_difference <= LARGEST_DIFFERENCE:
                return None
            return f"its logits differ from torch's by up to {self.logit_difference:.2g}, and 0.0001 is allowed"
        low = self.agreement.low or 0.0
        if low >= least_agreement:
            return None
        more = "" if self.agreement.value < 1.0 else "; more texts would tell more"
        return (
            f"it agrees with torch on {100 * self.agreement.value:.1f} % of {self.rows:,} texts (95 % interval from"
            f" {100 * low:.1f} %), and the interval should begin at {100 * least_agreement:.1f} % or above{more}"
        )

    def describe(self) -> str:
        """Give the figures in one line."""
        agreement, change, mean = self.agreement, self.accuracy_change, self.mean_probability_difference
        words = (
            f"{self.precision}: same labels on {100 * agreement.value:.2f} % of {self.rows:,} texts (95 % interval"
            f" {_percent(agreement)}), logits within {self.logit_difference:.1e}, probabilities within"
            f" {self.probability_difference:.1e}, that of the most probable label by {mean.value:.1e} on average"
        )
        if mean.low is not None and mean.high is not None:
            words += f" ({mean.low:.1e} to {mean.high:.1e})"
        if change is not None:
            words += f", accuracy {100 * change.value:+.2f} points ({_percent(change)})"
        return words


def compare_logits(
    model: NDArray[np.float32],
    graph: NDArray[np.float32],
    texts: HeldOut,
    *,
    multi_label: bool,
    precision: str,
) -> Parity:
    """Compare a graph's logits with the model's.

    Args:
        model: (rows, classes) in torch.
        graph: (rows, classes) in ONNX Runtime.
        texts: what they are of.
        multi_label: whether a text may get any number of labels.
        precision: of the graph.

    Returns:
        The figures.
    """
    difference = float(np.abs(model - graph).max(initial=0.0))
    before, after = (probabilities_from_logits(logits, multi_label=multi_label) for logits in (model, graph))
    given = [given_labels(chances, multi_label=multi_label) for chances in (before, after)]
    same = (given[0] == given[1]).all(axis=1)
    rows, best = np.arange(len(before)), before.argmax(axis=1)
    agreement = wilson_interval(int(same.sum()), len(same))
    return Parity(
        precision=precision,
        origin=texts.origin,
        rows=len(same),
        logit_difference=difference,
        relative_difference=difference / max(1.0, float(np.abs(model).max(initial=0.0))),
        probability_difference=float(np.abs(before - after).max(initial=0.0)),
        mean_probability_difference=mean_interval(np.abs(before - after)[rows, best].astype(np.float64)),
        agreement=agreement,
        accuracy_change=None if texts.labels is None else _accuracy_change(given, texts.labels, agreement),
    )


def _accuracy_change(given: list[NDArray[np.bool_]], labels: NDArray[Any], agreement: Estimate) -> Estimate:
    """Mean paired difference of right and wrong."""
    truth = labels.astype(bool) if labels.ndim == 2 else np.eye(given[0].shape[1], dtype=bool)[labels]
    right = [(one == truth).all(axis=1).astype(np.float64) for one in given]
    change = mean_interval(right[1] - right[0])
    if agreement.value == 1.0 and agreement.low is not None:
        # No text differs, so the differences have no spread; what they may still be is bounded by the agreement.
        reach = 1.0 - agreement.low
        return Estimate(value=0.0, low=-reach, high=reach)
    return change


def _percent(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "no interval"
    return f"{100 * estimate.low:.2f} to {100 * estimate.high:.2f}"
