"""What else might help, measured on the same hold-out rows as far as the budget goes: bags, width, more examples."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.advice.decision import Standing
from textlstm.analysis.advice.session import Session
from textlstm.analysis.wording import layers_words, points
from textlstm.experiment.baseline_methods import methods_of
from textlstm.results import Estimate, replace_file
from textlstm.stats.sequential import variance_factor
from textlstm.text.protocol import use_rows
from textlstm.text.streams import stream

Floats = NDArray[np.float64]

TFIDF_FILE = "tfidf.json"
WIDER_FOLDER, SMALLER_FOLDER = "wider", "smaller"
FARTHEST = 4.0
"""Times the present number of examples beyond which nothing is said about them (as in `stats.extrapolation`)."""
_LEAST_ROWS = 200


@dataclass(frozen=True)
class Alternative:
    """Something else than a layer, measured.

    Attributes:
        name: what it is, in a few words.
        score: mean score on the hold-out rows, a share.
        gain: over the depth that is advised, on the same rows, a share; without correction for looking at several.
        seeds: pairs of runs.
        seconds: of one run.
    """

    name: str
    score: float
    gain: Estimate
    seeds: int
    seconds: float


@dataclass(frozen=True)
class MoreExamples:
    """What the number of examples does to the scores.

    Attributes:
        sizes: labeled rows, rising; the last is the study's.
        scores: mean score of the advised depth at each.
        gains: mean gain at each of one layer more, or of the advised depth where that is not the shallowest.
        pays_from: from about how many examples that layer gains delta; None where that is not identified.
        sentence: the finding in plain words.
    """

    sizes: tuple[int, ...]
    scores: tuple[float, ...]
    gains: tuple[float, ...]
    pays_from: int | None
    sentence: str


def measure_bags(session: Session, standing: Standing) -> list[Alternative]:
    """Score the bag of embeddings and TF-IDF with logistic regression, which are cheap and often hard to beat.

    Args:
        session: of the study.
        standing: what it says.

    Returns:
        Those for which the budget had time.
    """
    seeds = _paired_seeds(session, standing)
    chosen = _scores(session, standing.depth, seeds)
    found = []
    if session.pace() * sum(session.cells[0, seed].work for seed in seeds) / session.study.workers < session.left():
        session.train(session.cells[0, seed] for seed in seeds)
        if all((0, seed) in session.runs for seed in seeds):
            seconds = session.seconds(0)
            found.append(
                _alternative("bag of embeddings (0 layers)", _scores(session, 0, seeds), chosen, seconds, session)
            )
    scores, seconds = _tfidf(session, seeds)
    if len(scores) == len(seeds):
        found.append(_alternative("TF-IDF with logistic regression", np.array(scores), chosen, seconds, session))
    return found


def measure_wider(session: Session, standing: Standing) -> list[Alternative]:
    """Score the advised depth at twice the width.

    Args:
        session: of the study.
        standing: what it says.

    Returns:
        One alternative, or none where the budget has no time for it.
    """
    width = session.study.recipe.model.hidden_size
    assert isinstance(width, int)  # noqa: S101 - `plan_study` has refused lists
    seeds = _paired_seeds(session, standing)
    cells = session.study.cells({"model.hidden_size": 2 * width}, depths=(standing.depth,))
    chosen = [cells[standing.depth, seed] for seed in seeds]
    if session.pace() * sum(cell.work for cell in chosen) / session.study.workers > session.left():
        return []
    runs = session.train(chosen, folder=WIDER_FOLDER)
    if len(runs) < len(seeds):
        return []
    scores = np.array([runs[standing.depth, seed].metrics["holdout"].accuracy.value for seed in seeds])
    seconds = float(np.mean([run.cost.train_seconds for run in runs.values()]))
    base = _scores(session, standing.depth, seeds)
    return [_alternative(f"{2 * width} units a layer in place of {width}", scores, base, seconds, session)]


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
    seeds = _paired_seeds(session, standing)
    planned = [study.cells(depths=(shallow, deep), size=size) for size in sizes]
    cells = [own[depth, seed] for own in planned for seed in seeds for depth in (shallow, deep)]
    if session.pace() * sum(cell.work for cell in cells) / study.workers > session.left():
        return MoreExamples(
            (rows,), (), (), None, "not identified: the budget had no time for smaller parts of the data."
        )
    by_size: list[dict[tuple[int, int], Any]] = [
        session.train([cell for cell in cells if cell.size == size], folder=SMALLER_FOLDER) for size in sizes
    ]
    by_size.append(session.runs)
    if any((depth, seed) not in runs for runs in by_size for depth in (shallow, deep) for seed in seeds):
        return MoreExamples((rows,), (), (), None, "not identified: runs on smaller parts of the data failed.")
    figures = np.array(
        [[[runs[d, s].metrics["holdout"].accuracy.value for s in seeds] for d in (shallow, deep)] for runs in by_size]
    )
    labels = (*sizes, rows)
    advised = 1 if standing.depth > shallow else 0
    from_rows, sentence = starts_to_pay(
        np.array(labels), figures[:, 1] - figures[:, 0], delta=study.rules.delta, overlap=study.rules.overlap, deep=deep
    )
    scores = tuple(float(score) for score in figures[:, advised].mean(axis=1))
    gains = tuple(float(gain) for gain in (figures[:, 1] - figures[:, 0]).mean(axis=1))
    return MoreExamples(labels, scores, gains, from_rows, sentence)


def starts_to_pay(
    sizes: NDArray[np.int64], gains: Floats, *, delta: float, overlap: float, deep: int
) -> tuple[int | None, str]:
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
        The number of examples, or None, and the finding in plain words.
    """
    from scipy.special import stdtrit

    steps = np.log2(sizes / sizes[-1])
    centered = steps - steps.mean()
    slopes = centered @ gains / (centered**2).sum()
    seeds = gains.shape[1]
    slope, level = float(slopes.mean()), float((gains.mean(axis=0) - slopes * steps.mean()).mean())
    reach = float(stdtrit(seeds - 1, 0.95)) * float(slopes.std(ddof=1)) * math.sqrt(variance_factor(seeds, overlap))
    trend = (
        f"{layers_words(deep)} gain {points(slope)} points more with each doubling (at least {points(slope - reach)})"
    )
    if level >= delta and slope - reach > 0:
        start = max(float(sizes[0]), float(sizes[-1]) * 2 ** ((delta - level) / slope))
        return round(start), f"from about {_round(start)} examples on, which these are: {trend}."
    if slope - reach <= 0:
        return (
            None,
            f"not identified: the gain of {layers_words(deep)} does not visibly grow with the examples ({trend}).",
        )
    start = float(sizes[-1]) * 2 ** ((delta - level) / slope)
    if start > FARTHEST * sizes[-1]:
        far = _round(FARTHEST * float(sizes[-1]))
        return None, f"not identified: not before {far} examples, beyond which the trend is a guess ({trend})."
    return round(start), f"from about {_round(start)} examples on, if the trend goes on: {trend}."


