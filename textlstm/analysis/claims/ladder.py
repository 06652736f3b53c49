"""How many texts with labels drawn by chance each stack fits: a ladder of more and more texts, climbed until it fails.

Every stack first chooses its learning rate on texts of its own; then each seed climbs by itself, side by side where
there are processors. What is finished is kept in a file a climb, so that the same command goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textlstm.analysis.claims.kept import kept
from textlstm.errors import DataError
from textlstm.experiment.capacity import workers_for_run
from textlstm.experiment.plan import data_facts
from textlstm.recipe import Recipe

if TYPE_CHECKING:
    from textlstm.text.datasets import TextData

FITTED = 0.99
"""Share of the texts that a stack must get right to have fitted them."""
_PILOT_SEED = 1_000_000  # the learning rate is chosen on texts and weights of its own


@dataclass(frozen=True)
class Options:
    """What only this claim has, as `claim.options` names it.

    Attributes:
        ladder: numbers of texts, rising.
        learning_rates: of which each stack takes the one with the lowest loss at the fixed end.
        fixed_updates: updates at the fixed end.
        most_updates: at which training is cut off.
        patience: updates without a gain after which a stack is saturated.
        nesting: recipe keys of the runs on ListOps, by dotted name.
    """

    ladder: list[int]
    learning_rates: list[float]
    fixed_updates: int
    most_updates: int
    patience: int
    nesting: dict[str, Any]


@dataclass(frozen=True)
class Stack:
    """One shape of network.

    Attributes:
        layers: stacked layers.
        widths: hidden size, one number or one a layer.
    """

    layers: int
    widths: int | tuple[int, ...]

    @property
    def path(self) -> str:
        """Name of its files."""
        words = self.widths if isinstance(self.widths, int) else "-".join(map(str, self.widths))
        return f"layers={self.layers}-width={words}"


def fitting_ladder(recipe: Recipe, data: TextData, options: Options) -> tuple[list[int], list[str]]:
    """Leave out the rungs for which there are too few different texts.

    Args:
        recipe: of the claim.
        data: the texts.
        options: with the ladder as it was asked for.

    Returns:
        The rungs that are left, and notes on what was left out.

    Raises:
        DataError: fewer than two rungs are left.
    """
    from textlstm.analysis.claims.memorization import random_texts

    different = len(random_texts(recipe, data, most=options.ladder[-1], seed=recipe.seeds[0]))
    ladder = [rung for rung in options.ladder if rung <= different]
    if len(ladder) < 2:
        raise DataError(
            f"The capacity claim needs {options.ladder[1]:,} texts that differ within the first"
            f" {recipe.tokenizer.max_length} tokens, and {data.source} has {different:,}; name larger data, raise"
            " tokenizer.max_length, or set claim.options.ladder."
        )
    left = len(options.ladder) - len(ladder)
    return ladder, [
        f"{data.source} has {different:,} different texts, so the ladder ends at {ladder[-1]:,}."
    ] if left else []


def stack_recipe(recipe: Recipe, stack: Stack) -> Recipe:
    """Make the recipe of one stack's training, for estimates of time and memory.

    Args:
        recipe: of the claim.
        stack: of the claim.

    Returns:
        One cell, on the CPU, where stacks are trained.
    """
    widths = list(stack.widths) if isinstance(stack.widths, tuple) else stack.widths
    plain = recipe.model_copy(update={"claim": None}).override({"grid": {}, "device": "cpu"})
    return plain.override({"model.num_layers": stack.layers, "model.hidden_size": widths})


def climbing_workers(recipe: Recipe, data: TextData, stacks: Sequence[Stack]) -> tuple[int, str | None]:
    """Decide how many climbs go on side by side.

    Args:
        recipe: of the claim.
        data: the texts, all of which each worker holds.
        stacks: all different; the largest decides how many the memory holds.

    Returns:
        The number of workers, at least 1, and a sentence when something else than the processors sets it.
    """
    facts = replace(data_facts(data, recipe), num_labels=2)
    chosen = [workers_for_run(stack_recipe(recipe, stack), facts) for stack in stacks]
    return min(chosen, key=lambda found: found[0])


def measure_stacks(
    recipe: Recipe,
    data: TextData,
    folder: Path,
    stacks: Sequence[Stack],
    ladder: Sequence[int],
    options: Options,
    seeds: int,
    tell: Callable[[str], None],
) -> dict[Stack, list[dict[str, Any]]]:
    """Climb the ladder with every stack and seed, side by side where there are processors; one file each is kept.

    Args:
        recipe: of the claim.
        data: the texts.
        folder: takes the figures.
        stacks: all different.
        ladder: numbers of texts, rising.
        options: with the course of training.
        seeds: how many of the recipe's are used.
        tell: is told how it goes.

    Returns:
        What `climb` returns for each seed, by stack.
    """
    measure_one = partial(
        climb, recipe=recipe, data=data, folder=folder / "random-labels", ladder=list(ladder), options=options
    )
    jobs = [(stack, seed) for seed in recipe.seeds[:seeds] for stack in stacks]
    found: dict[Stack, list[dict[str, Any]]] = {stack: [] for stack in stacks}
    workers, note = climbing_workers(recipe, data, stacks)
    if note:
        tell(note)
    workers = min(workers, len(jobs))
    pilots = {
        stack: kept_rate(
            stack, recipe=recipe, data=data, folder=folder / "random-labels", ladder=ladder, options=options
        )
        for stack in stacks
    }
    tell("  learning rates: " + ", ".join(f"{stack.path} {rate:g}" for stack, rate in pilots.items()))
    with ExitStack() as stack_of_pools:
        spread: Any = map
        if workers > 1:
            pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
            spread = stack_of_pools.enter_context(pool).map
        answers = spread(measure_one, *zip(*((stack, seed, pilots[stack]) for stack, seed in jobs), strict=True))
        for number_done, ((stack, seed), fit) in enumerate(zip(jobs, answers, strict=True), start=1):
            found[stack].append(fit)
            most = max((int(rung) for rung, one in fit["rungs"].items() if one["saturated"] >= FITTED), default=0)
            tell(f"  {number_done} of {len(jobs)}: {stack.path}, seed {seed}, fits {most:,} texts")
    return found


def kept_rate(
    stack: Stack, *, recipe: Recipe, data: TextData, folder: Path, ladder: Sequence[int], options: Options
) -> float:
    """Choose a stack's learning rate on texts of its own, or read what was chosen.

    Args:
        stack: of the claim.
        recipe: of the claim.
        data: the texts.
        folder: takes the figures.
        ladder: its middle rung is the number of texts.
        options: with the rates.

    Returns:
        The rate with the lowest mean log loss after the fixed number of updates; one that diverged is not, unless
        all did.
    """
    rung = ladder[len(ladder) // 2]

    def pilot() -> dict[str, Any]:
        from textlstm.analysis.claims.memorization import Course, fit_texts, random_texts

        texts = random_texts(recipe, data, most=rung, seed=_PILOT_SEED)
        course = Course(options.fixed_updates, options.fixed_updates, options.fixed_updates, *_batch(recipe))
        losses = {
            f"{rate:g}": fit_texts(
                _config(recipe, stack, texts), texts, rung, learning_rate=rate, course=course, seed=_PILOT_SEED
            ).loss
            for rate in options.learning_rates
        }
        return {"losses": losses}

    mark = f"{recipe.fingerprint()} {data.fingerprint} {rung}"
    losses = kept(folder / f"{stack.path}-rates.json", mark, pilot)["losses"]
    return float(min(losses, key=lambda rate: losses[rate] if math.isfinite(losses[rate]) else math.inf))


def climb(
    stack: Stack,
    seed: int,
    rate: float,
    *,
    recipe: Recipe,
    data: TextData,
    folder: Path,
    ladder: Sequence[int],
    options: Options,
) -> dict[str, Any]:
    """Let one stack fit more and more texts, up to the first rung that it does not manage.

    Args:
        stack: of the claim.
        seed: of texts, labels and weights.
        rate: learning rate.
        recipe: of the claim.
        data: the texts.
        folder: takes the figures.
        ladder: numbers of texts, rising.
        options: with the course of training.

    Returns:
        `rungs`: by number of texts, the fields of `memorization.Fit`; and the `rate`.
    """

    def compute() -> dict[str, Any]:
        from textlstm.analysis.claims.memorization import Course, fit_texts, random_texts

        texts = random_texts(recipe, data, most=ladder[-1], seed=seed)
        course = Course(options.fixed_updates, options.most_updates, options.patience, *_batch(recipe))
        rungs = {}
        for rung in ladder:
            fit = fit_texts(
                _config(recipe, stack, texts),
                texts,
                rung,
                learning_rate=rate,
                course=course,
                seed=seed,
                threads=recipe.threads,
            )
            rungs[str(rung)] = asdict(fit)
            if fit.saturated < FITTED:
                break
        return {"rungs": rungs, "rate": rate}

    mark = f"{recipe.fingerprint()} {data.fingerprint} {rate:g} {list(ladder)}"
    return kept(folder / f"{stack.path}-seed={seed}.json", mark, compute)


def _batch(recipe: Recipe) -> tuple[int, float]:
    return recipe.training.batch_size, recipe.training.max_grad_norm


def _config(recipe: Recipe, stack: Stack, texts: Any) -> Any:  # noqa: ANN401 - types of a module that needs torch
    """The configuration of a stack for these texts."""
    from textlstm.model import TextLSTMConfig

    widths = stack.widths if isinstance(stack.widths, int) else list(stack.widths)
    model = {**recipe.model.model_dump(), "num_layers": stack.layers, "hidden_size": widths, "num_labels": 2}
    return TextLSTMConfig(**model, vocab_size=texts.vocab_size, pad_token_id=texts.pad_id)
