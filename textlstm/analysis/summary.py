"""What a comparison yields, as plain values: the content of `summary.json`, from which every report is written.

Scores and differences are shares from 0 to 1 (log loss in nats); reports print them in % and points. Fields that a
grid does not have (no baselines, one seed, one size) are empty or None, never invented.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from textlstm.analysis.summary_beside import (
    BaselineSummary,
    CalibrationSummary,
    CostSummary,
    FailureSummary,
    HardText,
    SearchSummary,
    StartSummary,
    SummaryPart,
)
from textlstm.results import Estimate

SUMMARY_FILE = "summary.json"


class CellSummary(SummaryPart):
    """All seeds (and folds) of one depth at one size under one control.

    Attributes:
        setting: label of the control and of other axes, such as "fixed_width" or "fixed_width, model.join=residual".
        layers: stacked layers.
        size: labeled rows, validation included, or "full".
        labels: the number of labels that "full" stands for; the size itself otherwise.
        seeds: runs that were finished.
        accuracy: mean test accuracy; interval over seeds and texts where seeds are three or more.
        macro_f1: the same for macro-F1.
        log_loss: the same for log loss, in nats.
        ece: mean calibration error over seeds.
        brier: the same for the Brier score.
        by_seed: test accuracy of each run, in the order of `seed_numbers`.
        seed_numbers: the seeds (a fold's runs are averaged).
        train_accuracy: mean accuracy on the training rows; the gap to test is overfitting.
        train_log_loss: mean log loss on the training rows.
        widths: hidden size of each layer, in words such as "64" or "38-37-37".
        parameters: mean trainable parameters.
        parameters_without_embeddings: the same without the word embeddings.
        flops_per_token: operations of a forward pass for one token.
        train_seconds: mean seconds of training.
        tokens_per_second: mean training speed.
        peak_memory_mb: mean peak memory of the process.
        converged: share of runs that learned: log loss on their training rows under 90 % of that of naming the
            classes' frequencies.
        capped: share of runs whose best epoch was the last one that was planned.
    """

    setting: str
    layers: int
    size: int | str
    labels: int
    seeds: int
    accuracy: Estimate
    macro_f1: Estimate
    log_loss: Estimate
    ece: float
    brier: float
    by_seed: list[float]
    seed_numbers: list[int]
    train_accuracy: float
    train_log_loss: float
    widths: str
    parameters: int
    parameters_without_embeddings: int
    flops_per_token: int
    train_seconds: float
    tokens_per_second: float
    peak_memory_mb: float
    converged: float
    capped: float


class DifferenceSummary(SummaryPart):
    """The paired gain of `deep` over `shallow`, at one size under one control.

    Attributes:
        setting: as in `CellSummary`.
        size: as in `CellSummary`.
        shallow: fewer layers.
        deep: more layers.
        accuracy: gain in accuracy with its 95 % interval over seeds and texts; no interval under two seeds.
        log_loss: gain in log loss (below 0 is better).
        macro_f1: gain in macro-F1.
        p: of the t test on accuracy; None where there is none.
        holm: p after Holm's correction over the family; None in the confirmatory family, which the decision corrects.
        family: "confirmatory" (the largest size in the declared control), "holm", or "exploratory".
        seeds: pairs of runs.
        seed_share: share of the variance of the mean that comes from seeds.
        example_share: share that comes from texts.
        residual_share: share that either more seeds or more texts would remove.
        seed_correlation: correlation of the two depths' scores over seeds.
        limit: half-width that would be left with infinitely many seeds.
    """

    setting: str
    size: int | str
    shallow: int
    deep: int
    accuracy: Estimate
    log_loss: Estimate
    macro_f1: Estimate
    p: float | None
    holm: float | None
    family: Literal["confirmatory", "holm", "exploratory"]
    seeds: int
    seed_share: float | None
    example_share: float | None
    residual_share: float | None
    seed_correlation: float | None
    limit: float | None


class DecisionSummary(SummaryPart):
    """The verdict of the confirmatory family.

    Attributes:
        kind: "not_trained", "enough", "better", "undecided_seeds", "undecided_texts", or "preview".
        layers: the depth that the verdict names; None when it names none.
        words: one or two sentences.
        estimand: what the figures estimate.
        delta: smallest difference worth a layer, as a share.
        labels: reservations, such as "learning rate not tuned for each depth".
        setting: the control that the verdict is about.
        size: the size that it is about.
        bounds: shallower and deeper depth, with the lower and the upper bound of the gain that the verdict rests on
            (one-sided, each at alpha / (K - 1) for K depths); None where one seed tells nothing.
        more_seeds: runs a depth that are missing for a verdict, as far as can be planned.
        more_texts: test texts that are missing.
        resolution: half-width of those bounds that this test set would leave with infinitely many seeds.
    """

    kind: str
    layers: int | None
    words: str
    estimand: str
    delta: float
    labels: list[str]
    setting: str
    size: int | str
    bounds: list[tuple[int, int, float | None, float | None]] = Field([])
    more_seeds: int | None = None
    more_texts: int | None = None
    resolution: float | None = None


class CurveSummary(SummaryPart):
    """Test accuracy against labels at one depth.

    Attributes:
        setting: as in `CellSummary`.
        layers: stacked layers.
        labels: numbers of labels, rising.
        seeds: those that all depths of the setting have at all these sizes; mean and bands are over them alone.
        over_texts: whether intervals and band hold for other test texts of this kind, too; otherwise they are over
            seeds, for these texts.
        mean: mean accuracy at each.
        low: lower end of the simultaneous 95 % band, from 0 to 1; empty under three seeds.
        high: its upper end.
        own_low: lower end of each size's own 95 % interval, from 0 to 1; empty under three seeds.
        own_high: its upper end.
        gain_per_doubling: points of accuracy (as a share) for each doubling of the labels; None with one size.
    """

    setting: str
    layers: int
    labels: list[int]
    seeds: int
    over_texts: bool
    mean: list[float]
    low: list[float]
    high: list[float]
    own_low: list[float]
    own_high: list[float]
    gain_per_doubling: Estimate | None = None


class CrossingSummary(SummaryPart):
    """Where two depths cross over the measured sizes, in words and as intervals of labels."""

    setting: str
    shallow: int
    deep: int
    words: str
    intervals: list[tuple[float, float]]


class Comparison(SummaryPart):
    """One grid's whole outcome.

    Attributes:
        schema_version: of this file.
        name: the recipe's.
        description: the recipe's.
        protocol: the recipe's.
        command: what repeats it.
        preview: whether the recipe calls itself too small for a verdict.
        source: the data as named by the user.
        fingerprint: of the data.
        label_names: in the order of outputs.
        test_rows: texts that scores are means over.
        answer: two sentences, a first one where a plain baseline beats the stack, and one on each kind of transfer.
        decision: the verdict; None where there are not two depths to compare.
        settings: labels of controls and axes in order, with the words that explain them.
        cells: means.
        differences: gains, neighbors and all against the shallowest among them.
        starts: gains with and without transfer, where the grid has both.
        curves: by setting and depth, where there are two sizes or more.
        crossings: by setting and pair with the shallowest depth.
        baselines: the plain methods.
        costs: by setting and depth.
        calibration: by depth, at the largest size of the first setting.
        hard_texts: most often misclassified first.
        search: for the tuned control.
        failures: cells without a result.
        planned: runs of the plan; cells of two controls that are the same run count once.
        finished: runs with a result.
        test_openings: how often the test split was opened in this folder.
        reference: published figures, as in the recipe.
        method: paragraphs on how the figures were made, by heading.
        environment: versions and machine facts.
        seconds: sum of the runs' training seconds.
    """

    schema_version: Literal[1] = 1
    name: str
    description: str
    protocol: str
    command: str
    preview: bool
    source: str
    fingerprint: str
    label_names: list[str]
    test_rows: int
    answer: list[str]
    decision: DecisionSummary | None
    settings: dict[str, str]
    cells: list[CellSummary]
    differences: list[DifferenceSummary]
    starts: list[StartSummary] = Field([])
    curves: list[CurveSummary]
    crossings: list[CrossingSummary]
    baselines: list[BaselineSummary]
    costs: list[CostSummary]
    calibration: list[CalibrationSummary]
    hard_texts: list[HardText]
    search: list[SearchSummary]
    failures: list[FailureSummary]
    planned: int
    finished: int
    test_openings: int
    reference: list[dict[str, Any]]
    method: dict[str, str]
    environment: dict[str, str]
    seconds: float


def read_summary(folder: Path) -> Comparison:
    """Read a grid folder's summary.

    Args:
        folder: has `summary.json`.

    Returns:
        The comparison.
    """
    return Comparison.model_validate_json((folder / SUMMARY_FILE).read_text("utf-8"))
