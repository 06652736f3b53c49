"""What measuring a claim yields: the effect with its interval, what stands beside it, and the verdict's rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from textlstm.analysis.figures import Figure

Verdict = Literal["supported", "contradicted", "no effect beyond the threshold", "undecided"]


@dataclass(frozen=True)
class Effect:
    """One estimated quantity; positive where things are as the claim says.

    Attributes:
        name: what is estimated, in a few words.
        value: the estimate, in `unit`.
        low: lower end of the 95 % interval.
        high: upper end of the 95 % interval.
        unit: such as "layers", "points" or "times".
        seeds: independent repeats that the interval stands on.
        note: what a reader should know; may be empty.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    seeds: int
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """What a claim's `measure` gives back.

    Attributes:
        effect: the one that the verdict is about.
        others: beside it.
        table: plain rows for the page, all with the same keys.
        charts: the picture, and others.
        notes: paragraphs for the page, in plain sentences.
        overturn: what would overturn the verdict, in one sentence.
    """

    effect: Effect
    others: Sequence[Effect] = ()
    table: Sequence[dict[str, Any]] = ()
    charts: Sequence[Figure] = ()
    notes: Sequence[str] = field(default_factory=tuple)
    overturn: str = ""


def verdict(effect: Effect, threshold: float, *, preview: bool) -> Verdict:
    """Hold an effect against the threshold that was stated before the run.

    Args:
        effect: the estimate with its interval.
        threshold: smallest effect that counts, in the effect's unit; 0 or more.
        preview: whether this was a preview, which never decides.

    Returns:
        "supported" where the whole interval lies above the threshold, "contradicted" where it lies below minus the
        threshold, "no effect beyond the threshold" where nothing above the threshold is left in it (an effect against
        the claim may be, which the answer then says), else "undecided".
    """
    if preview:
        return "undecided"
    if effect.low > threshold:
        return "supported"
    if effect.high < -threshold:
        return "contradicted"
    if effect.high <= threshold:
        return "no effect beyond the threshold"
    return "undecided"


def looks_large(effect: Effect, threshold: float) -> bool:
    """Tell whether a preview already points one way.

    Args:
        effect: the estimate with its t interval over the preview's few seeds.
        threshold: smallest effect that counts, in the effect's unit.

    Returns:
        True where the whole interval lies beyond the threshold on either side.
    """
    return effect.low > threshold or effect.high < -threshold
