"""The finished advice as one value: what was asked, what was seen, what to do; written as `advice.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from textlstm.analysis.advice.beside import Alternative, shown_better
from textlstm.analysis.advice.commands import teacher_words, train_command
from textlstm.analysis.advice.decision import Standing, close_chance
from textlstm.analysis.advice.examples import MoreExamples
from textlstm.analysis.advice.session import Session
from textlstm.analysis.advice.words import answer_words, delta_words, pays_words
from textlstm.analysis.wording import duration, interval, layers_words, points
from textlstm.atomic_files import replace_file
from textlstm.recipe import Recipe
from textlstm.recipe_arithmetic import stack_size
from textlstm.results import Estimate

ADVICE_FILE = "advice.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class DepthResult(_Part):
    """One depth in the study.

    Attributes:
        layers: stacked layers.
        seeds: runs.
        score: mean score on the hold-out rows, a share.
        gain: mean gain over the shallowest; None for the shallowest. Its bounds hold for all depths together; where
            the state is a finding, for all looks together too, the upper one for this depth by itself.
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
        hidden_size: advised units a layer and direction: those of all runs, unless others are shown to be better.
        join: advised, likewise.
        dropout: advised rates by recipe key, likewise.
        changed: what of these is not as in the runs that compare depths; empty where nothing is.
        certainty: "found", "enough" or "undecided".
        chance_close: lower bound on the chance that no other depth is better by delta or more.
        delta: smallest difference worth a layer, a share.
        gain: of the advised depth over the shallowest, with bounds as in `depths`; None where that is advised.
        depths: every depth tried.
        alternatives: what else was measured.
        examples: what the number of examples does.
        seconds: spent.
        budget: seconds that were allowed.
        answer: sentences, the advice first.
        log: what it would have said at each look.
        notes: what the plan left out.
        command: what trains the advised model.
        expected_gain: `gain` shrunk towards what is usual, since what stands highest has likely had luck; None where
            the shallowest is advised.
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
    changed: str
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
    expected_gain: float | None = None


def put_together(
    session: Session,
    standing: Standing,
    alternatives: list[Alternative],
    examples: MoreExamples,
    *,
    asked: Recipe,
    named: tuple[str | None, str | None] = (None, None),
) -> Advice:
    """Make the advice of a finished study.

    Args:
        session: of the study.
        standing: at its end.
        alternatives: what else was measured.
        examples: what the number of examples does.
        asked: the user's own recipe, for the command.
        named: vectors and encoder that the user gave to be tried.

    Returns:
        The advice.
    """
    study, rules = session.study, session.study.rules
    depths = [_depth(session, standing, depth) for depth in study.depths]
    changes = [one for one in shown_better(alternatives, rules.delta) if one.settings]
    best = changes[0] if changes else None
    final = asked.override({"model.num_layers": standing.depth, **(best.settings if best else {})})
    model = final.model.model_dump()
    first, *rest = answer_words(standing, rules, out_of_time=session.out_of_time)
    answer = [
        first,
        *_better_words(alternatives, rules.delta, layers_words(standing.depth)),
        *teacher_words(alternatives, rules.delta, named[1], final, asked),
        _settings_words(model, best, alternatives),
        *rest,
        *_cost_words(depths, standing),
        *_other_words(alternatives, rules.delta),
        f"{pays_words(standing.depth, standing.shallowest)}: {examples.sentence}",
        *_growth_words(examples, layers_words(standing.depth)),
        *_untried_words(named),
    ]
    one = standing.gain
    return Advice(
        source=study.data.source,
        rows=len(study.data.splits["train"]),
        rows_used=study.rows,
        classes=len(study.data.label_names),
        layers=standing.depth,
        hidden_size=model["hidden_size"],
        join=model["join"],
        dropout=_dropout(model),
        changed=best.name if best else "",
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
        command=train_command(final, asked),
        expected_gain=None if one is None else one.expected,
    )


def write_advice(advice: Advice, folder: Path) -> None:
    """Write `advice.json`.

    Args:
        advice: to be written.
        folder: of the study.
    """
    replace_file(folder / ADVICE_FILE, advice.model_dump_json(indent=1).encode())


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


def _dropout(model: dict[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in model.items() if key.endswith("dropout")}


def _settings_words(model: dict[str, Any], best: Alternative | None, alternatives: list[Alternative]) -> str:
    """Name width, join and dropout of the advised stack, and whether others were tried."""
    several = model["num_layers"] > 1
    rates = [
        f"{key.removesuffix('_dropout')} {rate:g}"
        for key, rate in _dropout(model).items()
        if rate and (several or key != "layer_dropout")
    ]
    join = f"join {model['join']}, " if several else ""
    words = f"Settings: {model['hidden_size']} units a layer and direction, {join}dropout {', '.join(rates) or 'none'}"
    if best is not None:
        return f"{words}; that is {best.name}, shown to be better by {points(best.gain.value)} points."
    tried = [one.name for one in alternatives if one.settings]
    if tried:
        return f"{words}, as in the runs; not shown to be better: {', '.join(tried)}."
    return f"{words}, as in the runs; the budget had no time for others."


def _better_words(alternatives: list[Alternative], delta: float, chosen: str) -> list[str]:
    """What was shown to help, and by more than a layer should, comes right after the advice."""
    parts = [f"{one.name} ({_gain_words(one)})" for one in shown_better(alternatives, delta)]
    if not parts:
        return []
    least = delta_words(delta)
    return [f"Shown to help, each by itself and by {least} or more on average, against {chosen}: {'; '.join(parts)}."]


def _other_words(alternatives: list[Alternative], delta: float) -> list[str]:
    better = shown_better(alternatives, delta)
    open_ones = [one for one in alternatives if one not in better and (one.gain.high or 0.0) >= delta]
    worse = [one for one in alternatives if one not in better and one not in open_ones]
    words = []
    if open_ones:
        listed = "; ".join(f"{one.name} ({_gain_words(one)})" for one in open_ones)
        words.append(f"May help or not, {open_ones[0].seeds} seeds cannot tell: {listed}.")
    if worse:
        listed = "; ".join(f"{one.name} ({_gain_words(one)})" for one in worse)
        words.append(f"Does not gain {delta_words(delta)}: {listed}.")
    return words


def _growth_words(examples: MoreExamples, chosen: str) -> list[str]:
    if len(examples.scores) < 2:
        return []
    step = examples.scores[-1] - examples.scores[-2]
    return [f"More examples: the last doubling of them brought {points(step)} points at {chosen}."]


def _untried_words(named: tuple[str | None, str | None]) -> list[str]:
    """Say what could be tried and needs something of the user's."""
    vectors, encoder = named
    parts = [] if vectors else ["pretrained word vectors (--vectors FILE)"]
    parts += [] if encoder else ["a large encoder, also as a teacher for textlstm distill (--encoder MODEL)"]
    return [f"Not tried here, and often worth more than a layer: {', '.join(parts)}."] if parts else []


def _gain_words(one: Alternative) -> str:
    return f"{points(one.gain.value)} {interval(one.gain, points)}"
