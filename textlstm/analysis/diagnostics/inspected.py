"""What an inspection yields, as plain values: the content of `inspect.json`, from which the page is written.

Shares lie between 0 and 1. Levels are counted from 0, the word embeddings, to the top layer. Parts that could not be
had (no labels, too few texts, an extra that is not installed) are None or empty, and `left_out` says why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from textlstm.results import Estimate

INSPECTION_FILE = "inspect.json"
Part = Literal["reach", "memory", "distance", "probes", "similarity", "depth", "words"]
PARTS: tuple[Part, ...] = ("reach", "memory", "distance", "probes", "similarity", "depth", "words")
PART_WORDS: dict[Part, str] = {
    "reach": "gradient reach",
    "memory": "gates and units",
    "distance": "effective distance",
    "probes": "probes",
    "similarity": "likeness of layers",
    "depth": "worth of layers",
    "words": "words behind predictions",
}
"""Each part's name for a reader."""


class _Value(BaseModel):
    """Frozen and closed; what is not finite becomes null."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Statement(_Value):
    """One finding in plain words.

    Attributes:
        part: what it was seen in.
        kind: "act" where something should be changed, "fine" where nothing need be, "open" where it cannot be told.
        words: what was found.
        remedy: what to do; empty where there is nothing to do.
    """

    part: Part
    kind: Literal["act", "fine", "open"]
    words: str
    remedy: str = ""


class ModelFacts(_Value):
    """The model that was looked at.

    Attributes:
        source: as the user named it.
        layers: stacked layers.
        widths: hidden size of each layer per direction.
        bidirectional: whether every layer also reads from the end.
        join: how layers are joined.
        layer_norm: whether layers 2 and up read normalized states.
        pooling: how states become one vector.
        activation: of the cell, one a layer.
        embedding_size: width of the word embeddings.
        parameters: all of them.
        label_names: in the order of the outputs.
        multi_label: whether a text may have several labels.
    """

    source: str
    layers: int
    widths: list[int]
    bidirectional: bool
    join: str
    layer_norm: bool
    pooling: str
    activation: list[str]
    embedding_size: int
    parameters: int
    label_names: list[str]
    multi_label: bool


class DataFacts(_Value):
    """The texts that it was looked at on.

    Attributes:
        source: as the user named it.
        split: the rows' name.
        rows: texts in that split.
        looked_at: texts that were drawn from it, at most.
        fit_rows: labeled texts that new heads were fitted on; 0 without labels.
        labeled: whether the rows have labels.
        truncated: share of the texts that were longer than the model reads.
        unknown: share of the tokens that the tokenizer does not know.
        fingerprint: of the data; empty where it was read without labels.
    """

    source: str
    split: str
    rows: int
    looked_at: int
    fit_rows: int
    labeled: bool
    truncated: float
    unknown: float
    fingerprint: str


class ReachUntil(_Value):
    """How far back the state of a level still moves the end of the top layer.

    Attributes:
        direction: of reading.
        level: 0 for the embeddings, k for layer k.
        words: distance from which on the gain stays below a tenth of that at distance 0.
        censored: whether it never fell that far, so that the true distance is longer than `words`.
    """

    direction: str
    level: int
    words: int
    censored: bool


class ReachSummary(_Value):
    """Gradient reach: gain of the Jacobian from a level's state to the end of the top layer.

    Attributes:
        directions: names.
        gains: by direction, level and distance in words; geometric mean over texts. None where too few texts are long
            enough.
        texts: by distance, texts that are long enough.
        until: by direction and level.
        untrained: `gains` of a stack with fresh weights.
    """

    directions: list[str]
    gains: list[list[list[float | None]]]
    texts: list[int]
    until: list[ReachUntil]
    untrained: list[list[list[float | None]]]


class GateSummary(_Value):
    """Memory and units of one direction of one layer; half-lives are quartiles over units, None where endless.

    Attributes:
        layer: from 1.
        direction: of reading.
        forget: mean of the forget gate over words and units.
        half_life: words after which half of the median unit's cell is left.
        half_life_low: the same of the lower quartile.
        half_life_high: the same of the upper quartile.
        saturated: share of units with a gate that is open, or closed, at 95 % of the words.
        dead: share of units whose state hardly varies over words.
    """

    layer: int
    direction: str
    forget: float
    half_life: float | None
    half_life_low: float | None
    half_life_high: float | None
    saturated: float
    dead: float


class DistanceSummary(_Value):
    """How far back a word still moves the answer, by hiding one word at a time.

    Attributes:
        counted_from: the end of the text that distances count from.
        distances: looked at, in words.
        moved: mean change of the winning class's log-odds, in nats, with its 95 % interval over texts.
        texts: by distance, texts that are long enough.
        share: of the largest change that bounds the effective distance.
        effective: largest distance with at least that share.
        censored: whether it is the longest distance looked at.
        tests_memory: whether distance is what the network must remember over.
        meaning: what distance means for this model.
    """

    counted_from: str
    distances: list[int]
    moved: list[Estimate]
    texts: list[int]
    share: float
    effective: int
    censored: bool
    tests_memory: bool
    meaning: str


class ProbeSummary(_Value):
    """One fact read off every level by a linear probe, in this stack and in an untrained one.

    Attributes:
        fact: such as "label" or "position".
        abstract: whether it must be worked out, in place of being read off the text.
        about: "text" where pooled states were asked, "token" where a token's states were.
        measure: "accuracy" or "R squared".
        baseline: what can be had without any states.
        samples: scored.
        trained: by level, on texts that the probe has not seen.
        control: by level, the same of the control task (Hewitt and Liang 2019).
        untrained: by level, in a stack with fresh weights.
        center: center of gravity of the selectivity (trained minus control), in levels.
        untrained_center: the same of the untrained stack.
    """

    fact: str
    abstract: bool
    about: Literal["text", "token"]
    measure: Literal["accuracy", "R squared"]
    baseline: float
    samples: int
    trained: list[Estimate]
    control: list[Estimate]
    untrained: list[Estimate]
    center: Estimate
    untrained_center: Estimate


class SimilaritySummary(_Value):
    """Debiased CKA between levels, from about 0 (unrelated) to 1 (equal up to rotation and scale).

    Attributes:
        trained: each level with each.
        untrained: the same of a stack with fresh weights.
        samples: tokens compared.
    """

    trained: list[list[float]]
    untrained: list[list[float]]
    samples: int


class ReducedSummary(_Value):
    """The stack with fewer of its layers and a new head.

    Attributes:
        layers: those that are left, from 1.
        score: share right.
        difference: score minus that of a new head on all layers, paired by text; None for all layers.
        bound: simultaneous lower bound of the true difference.
        needless: whether the bound lies above minus delta: what was left out may be dropped.
    """

    layers: list[int]
    score: Estimate
    difference: Estimate | None
    bound: float | None
    needless: bool


class DepthSummary(_Value):
    """What each layer of this stack is worth.

    Attributes:
        prefixes: only the first k layers, k from 0 to all.
        without: single layers left out.
        own_score: share right by the model's own head.
        delta: smallest loss that matters, as a share.
        fitted: texts that new heads were fitted on.
        scored: texts that they were scored on.
    """

    prefixes: list[ReducedSummary]
    without: list[ReducedSummary]
    own_score: Estimate
    delta: float
    fitted: int
    scored: int


class WordValue(_Value):
    """A word of a text: its place, first character and the one after its last, and its value in logits."""

    start: int
    end: int
    value: float


class ExplainedText(_Value):
    """Why one text got its label, by integrated gradients.

    Attributes:
        row: its number in the source.
        text: the whole text.
        label: what the model says.
        true_label: what the data says; None without labels.
        probability: of `label`.
        score: the label's logit minus the mean of all.
        baseline: the same of the text with zero embeddings.
        gap: completeness gap, as a share of score - baseline.
        other: value of tokens that are no part of the text.
        words: what each word adds; above 0 speaks for the label.
        steps: of the sum.
    """

    row: int
    text: str
    label: str
    true_label: str | None
    probability: float
    score: float
    baseline: float
    gap: float
    other: float
    words: list[WordValue]
    steps: int


class AgreementSummary(_Value):
    """Rank correlation of the words' values between levels, mean over texts."""

    names: list[str]
    correlation: list[list[float]]
    first_to_last: Estimate
    texts: int


