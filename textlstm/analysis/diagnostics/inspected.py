"""What an inspection yields, as plain values: the content of `inspect.json`, from which the page is written.

Shares lie between 0 and 1. Levels are counted from 0, the word embeddings, to the top layer. Parts that could not be
had (no labels, too few texts, an extra that is not installed) are None or empty, and `left_out` says why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from textlstm.analysis.diagnostics.inspected_layers import DepthSummary, ProbeSummary, SimilaritySummary, WordsSummary
from textlstm.analysis.diagnostics.inspected_signals import (
    DistanceSummary,
    GateSummary,
    ReachSummary,
    RemedySummary,
    TrainingSummary,
    Value,
)
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


class Statement(Value):
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


class ModelFacts(Value):
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


class DataFacts(Value):
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


class Inspection(Value):
    """A look inside one trained stack.

    Attributes:
        schema_version: of this file.
        model: what was looked at.
        data: on which texts.
        quick: whether fewer texts and draws were used.
        fresh_start: whether the untrained stack has the very weights that the model's training set out from.
        own_texts: whether the explained texts were given, in place of being drawn from the rows.
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
    fresh_start: bool
    own_texts: bool
    seed: int
    statements: list[Statement]
    left_out: list[str]
    notes: list[str]
    reach: ReachSummary | None = None
    gates: list[GateSummary] = Field(default_factory=list)
    distance: DistanceSummary | None = None
    probes: list[ProbeSummary] = Field(default_factory=list)
    probe_order: Estimate | None = None
    similarity: SimilaritySummary | None = None
    depth: DepthSummary | None = None
    words: WordsSummary | None = None
    training: TrainingSummary | None = None
    remedies: list[RemedySummary] = Field(default_factory=list)
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
