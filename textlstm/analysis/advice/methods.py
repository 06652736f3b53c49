"""Methods that are no stack, scored on the rows that each seed keeps out: TF-IDF, and a frozen encoder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from textlstm.analysis.advice.beside import Alternative, last_parts, paired_alternative, tell_of
from textlstm.analysis.advice.decision import Standing
from textlstm.analysis.advice.session import Session, paired_seeds
from textlstm.atomic_files import replace_file
from textlstm.errors import RunFolderError
from textlstm.experiment.baseline_methods import Method, methods_of
from textlstm.stats.scores import right_answers
from textlstm.text.protocol import UsedRows, use_rows
from textlstm.text.splits import Split
from textlstm.text.streams import stream

METHODS_FILE = "methods.json"


def measure_methods(session: Session, standing: Standing, *, encoder: str | None) -> list[Alternative]:
    """Score TF-IDF and, where one is named, a frozen encoder, each with logistic regression.

    Args:
        session: of the study.
        standing: what it says.
        encoder: path or Hub id of an encoder, which could be a teacher too.

    Returns:
        Those for which the budget had time.

    Raises:
        ModelError: the encoder cannot be found.
        RunFolderError: the file of earlier fits is damaged.
    """
    seeds = paired_seeds(session, standing)
    chosen = session.scores(standing.depth, seeds)
    recipe = session.study.recipe.override({"grid.baselines": ["tfidf"], "grid.encoder": encoder})
    methods = methods_of(recipe, session.study.data, session.folder, texts=lambda: _texts(session, seeds))
    names = {
        "tfidf": "TF-IDF with logistic regression",
        "encoder": encoder_name(encoder or ""),
    }
    found = []
    for method in methods:
        scores, seconds = _fit_all(session, method, seeds)
        if len(scores) == len(seeds):
            found.append(paired_alternative(names[method.name], np.array(scores), chosen, seconds, session))
            tell_of(session, found[-1], standing)
    return found


def encoder_name(encoder: str) -> str:
    """Name a frozen encoder among what was measured.

    Args:
        encoder: path or Hub id.

    Returns:
        The alternative's name.
    """
    return f"frozen {last_parts(encoder)} with logistic regression, as a teacher or by itself"


def _fit_all(session: Session, method: Method, seeds: list[int]) -> tuple[list[float], float]:
    """Fit on each seed's rows while there is time; what is done lies in a file. Gives scores and seconds of a fit."""
    study = session.study
    path = session.folder / METHODS_FILE
    key = f"{study.data.fingerprint} {study.size} {study.recipe.fingerprint()} {json.dumps(method.settings)}"
    stored = _stored(path)
    own = stored.get(method.name, {})
    if own.get("of") != key:
        own = {"of": key, "scores": {}, "seconds": 0.0}
    session.spent += own["seconds"] * sum(str(seed) in own["scores"] for seed in seeds)
    scores: list[float] = []
    for seed in seeds:
        if str(seed) not in own["scores"]:
            if own["seconds"] > session.left():
                break
            started = time.monotonic()
            own["scores"][str(seed)] = _fit_one(method, _rows(session, seed))
            own["seconds"] = time.monotonic() - started
            session.spent += own["seconds"]
            replace_file(path, json.dumps({**stored, method.name: own}).encode())
        scores.append(own["scores"][str(seed)])
    return scores, float(own["seconds"])


def _stored(path: Path) -> dict[str, Any]:
    """Read what is there of earlier fits."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
        if isinstance(found, dict) and all(isinstance(one["scores"], dict) for one in found.values()):
            return found
    except (ValueError, KeyError, TypeError):
        pass
    raise RunFolderError(
        f"{path} should hold scores of earlier fits as JSON and does not; it was damaged: remove it, and they are"
        " fitted again."
    )


def _fit_one(method: Method, rows: UsedRows) -> float:
    """Score a method on the rows that a seed keeps out."""
    assert rows.holdout is not None and rows.holdout.labels is not None  # noqa: S101 - a study has hold-out rows
    chances, _ = method.fit(replace(rows, test=rows.holdout))
    return float(right_answers(chances, rows.holdout.labels).mean())


def _rows(session: Session, seed: int) -> UsedRows:
    """The rows of a seed's runs."""
    study = session.study
    return use_rows(study.data, size=study.size, seed=stream(seed, "subset"), holdout=study.recipe.data.holdout)


def _texts(session: Session, seeds: list[int]) -> Iterator[Split]:
    """All splits that a method sees."""
    for rows in (_rows(session, seed) for seed in seeds):
        yield from (split for split in (rows.train, rows.validation, rows.holdout) if split is not None)