class WordsSummary(_Value):
    """Attributions of single predictions, and how far the levels agree on them."""

    texts: list[ExplainedText]
    agreement: AgreementSummary | None


class TrainingSummary(_Value):
    """Gradient norms that the training of this model left, by epoch.

    Attributes:
        epochs: their numbers.
        norms: mean norm of the gradient before clipping.
        clipped: share of steps whose gradient was clipped.
        limit: the norm that gradients were clipped to.
    """

    epochs: list[float]
    norms: list[float]
    clipped: list[float]
    limit: float


class RemedySummary(_Value):
    """What a remedy brought where it was tried: pairs of runs with and without it, over seeds.

    Attributes:
        settings: recipe keys with their new values, as `--set` takes them.
        reach_start: change of the gain from layer 1 before training, in decimal orders of magnitude.
        reach_end: the same after training.
        score: change of accuracy in points.
        split: on which the score was taken.
        seeds: pairs of runs.
    """

    settings: list[str]
    reach_start: Estimate
    reach_end: Estimate
    score: Estimate
    split: str
    seeds: int


class Inspection(_Value):
    """A look inside one trained stack.

    Attributes:
        schema_version: of this file.
        model: what was looked at.
        data: on which texts.
        quick: whether fewer texts and draws were used.
        seed: of every draw.
        statements: the findings, what to act on first.
        left_out: why parts are missing, a sentence each.
        notes: what else a reader should know.
        reach: gradient reach.
        gates: memory and units.
        distance: effective distance of input words.
        probes: linear probes.
        probe_order: center of the abstract facts minus that of the surface facts, in levels, in this stack minus the
            same in an untrained one; None where either kind is missing.
        similarity: CKA.
        depth: worth of layers.
        words: attributions.
        training: gradient norms from the model's own training.
        remedies: what was tried, when asked for.
        versions: of what computed it.
        seconds: that it took.
    """

    schema_version: Literal[1] = 1
    model: ModelFacts
    data: DataFacts
    quick: bool
    seed: int
    statements: list[Statement]
    left_out: list[str]
    notes: list[str]
    reach: ReachSummary | None = None
    gates: list[GateSummary] = []
    distance: DistanceSummary | None = None
    probes: list[ProbeSummary] = []
    probe_order: Estimate | None = None
    similarity: SimilaritySummary | None = None
    depth: DepthSummary | None = None
    words: WordsSummary | None = None
    training: TrainingSummary | None = None
    remedies: list[RemedySummary] = []
    versions: dict[str, str]
    seconds: float


def level_name(level: int) -> str:
    """Name a level of a stack.

    Args:
        level: 0 for the word embeddings, k for layer k.

    Returns:
        Such as "embeddings" or "layer 2".
    """
    return "embeddings" if level == 0 else f"layer {level}"


def read_inspection(folder: Path) -> Inspection:
    """Read an inspection back.

    Args:
        folder: has `inspect.json`.

    Returns:
        The inspection.
    """
    return Inspection.model_validate_json((folder / INSPECTION_FILE).read_text("utf-8"))
