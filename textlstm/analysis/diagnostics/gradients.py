"""How gradients fare while a stack is trained: watched runs, a verdict with its remedy, and what a remedy brings.

Three things are told apart, because other remedies help: gain lost over the distance between words, gain lost from
layer to layer, and gradients so large that clipping decides the step. The bounds are rules of thumb, stated as
constants; Adam divides out a common scale, so that a small gradient alone is no harm, only one that is small beside
others of the same stack. Whether the remedy helps the score is not guessed at but measured (`remedy_effect`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from textlstm.analysis.diagnostics.reach import MAX_TOKENS, TEXTS, Reach, bottom_gain, gradient_reach
from textlstm.model import TextLSTMConfig
from textlstm.recipe import Recipe
from textlstm.results import Estimate
from textlstm.stats.intervals import mean_interval
from textlstm.text.datasets import TextData
from textlstm.text.protocol import load_recipe_data
from textlstm.training.finetuning import train
from textlstm.training.preparation import Prepared, prepare
from textlstm.training.trained import Trained
from textlstm.training.watch import GradientRecord, Moment, TrainingWatch

Problem = Literal["fades over distance", "fades over depth", "grows", "clipped often"]

FADES = 1e-3
"""Gain from the lowest layer, beside that of the nearest word, under which it counts as lost over distance."""
DEPTH_FADES = 1e-2
"""Gain from the lowest layer to the top at the same word under which it counts as lost over depth."""
GROWS = 10.0
"""Gain of any layer's state above which small changes grow on their way."""
CLIPPED = 0.5
"""Share of clipped updates from which on the limit, and not the rate, sets the size of the steps."""
SHORTEST = 8
"""Distance in words under which texts say nothing about memory."""
_WATCHED_SHARE = 0.025
_LOOKS = 3
_LOOK_UPDATES = 6
"""Updates that take as long as one look at 48 texts with two vectors each, measured on two and three layers."""
_SHORTEST_CUT = SHORTEST + 1


@dataclass(frozen=True, eq=False)
class Watched:
    """A run with what was seen on the way.

    Attributes:
        trained: the run and its model.
        record: gradient norms by part and update, before clipping.
        reach: gradient reach by moment: start, middle (absent where the run ended early), end.
        watching: share of the time of training that watching took.
    """

    trained: Trained
    record: GradientRecord
    reach: dict[Moment, Reach]
    watching: float


@dataclass(frozen=True)
class Remedy:
    """A change of the recipe that may help.

    Attributes:
        settings: recipe keys by dotted name with their new values.
        why: what it does, in a sentence with its source.
    """

    settings: Mapping[str, Any]
    why: str


@dataclass(frozen=True)
class GradientVerdict:
    """What the gradients of a stack say.

    Attributes:
        problems: found, the most basic first; empty where all is well.
        sentences: one for each problem, or one that says that there is none.
        remedies: in the order in which to try them.
    """

    problems: Sequence[Problem]
    sentences: Sequence[str]
    remedies: Sequence[Remedy] = field(default_factory=tuple)


@dataclass(frozen=True, eq=False)
class RemedyEffect:
    """What a remedy brings, over seeds, paired.

    Attributes:
        settings: of the remedy.
        reach_start: change of `bottom_gain` before training, in decimal orders of magnitude.
        reach_end: the same after training.
        score: change of the score in points (accuracy on test where it is labeled, else on validation).
        split: on which the score was taken.
        seeds: that the intervals stand on.
    """

    settings: Mapping[str, Any]
    reach_start: Estimate
    reach_end: Estimate
    score: Estimate
    split: str
    seeds: int


