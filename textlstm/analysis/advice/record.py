"""The finished advice as one value: what was asked, what was seen, what to do; written as `advice.json`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from textlstm.analysis.advice.beside import Alternative, MoreExamples
from textlstm.analysis.advice.decision import Standing, close_chance
from textlstm.analysis.advice.session import Session
from textlstm.analysis.advice.words import answer_words
from textlstm.analysis.wording import duration, interval, layers_words, points
from textlstm.recipe import Recipe, flatten
from textlstm.recipe_arithmetic import stack_size
from textlstm.results import Estimate, replace_file

ADVICE_FILE = "advice.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class DepthResult(_Part):
    """One depth in the study.

    Attributes:
        layers: stacked layers.
        seeds: runs.
        score: mean score on the hold-out rows, a share.
        gain: mean gain over the shallowest with its bounds, which hold at all looks; None for the shallowest.
        state: how its comparison ended.
        seconds: of one run.
        parameters: outside the word embeddings.
    """

    layers: int
    seeds: int
    score: float
    gain: Estimate | None
    state: str
    seconds: float
    parameters: int


class Advice(_Part):
    """What a study came to.

    Attributes:
        source: the data.
        rows: labeled rows of the training split.
        rows_used: labeled rows a run, hold-out rows included.
        classes: number of labels.
        layers: the advice.
        hidden_size: units a layer and direction of all runs.
        join: of all runs.
        dropout: of all runs, by recipe key.
        certainty: "found", "enough" or "undecided".
        chance_close: lower bound on the chance that no other depth is better by delta or more.
        delta: smallest difference worth a layer, a share.
        gain: of the advised depth over the shallowest, with bounds that hold at all looks; None where that is advised.
        depths: every depth tried.
        alternatives: what else was measured.
        examples: what the number of examples does.
        seconds: spent.
        budget: seconds that were allowed.
        answer: sentences, the advice first.
        log: what it would have said at each look.
        notes: what the plan left out.
        command: what trains the advised model.
    """

    version: Literal[1] = 1
    source: str
    rows: int
    rows_used: int
    classes: int
    layers: int
    hidden_size: int
    join: str
    dropout: dict[str, float]
    certainty: Literal["found", "enough", "undecided"]
    chance_close: float
    delta: float
    gain: Estimate | None
    depths: list[DepthResult]
    alternatives: list[Alternative]
    examples: MoreExamples
    seconds: float
    budget: float
    answer: list[str]
    log: list[str]
    notes: list[str]
    command: str


def put_together(
    session: Session, standing: Standing, alternatives: list[Alternative], examples: MoreExamples, *, asked: Recipe
) -> Advice:
    """Make the advice of a finished study.

    Args:
        session: of the study.
        standing: at its end.
        alternatives: what else was measured.
        examples: what the number of examples does.
        asked: the user's own recipe, for the command.

    Returns:
        The advice.
    """
    study, rules = session.study, session.study.rules
    width = study.recipe.model.hidden_size
    assert isinstance(width, int)  # noqa: S101 - `plan_study` has refused lists
    depths = [_depth(session, standing, depth) for depth in study.depths]
    answer = answer_words(standing, rules, out_of_time=session.out_of_time)
    answer[1:1] = _better_words(alternatives, rules.delta, layers_words(standing.depth))
    answer += _cost_words(depths, standing)
    answer += _other_words(alternatives, rules.delta)
    answer.append(f"One more layer would start to pay: {examples.sentence}")
    if len(examples.scores) > 1:
        step = examples.scores[-1] - examples.scores[-2]
        answer.append(
            f"The last doubling of the examples brought {points(step)} points at {layers_words(standing.depth)}."
        )
    one = standing.gain
    settings = study.recipe.model.model_dump()
    return Advice(
        source=study.data.source,
        rows=len(study.data.splits["train"]),
        rows_used=study.rows,
        classes=len(study.data.label_names),
        layers=standing.depth,
        hidden_size=width,
        join=study.recipe.model.join,
        dropout={key: float(value) for key, value in settings.items() if key.endswith("dropout")},
        certainty=standing.certainty,
        chance_close=close_chance(standing, rules),
        delta=rules.delta,
        gain=None if one is None else Estimate(value=one.gain, low=one.shown[0], high=one.shown[1]),
        depths=depths,
        alternatives=alternatives,
        examples=examples,
        seconds=session.spent,
        budget=study.budget,
        answer=answer,
        log=list(session.log),
        notes=list(study.notes),
        command=train_command(asked, standing.depth),
    )


def write_advice(advice: Advice, folder: Path) -> None:
    """Write `advice.json`.

    Args:
        advice: to be written.
        folder: of the study.
    """
    replace_file(folder / ADVICE_FILE, advice.model_dump_json(indent=1).encode())


def train_command(asked: Recipe, layers: int) -> str:
    """Write the command that trains the advised model on all rows.

    Args:
        asked: the user's recipe, of which every key that was given is repeated.
        layers: the advice.

    Returns:
        A line for the shell.
    """
    given = flatten(asked.model_dump(mode="json", exclude_unset=True))
    own = ("name", "version", "delta", "data.source", "model.num_layers")
    words = ["textlstm", "train", asked.data.source, "--layers", str(layers)]
    for key, value in given.items():
        if key not in own and not key.startswith("grid."):
            words += ["--set", f"{key}={value if isinstance(value, str) and _plain(value) else json.dumps(value)}"]
    return shlex.join([*words, "--out", f"models/{asked.name}-{layers}-layer{'s' if layers > 1 else ''}"])


def _plain(value: str) -> bool:
    """Whether YAML reads a bare word as itself."""
    import yaml

    try:
        return bool(yaml.safe_load(value) == value)
    except yaml.YAMLError:
        return False


def _depth(session: Session, standing: Standing, depth: int) -> DepthResult:
    one = standing.comparisons.get(depth)
    recipe = session.study.recipe.override({"model.num_layers": depth})
    return DepthResult(
        layers=depth,
        seeds=standing.seeds[depth],
        score=standing.scores[depth],
        gain=None if one is None else Estimate(value=one.gain, low=one.shown[0], high=one.shown[1]),
        state="compared with" if one is None else one.state if one.state != "open" else "undecided",
        seconds=session.seconds(depth),
        parameters=stack_size(recipe, num_labels=len(session.study.data.label_names)).stack,
    )


def _cost_words(depths: list[DepthResult], standing: Standing) -> list[str]:
    by_depth = {result.layers: result for result in depths}
    chosen, base = by_depth[standing.depth], by_depth[standing.shallowest]
    if chosen is base:
        beyond = min((result for result in depths if result is not base), key=lambda result: result.layers)
        times = beyond.seconds / base.seconds
        words = f"{layers_words(beyond.layers)} would take {times:.1f} times as long"
    else:
        words = f"{chosen.seconds / base.seconds:.1f} times {layers_words(base.layers)}"
    return [
        f"A run of {layers_words(chosen.layers)} takes {duration(chosen.seconds)} here ({words}) and has"
        f" {chosen.parameters:,} parameters beside the embeddings."
    ]


def _better_words(alternatives: list[Alternative], delta: float, chosen: str) -> list[str]:
    """What was measured to gain more than a layer should comes right after the advice."""
    better = sorted((other for other in alternatives if other.gain.value >= delta), key=lambda other: -other.gain.value)
    parts = [f"{other.name} ({points(other.gain.value)} points {interval(other.gain, points)})" for other in better]
    return [f"What would help more than a layer, against {chosen}: {'; '.join(parts)}."] if parts else []


def _other_words(alternatives: list[Alternative], delta: float) -> list[str]:
    parts = [
        f"{other.name} ({points(other.gain.value)} {interval(other.gain, points)})"
        for other in alternatives
        if other.gain.value < delta
    ]
    return [f"Measured beside it, in points: {'; '.join(parts)}."] if parts else []
