"""What a summary tells beside means, gains and the verdict: plain methods, costs, calibration, hard texts, failures."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from textlstm.results import Estimate


class SummaryPart(BaseModel):
    """Frozen and closed; what is not finite becomes null."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class BaselineSummary(SummaryPart):
    """A plain method on the same rows at one size.

    Attributes:
        name: majority, tfidf, bag, one_directional or encoder.
        words: what it is, for a reader.
        size: as in `CellSummary`.
        labels: as in `CellSummary`.
        seeds: draws of the rows it was fitted on.
        accuracy: mean test accuracy, with its interval over seeds and texts.
        macro_f1: the same for macro-F1.
        seconds: mean seconds to fit.
        gain_of_stack: accuracy of the best depth (by mean) minus this method's, paired; None when it cannot be had.
        holm: p of that gain after Holm's correction over the methods at this size.
    """

    name: str
    words: str
    size: int | str
    labels: int
    seeds: int
    accuracy: Estimate
    macro_f1: Estimate
    seconds: float
    gain_of_stack: Estimate | None = None
    holm: float | None = None


class StartSummary(SummaryPart):
    """What a deeper stack gains over the shallowest with a kind of transfer and without, at one size.

    Attributes:
        key: of the recipe, such as "embeddings.source".
        what: it in words.
        control: what is held equal between depths.
        setting: as in `CellSummary`, with transfer.
        without: the setting that differs from it in this alone.
        size: as in `CellSummary`.
        shallow: layers of the shallowest depth.
        deep: more layers.
        seeds: that all four groups of runs have.
        accuracy_without: of the shallowest depth without.
        accuracy_with: of the shallowest depth with.
        gain_without: accuracy of `deep` minus that of `shallow`, both without.
        gain_with: the same with.
        change: `gain_with` minus `gain_without`; below 0 where transfer stands in for layers.
        shallow_with_minus_deep_without: accuracy of `shallow` with minus that of `deep` without.
        words: what that means, in two sentences; the judgment in it is over all depths of the size.
    """

    key: str
    what: str
    control: str
    setting: str
    without: str
    size: int | str
    shallow: int
    deep: int
    seeds: int
    accuracy_without: Estimate
    accuracy_with: Estimate
    gain_without: Estimate
    gain_with: Estimate
    change: Estimate
    shallow_with_minus_deep_without: Estimate
    words: str


class CostSummary(SummaryPart):
    """What one depth costs to run, measured once for all depths in interleaved repeats.

    Attributes:
        setting: as in `CellSummary`.
        layers: stacked layers.
        disk_mb: MiB of the saved weights.
        latency_ms: by batch size ("1", "32"), median and 95th percentile in milliseconds for a text of `tokens` tokens.
        tokens: length of the texts that latency was measured with.
        parameters: as in `CellSummary`, at the largest size.
        parameters_without_embeddings: likewise.
        flops_per_token: likewise.
        train_seconds: likewise.
        tokens_per_second: likewise.
        peak_memory_mb: likewise.
        accuracy: likewise.
        on_latency_front: no other depth is both faster at batch 1 and more accurate.
        on_training_front: no other depth is both quicker to train and more accurate.
    """

    setting: str
    layers: int
    disk_mb: float | None
    latency_ms: dict[str, tuple[float, float]]
    tokens: int | None
    parameters: int
    parameters_without_embeddings: int
    flops_per_token: int
    train_seconds: float
    tokens_per_second: float
    peak_memory_mb: float
    accuracy: float
    on_latency_front: bool
    on_training_front: bool


class CalibrationSummary(SummaryPart):
    """Confidence against accuracy at the largest size: bins of equal numbers of rows, all seeds together."""

    setting: str
    layers: int
    confidence: list[float]
    accuracy: list[float]
    rows: list[int]
    ece: float


class HardText(SummaryPart):
    """A test text that is often misclassified.

    Attributes:
        row: its number in the test split.
        text: the text, cut to 300 characters; empty where the data could not be read again.
        label: its label.
        predicted: the label most often given instead.
        wrong: share of runs that got it wrong, by layers.
    """

    row: int
    text: str
    label: str
    predicted: str
    wrong: dict[int, float]


class FailureSummary(SummaryPart):
    """A cell that failed, with its reason."""

    cell: dict[str, Any]
    kind: str
    reason: str
    attempts: int


class SearchSummary(SummaryPart):
    """Expected score on validation of the best of k random configurations (Tang et al. 2020), by depth."""

    setting: str
    layers: int
    size: int | str
    trials: list[int]
    seconds: list[float]
    expected: list[float]
    low: list[float]
    high: list[float]