def watched_training(recipe: Recipe, data: TextData | None = None, *, prepared: Prepared | None = None) -> Watched:
    """Train one stack and take notes: gradient norms at up to 200 updates, gradient reach at three moments.

    Reach is measured on training texts. Its cost is that of some updates, read word by word, whatever the run's length:
    `watching` says what share it came to, about 1 % at the default of 1,000 updates or more.

    Args:
        recipe: one cell, of one layer or more.
        data: loaded from the recipe when None.
        prepared: rows already drawn and encoded for this recipe; made here when None.

    Returns:
        The run, the same that nobody watched, with the notes.
    """
    if prepared is None:
        prepared = prepare(recipe, data if data is not None else load_recipe_data(recipe))
    watch = reach_watch(recipe, prepared)
    trained = train(recipe, prepared=prepared, watch=watch)
    return Watched(trained, watch.record, watch.seen, watch.seconds / max(trained.run.cost.train_seconds, 1e-9))


def reach_watch(recipe: Recipe, prepared: Prepared, *, bounded: bool = False) -> TrainingWatch[Reach]:
    """Make what takes notes of gradients and of gradient reach on training texts.

    Args:
        recipe: one cell, of one layer or more.
        prepared: its rows.
        bounded: whether a short run is looked at on fewer texts, cut shorter, so that watching stays under 5 % of its
            time. A look costs about as much as `_LOOK_UPDATES` updates of the run, and less in proportion to the words
            at which texts are cut; at `_SHORTEST_CUT` words nothing is left to save.

    Returns:
        The watch, for `finetuning.train`.
    """
    encoded, settings = prepared.encoded["train"], recipe.training
    probe = partial(gradient_reach, encoded=encoded, seed=recipe.seed)
    updates = max(settings.min_updates, settings.epochs * len(encoded) / settings.batch_size)
    share = _WATCHED_SHARE * updates / (_LOOKS * _LOOK_UPDATES)
    if bounded and share < 1:
        words = max(_SHORTEST_CUT, round(share * min(MAX_TOKENS, int(encoded.lengths.max(initial=1)))))
        probe = partial(probe, texts=TEXTS // 2, probes=1, max_tokens=words)
    return TrainingWatch(probe)


def judge_gradients(config: TextLSTMConfig, reach: Reach, record: GradientRecord | None = None) -> GradientVerdict:
    """Say what is wrong with a stack's gradients, and what to try.

    Args:
        config: of the stack.
        reach: at the moment that is judged.
        record: of the training, where it was watched.

    Returns:
        Problems, and remedies that are not in place already.
    """
    problems: list[Problem] = []
    sentences: list[str] = []
    lowest = reach.gains[:, 1, : reach.longest + 1]  # (directions, distances)
    longest = reach.longest
    if longest >= SHORTEST:
        left = float(np.min(lowest[:, longest] / lowest.max(axis=1)))
        if left < FADES:
            problems.append("fades over distance")
            sentences.append(
                f"Of a change in layer 1, {_times(left)} of the largest gain arrives from {longest} words away."
            )
    across = float(lowest[:, 0].min()) if longest >= 0 else math.inf
    if config.num_layers > 1 and across < DEPTH_FADES:
        problems.append("fades over depth")
        sentences.append(f"Of a change in layer 1, {_times(across)} arrives at layer {config.num_layers}, same word.")
    states = reach.gains[:, 1:, : longest + 1]
    if states.size and float(states.max()) > GROWS:
        problems.append("grows")
        sentences.append(
            f"A small change of a state grows up to {float(states.max()):.0f} times on its way to the top."
        )
    if record is not None and record.clipped > CLIPPED:
        problems.append("clipped often")
        sentences.append(
            f"{100 * record.clipped:.0f} % of the updates were clipped at a norm of {record.limit:g}; the median norm"
            f" was {float(np.median(record.totals)):.2g}."
        )
    if longest < 0:
        few = f"takes {reach.fewest} texts with words or more; give more texts"
        sentences.insert(0, f"How far gradients reach was not measured: it {few}.")
    elif not problems:
        far = f" from up to {longest} words away" if longest >= SHORTEST else ", as far as these short texts can tell"
        sentences.append(f"Gradients reach every layer{far}; there is nothing to mend.")
    return GradientVerdict(problems, sentences, _remedies(problems, config, longest, record))


def remedy_effect(
    recipe: Recipe,
    settings: Mapping[str, Any],
    *,
    data: TextData | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    tell: Callable[[str], None] = lambda _: None,
) -> RemedyEffect:
    """Train a stack as it is and with a remedy, and compare reach and score, paired by seed.

    Args:
        recipe: one cell.
        settings: the remedy's, recipe keys by dotted name.
        data: loaded from the recipe when None.
        seeds: of the pairs of runs.
        tell: called with a sentence before each run.

    Returns:
        The changes with their intervals over seeds.
    """
    loaded = data if data is not None else load_recipe_data(recipe)
    changes: list[tuple[float, float, float]] = []
    split = "test"
    for seed in seeds:
        figures = []
        for name, changed in (("as it is", {}), ("with the remedy", dict(settings))):
            tell(f"seed {seed}, {name}")
            watched = watched_training(recipe.override({**changed, "seed": seed}), loaded)
            split = next(name for name in ("test", "validation", "train") if name in watched.trained.run.metrics)
            gains = [bottom_gain(watched.reach[moment]) for moment in ("start", "end")]
            figures.append((*gains, 100 * watched.trained.run.metrics[split].accuracy.value))
        before, after = figures
        changes.append((after[0] - before[0], after[1] - before[1], after[2] - before[2]))
    start, end, score = (mean_interval(column) for column in np.array(changes).T)
    return RemedyEffect(settings, start, end, score, split, len(seeds))


def _remedies(
    problems: Sequence[Problem], config: TextLSTMConfig, longest: int, record: GradientRecord | None
) -> list[Remedy]:
    """Collect the remedies that are not in place, without repetition."""
    found: list[Remedy] = []
    bounded = config.activation == "tanh" or (
        isinstance(config.activation, list) and set(config.activation) == {"tanh"}
    )
    if "fades over distance" in problems:
        # Recurrent matrices start orthogonal already (`initial_lstm_weights`), so that the bias is what is left.
        if config.forget_bias < 1.0:
            found.append(Remedy({"model.forget_bias": 1.0}, "gates that start open remember (Jozefowicz et al. 2015)"))
        elif config.forget_bias < round(math.log(longest), 1):
            why = "a bias of the logarithm of the distance spans it from the start (Tallec & Ollivier 2018)"
            found.append(Remedy({"model.forget_bias": round(math.log(longest), 1)}, why))
    if "fades over depth" in problems:
        if config.join == "plain":
            why = "a shortcut past each layer carries the gradient (Kim et al. 2017, residual LSTM)"
            found.append(Remedy({"model.join": "residual"}, why))
            found.append(Remedy({"model.join": "dense"}, "each layer reads all below it (Ding et al. 2018)"))
        if config.num_layers > 2:
            found.append(Remedy({"model.num_layers": config.num_layers - 1}, "one layer less to pass"))
    if config.num_layers > 1 and not config.layer_norm and {"fades over depth", "grows"} & set(problems):
        found.append(Remedy({"model.layer_norm": True}, "what a layer reads keeps one scale (Ba et al. 2016)"))
    if not bounded and {"fades over distance", "fades over depth", "grows"} & set(problems):
        found.append(Remedy({"model.activation": "tanh"}, "the cell's output stays between -1 and 1"))
    if "grows" in problems and record is not None and record.limit > 1.0:
        found.append(Remedy({"training.max_grad_norm": 1.0}, "clipping bounds the step (Pascanu et al. 2013)"))
    if "clipped often" in problems and record is not None:
        usual = float(f"{np.quantile(record.totals, 0.9):.2g}")
        why = "only the largest tenth of the gradients is then scaled down"
        found.append(Remedy({"training.max_grad_norm": usual}, why))
    return found


def _times(share: float) -> str:
    """Word a small share."""
    return f"{share:.2g} times" if share >= 1e-4 else f"{share:.0e} times"
