"""What else might help, measured on the same hold-out rows as far as the budget goes: bags, width, dropout, vectors.

`methods.py` has what is no stack.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.advice.decision import Standing
from textlstm.analysis.advice.session import Session, paired_seeds
from textlstm.analysis.wording import duration, layers_words, points
from textlstm.inference.frozen_encoder import find_encoder
from textlstm.results import Estimate
from textlstm.stats.sequential import variance_factor

Floats = NDArray[np.float64]

INSTEAD_FOLDER = "instead"


@dataclass(frozen=True)
class Alternative:
    """Something else than a layer, measured.

    Attributes:
        name: what it is, in a few words.
        score: mean score on the hold-out rows, a share.
        gain: over the depth that is advised, on the same rows, a share; without correction for looking at several.
        seeds: pairs of runs.
        seconds: of one run.
        settings: recipe keys that make it of the advised stack; empty for what is no stack.
    """

    name: str
    score: float
    gain: Estimate
    seeds: int
    seconds: float
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """Other settings of the advised stack, to be tried.

    Attributes:
        name: in a few words.
        folder: of its runs, below `INSTEAD_FOLDER`.
        settings: recipe keys by dotted name.
    """

    name: str
    folder: str
    settings: dict[str, Any]


def refuse_unreadable(vectors: str | None, encoder: str | None) -> None:
    """See that what the user names to be tried is there.

    Args:
        vectors: file or model of pretrained word vectors.
        encoder: path or Hub id of an encoder.

    Raises:
        DataError: the vectors cannot be read.
        ModelError: the encoder cannot be found.
    """
    if vectors is not None:
        from textlstm.text.vectors import vector_width

        vector_width(vectors)
    if encoder is not None:
        find_encoder(encoder)


def measure_bag(session: Session, standing: Standing) -> list[Alternative]:
    """Score the mean of word embeddings without a layer, which is cheap and often hard to beat.

    Args:
        session: of the study.
        standing: what it says.

    Returns:
        One alternative, or none where the budget has no time for it or a run failed.
    """
    seeds = paired_seeds(session, standing)
    cells = [session.cells[0, seed] for seed in seeds]
    if not session.has_time(cells):
        return []
    session.train(cells)
    if any((0, seed) not in session.runs for seed in seeds):
        return []
    chosen, own = session.scores(standing.depth, seeds), session.scores(0, seeds)
    return [paired_alternative("bag of embeddings (0 layers)", own, chosen, session.seconds(0), session)]


def changes_to_try(session: Session, standing: Standing, *, vectors: str | None) -> list[Change]:
    """List other settings of the advised stack, those that help most often first.

    Args:
        session: of the study.
        standing: what it says.
        vectors: file or model of pretrained word vectors, as for `embeddings.source`.

    Returns:
        The changes.

    Raises:
        DataError: the vectors cannot be read.
    """
    model = session.study.recipe.model
    changes = []
    if vectors is not None:
        from textlstm.text.vectors import vector_width

        settings = {"embeddings.source": vectors, "model.embedding_size": vector_width(vectors)}
        changes.append(Change(f"pretrained vectors of {last_parts(vectors)}", "vectors", settings))
    width = model.hidden_size
    assert isinstance(width, int)  # noqa: S101 - `whole_study` has refused lists
    changes.append(Change(f"{2 * width} units a layer in place of {width}", "wider", {"model.hidden_size": 2 * width}))
    rates = {f"model.{key}": rate for key, rate in model.model_dump().items() if key.endswith("dropout") and rate}
    if rates:
        changes.append(Change("half the dropout", "half-dropout", {key: rate / 2 for key, rate in rates.items()}))
    else:
        changes.append(Change("output dropout 0.5", "dropout", {"model.output_dropout": 0.5}))
    if standing.depth > 1 and model.join == "plain":
        changes.append(Change("residual join", "residual", {"model.join": "residual"}))
    return changes


def measure_change(session: Session, standing: Standing, change: Change) -> list[Alternative]:
    """Score the advised depth with other settings.

    Args:
        session: of the study.
        standing: what it says.
        change: the settings.

    Returns:
        One alternative, or none where the budget has no time for it or a run failed.
    """
    depth, seeds = standing.depth, paired_seeds(session, standing)
    planned = session.study.cells(change.settings, depths=(depth,))
    cells = [planned[depth, seed] for seed in seeds]
    if not session.has_time(cells):
        return []
    runs = session.train(cells, folder=f"{INSTEAD_FOLDER}/{change.folder}")
    if len(runs) < len(seeds):
        return []
    own = np.array([runs[depth, seed].metrics["holdout"].accuracy.value for seed in seeds])
    seconds = float(np.mean([run.cost.train_seconds for run in runs.values()]))
    found = paired_alternative(change.name, own, session.scores(depth, seeds), seconds, session)
    tell_of(session, found, standing)
    return [replace(found, settings=change.settings)]


def shown_better(alternatives: list[Alternative], delta: float) -> list[Alternative]:
    """Pick what gains delta and is shown to gain something, best first.

    Args:
        alternatives: measured.
        delta: smallest difference worth a change, a share.

    Returns:
        Those whose mean is delta or more and whose interval lies above nothing.
    """
    better = [one for one in alternatives if one.gain.value >= delta and (one.gain.low or 0.0) > 0]
    return sorted(better, key=lambda one: -one.gain.value)


def last_parts(source: str) -> str:
    """Name a Hub id whole, and a path by its end: a folder of a model is often called `model`.

    Args:
        source: path or Hub id.

    Returns:
        Its last two parts.
    """
    return "/".join(Path(source).parts[-2:])


def tell_of(session: Session, found: Alternative, standing: Standing) -> None:
    """Say what was measured.

    Args:
        session: of the study.
        found: what was measured.
        standing: what the study says.
    """
    session.tell(
        f"[{duration(session.spent)}] {found.name}: {100 * found.score:.1f} %, {points(found.gain.value)} points"
        f" against {layers_words(standing.depth)}"
    )


def paired_alternative(name: str, own: Floats, base: Floats, seconds: float, session: Session) -> Alternative:
    """Put a paired gain with its inflated t interval together.

    Args:
        name: of the alternative.
        own: (seeds,) its scores.
        base: (seeds,) those of the advised depth.
        seconds: of one run.
        session: of the study.

    Returns:
        The alternative.
    """
    from scipy.special import stdtrit

    gain = own - base
    mean, seeds = float(gain.mean()), len(gain)
    spread = float(gain.std(ddof=1)) * math.sqrt(variance_factor(seeds, session.study.rules.overlap))
    reach = float(stdtrit(seeds - 1, 0.975)) * spread
    return Alternative(
        name, float(own.mean()), Estimate(value=mean, low=mean - reach, high=mean + reach), seeds, seconds
    )