def _round(rows: float) -> str:
    """Two digits are all that such a figure has."""
    step = 10 ** max(0, math.floor(math.log10(rows)) - 1)
    return f"{round(rows / step) * step:,}"


def _paired_seeds(session: Session, standing: Standing) -> list[int]:
    """The seeds of the first look, as far as the depths in question have them."""
    shared = [seed for seed in range(session.study.rules.looks[-1]) if (standing.depth, seed) in session.runs]
    return [seed for seed in shared if (standing.shallowest, seed) in session.runs][: session.study.rules.looks[0]]


def _scores(session: Session, depth: int, seeds: list[int]) -> Floats:
    return np.array([session.runs[depth, seed].metrics["holdout"].accuracy.value for seed in seeds])


def _alternative(name: str, own: Floats, base: Floats, seconds: float, session: Session) -> Alternative:
    """Put a paired gain with its inflated t interval together."""
    from scipy.special import stdtrit

    gain = own - base
    mean, seeds = float(gain.mean()), len(gain)
    spread = float(gain.std(ddof=1)) * math.sqrt(variance_factor(seeds, session.study.rules.overlap))
    reach = float(stdtrit(seeds - 1, 0.975)) * spread
    return Alternative(
        name, float(own.mean()), Estimate(value=mean, low=mean - reach, high=mean + reach), seeds, seconds
    )


def _tfidf(session: Session, seeds: list[int]) -> tuple[list[float], float]:
    """Fit on each seed's rows while there is time; what is done lies in a file."""
    study = session.study
    path = session.folder / TFIDF_FILE
    key = f"{study.data.fingerprint} {study.size} {study.recipe.fingerprint()}"
    stored: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if stored.get("of") != key:
        stored = {"of": key, "scores": {}, "seconds": 0.0}
    method = methods_of(study.recipe.override({"grid.baselines": ["tfidf"]}), study.data, session.folder, texts=list)[0]
    scores: list[float] = []
    for seed in seeds:
        if str(seed) not in stored["scores"]:
            if stored["seconds"] > session.left():
                break
            started = time.monotonic()
            stored["scores"][str(seed)] = _fit_one(session, seed, method.fit)
            stored["seconds"] = time.monotonic() - started
            session.spent += stored["seconds"]
            replace_file(path, json.dumps(stored).encode())
        scores.append(stored["scores"][str(seed)])
    return scores, float(stored["seconds"])


def _fit_one(session: Session, seed: int, fit: Callable[[Any], tuple[Floats, float | None]]) -> float:
    """Score TF-IDF on the rows that a seed keeps out."""
    study = session.study
    part = study.recipe.data
    rows = use_rows(study.data, size=study.size, seed=stream(seed, "subset"), holdout=part.holdout)
    assert rows.holdout is not None and rows.holdout.labels is not None  # noqa: S101 - a study has hold-out rows
    chances, _ = fit(replace(rows, test=rows.holdout))
    labels = rows.holdout.labels
    right = ((chances >= 0.5) == labels).all(axis=1) if labels.ndim == 2 else chances.argmax(axis=1) == labels
    return float(right.mean())
