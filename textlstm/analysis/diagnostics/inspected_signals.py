"""What an inspection yields on signals, as plain values: gradients backward, memory and words forward.

Shares lie between 0 and 1. Levels are counted from 0, the word embeddings, to the top layer.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from textlstm.results import Estimate


class Value(BaseModel):
    """A part of an inspection: frozen and closed; what is not finite becomes null."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class ReachUntil(Value):
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


class ReachSummary(Value):
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


class WatchedSummary(Value):
    """What a watched training left (`textlstm train --watch`).

    Attributes:
        moments: gradient reach by moment: start, middle (absent where the run ended early), end; each by direction,
            level and distance, as in `ReachSummary.gains`, on training texts.
        parts: embeddings, layer 1 and up, pooling where it has weights, classifier.
        steps: updates, counted from 1, of which norms were kept.
        norms: by step and part, the norm of the gradient before clipping.
        clipped: share of all updates whose gradient was scaled down.
        watching: share of the time of training that watching took.
    """

    moments: dict[str, list[list[list[float | None]]]]
    parts: list[str]
    steps: list[int]
    norms: list[list[float]]
    clipped: float
    watching: float


class TrainingSummary(Value):
    """Gradient norms that the training of this model left, by epoch.

    Attributes:
        epochs: their numbers.
        norms: mean norm of the gradient before clipping.
        clipped: share of steps whose gradient was clipped.
        limit: the norm that gradients were clipped to.
        watched: more, where the training was watched.
    """

    epochs: list[float]
    norms: list[float]
    clipped: list[float]
    limit: float
    watched: WatchedSummary | None = None


class RemedySummary(Value):
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


class GateSummary(Value):
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


class DistanceSummary(Value):
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
