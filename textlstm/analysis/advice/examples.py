"""How many examples a layer needs: two depths on parts of the data, and where the gain of the deeper one would pay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.advice.decision import Standing
from textlstm.analysis.advice.session import Session, paired_seeds
from textlstm.analysis.wording import layers_words, points
from textlstm.experiment.grid import Cell
from textlstm.stats.sequential import variance_factor

Floats = NDArray[np.float64]
Between = tuple[int | None, int | None]

SMALLER_FOLDER = "smaller"
FARTHEST = 4.0
"""Times the present number of examples beyond which nothing is said about them (as in `stats.extrapolation`)."""
_LEAST_ROWS = 200


@dataclass(frozen=True)
class MoreExamples:
    """What the number of examples does to the scores.

    Attributes:
        sizes: labeled rows, rising; the last is the study's.
        scores: mean score of the advised depth at each.
        gains: mean gain at each of one layer more, or of the advised depth where that is not the shallowest.
        pays_from: from about how many examples that layer gains delta; None where that is not identified.
        pays_between: ends of the 95 % set of that number; None at an end that lies outside of what is looked at.
        sentence: the finding in plain words.
    """

    sizes: tuple[int, ...]
    scores: tuple[float, ...]
    gains: tuple[float, ...]
    pays_from: int | None
    sentence: str
    pays_between: tuple[int | None, int | None] = (None, None)


def measure_examples(session: Session, standing: Standing) -> MoreExamples:
    """Run two depths on a quarter and on half of the rows, and see whether the gain of the deeper one grows.

    Args:
        session: of the study.
        standing: what it says.

    Returns:
        The trend, or why there is none.
    """
    study = session.study
    shallow = standing.shallowest
    deep = standing.depth if standing.depth > shallow else study.depths[1]
    rows = study.rows
    sizes = [size for size in (rows // 4, rows // 2) if size >= max(_LEAST_ROWS, 8 * len(study.data.label_names))]
    if len(sizes) < 2:
        return MoreExamples(
            (rows,), (), (), None, f"not identified: {rows:,} rows are too few to look at a part of them."
        )
    planned = [study.cells(depths=(shallow, deep), size=size) for size in sizes]

    def cells_of(seeds: list[int]) -> list[Cell]:
        return [own[depth, seed] for own in planned for seed in seeds for depth in (shallow, deep)]

    seeds = paired_seeds(session, standing)
    if not session.has_time(cells_of(seeds)):
        return MoreExamples(
            (rows,), (), (), None, "not identified: the budget had no time for smaller parts of the data."
        )
    for count in study.rules.looks[1:]:  # half of the time is left for other things that may help
        more = [seed for seed in paired_seeds(session, standing, count=count) if (deep, seed) in session.runs]
        if len(more) == count and session.has_time(cells_of(more), share=0.5):
            seeds = more
    cells = cells_of(seeds)
    by_size: list[dict[tuple[int, int], Any]] = [
        session.train([cell for cell in cells if cell.size == size], folder=SMALLER_FOLDER) for size in sizes
    ]
    by_size.append(session.runs)
    session.tell(
        f"Parts of the data: {layers_words(shallow)} and {deep} on {sizes[0]:,} and {sizes[1]:,} rows are done."
    )
    if any((depth, seed) not in runs for runs in by_size for depth in (shallow, deep) for seed in seeds):
        return MoreExamples((rows,), (), (), None, "not identified: runs on smaller parts of the data failed.")
    figures = np.array(
        [[[runs[d, s].metrics["holdout"].accuracy.value for s in seeds] for d in (shallow, deep)] for runs in by_size]
    )
    labels = (*sizes, rows)
    advised = 1 if standing.depth > shallow else 0
    from_rows, sentence, between = starts_to_pay(
        np.array(labels), figures[:, 1] - figures[:, 0], delta=study.rules.delta, overlap=study.rules.overlap, deep=deep
    )
    scores = tuple(float(score) for score in figures[:, advised].mean(axis=1))
    gains = tuple(float(gain) for gain in (figures[:, 1] - figures[:, 0]).mean(axis=1))
    return MoreExamples(labels, scores, gains, from_rows, sentence, between)


def starts_to_pay(
    sizes: NDArray[np.int64], gains: Floats, *, delta: float, overlap: float, deep: int
) -> tuple[int | None, str, Between]:
    """Say from how many examples a deeper stack gains delta, if its gain grows with the examples at all.

    A straight line in the logarithm of the size through each seed's gains; the mean slope must be shown to be above 0,
    and the line is followed to four times the present size and no farther.

    Args:
        sizes: (sizes,) labeled rows, rising.
        gains: (sizes, seeds) gain of the deeper stack, a share.
        delta: smallest gain worth it, a share.
        overlap: hold-out rows over training rows, for the inflation of the variance over redrawn splits.
        deep: layers of the deeper stack.

    Returns:
        The number of examples, or None, the finding in plain words, and the ends of the number's 95 % set.
    """
    from scipy.special import stdtrit

    nowhere: Between = (None, None)
    steps = np.log2(sizes / sizes[-1])
    centered = steps - steps.mean()
    slopes = centered @ gains / (centered**2).sum()
    seeds = gains.shape[1]
    slope, level = float(slopes.mean()), float((gains.mean(axis=0) - slopes * steps.mean()).mean())
    reach = float(stdtrit(seeds - 1, 0.95)) * float(slopes.std(ddof=1)) * math.sqrt(variance_factor(seeds, overlap))
    trend = (
        f"{layers_words(deep)} gain {points(slope)} points more with each doubling (at least {points(slope - reach)})"
    )
    if slope - reach <= 0:
        words = f"not identified: the gain of {layers_words(deep)} does not visibly grow with the examples ({trend})."
        return None, words, nowhere
    start = float(sizes[-1]) * 2 ** ((delta - level) / slope)
    if start > FARTHEST * sizes[-1]:
        far = _round(FARTHEST * float(sizes[-1]))
        return None, f"not identified: not before {far} examples, beyond which the trend is a guess ({trend}).", nowhere
    start = max(float(sizes[0]), start)
    between = _between(sizes, gains, delta=delta, overlap=overlap)
    on = "which these are" if level >= delta else "if the trend goes on"
    return round(start), f"from about {_round(start)} examples on{_between_words(between)}, {on}: {trend}.", between


def _between(sizes: NDArray[np.int64], gains: Floats, *, delta: float, overlap: float) -> Between:
    """Invert the test of the line's height: the sizes at which delta is neither too high nor too low for it.

    Fieller's way (1954, J. R. Stat. Soc. B 16), with the seeds' own lines as the figures whose mean is tested.
    """
    from scipy.special import stdtrit

    steps = np.log2(sizes / sizes[-1])
    centered = steps - steps.mean()
    places = np.linspace(steps[0], math.log2(FARTHEST), 500)
    heights = gains.mean(axis=0) + np.outer(places - steps.mean(), centered @ gains / (centered**2).sum())
    seeds = gains.shape[1]
    reach = float(stdtrit(seeds - 1, 0.975)) * heights.std(axis=1, ddof=1) * math.sqrt(variance_factor(seeds, overlap))
    possible = np.flatnonzero(np.abs(heights.mean(axis=1) - delta) <= reach)
    if not len(possible):  # shown to gain it at all places, or delta is passed between two of them, which lie close
        above = bool((heights.mean(axis=1) > delta).all())
        return None, int(sizes[0]) if above else None
    low, high = (round(float(sizes[-1]) * 2 ** places[end]) for end in possible[[0, -1]])
    return None if possible[0] == 0 else low, None if possible[-1] == len(places) - 1 else high


def _between_words(between: Between) -> str:
    """Write the ends of the set, of which one or both may be open."""
    low, high = (None if end is None else _round(end) for end in between)
    if low and high:
        return f" (95 %: {low} to {high})"
    if low or high:
        return f" (95 %: {low} or more)" if low else f" (95 %: {high} or fewer)"
    return " (no bound at 95 % within what was looked at)"


def _round(rows: float) -> str:
    """Two digits are all that such a figure has."""
    step = 10 ** max(0, math.floor(math.log10(rows)) - 1)
    return f"{round(rows / step) * step:,}"
