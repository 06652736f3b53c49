"""D2: do deeper stacks cost more compute in training and in inference, and how does it grow?

Times are taken of all depths in turns, so that a busy moment hits all of them, and enter only as ratios to one layer
within the same repeat. Each repeat has fresh models and words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.charts.claim_curves import by_depth_figure
from textlstm.analysis.claims.effects import effect_over_seeds, number, weaker
from textlstm.analysis.claims.finding import Effect, Finding
from textlstm.analysis.claims.kept import kept
from textlstm.errors import RecipeError
from textlstm.recipe import Recipe

if TYPE_CHECKING:
    from textlstm.model import TextLSTMConfig
    from textlstm.text.datasets import TextData

Floats = NDArray[np.float64]

BATCH_SIZES = (1, 32)
_ROUNDS, _ANSWERS = 12, 100
_WARM_UP = 3
_ALONE = 0.9  # share of the processor time above which nobody else is worth a word
_TIMES = {
    "training": "a training step",
    "latency_1": "the answer to one text, median",
    "late_1": "the answer to one text, 95th percentile",
    "latency_32": "the answer to 32 texts, median",
}
"""Timed quantities, in words."""


def measure(recipe: Recipe, folder: Path, *, seeds: int, preview: bool, tell: Callable[[str], None]) -> Finding:
    """Time training steps and answers of every depth, and count what need not be timed.

    Args:
        recipe: with depths; its data give the vocabulary, the classes and the length of a text.
        folder: takes one JSON file a repeat.
        seeds: repeats.
        preview: whether this is one.
        tell: is told how it goes.

    Returns:
        What one more layer adds to the time, as a share of the one-layer stack's: the smaller of training and answers.

    Raises:
        DataError: the data cannot be read.
        RecipeError: there are fewer than two depths.
        RunFolderError: a file of figures is damaged.
    """
    from textlstm.text.protocol import load_recipe_data

    depths = sorted(set(recipe.grid.layers or []))
    if len(depths) < 2:
        raise RecipeError("The cost claim compares depths, and grid.layers has fewer than two.")
    data = load_recipe_data(recipe)
    configs, tokens = _configs(recipe, data, depths)
    mark = f"{recipe.fingerprint()} {data.fingerprint}"
    repeats = []
    for seed in recipe.seeds[:seeds]:
        path = folder / f"seed={seed}.json"
        repeats.append(kept(path, mark, partial(_repeat, recipe, configs, tokens=tokens, seed=seed)))
        tell(f"  {len(repeats)} of {seeds} repeats")
    counted = _counted(configs)
    times = {kind: np.array([[one[kind][str(k)] for k in depths] for one in repeats]) for kind in _TIMES}
    growth = {kind: _growth(kind, seconds, depths) for kind, seconds in times.items()}
    main = weaker([growth["training"], growth["latency_1"]])
    others = [effect for effect in growth.values() if effect is not main]
    others += [_exponent(kind, seconds, depths) for kind, seconds in times.items()]
    rows = [
        {
            "layers": layers,
            **{f"{words}, ms": float(1e3 * np.median(times[kind][:, place])) for kind, words in _TIMES.items()},
            "operations a token": counted[layers]["flops"],
            "parameters without embeddings": counted[layers]["parameters"],
            "MiB on disk": counted[layers]["disk_mb"],
            "MiB that training adds": float(np.median([one["memory_mb"][str(layers)] for one in repeats])),
        }
        for place, layers in enumerate(depths)
    ]
    return Finding(
        effect=main,
        others=others,
        table=rows,
        charts=[_ratio_figure(times, depths, counted)],
        notes=[
            f"Batches of {recipe.training.batch_size} texts of {tokens} tokens, the mean of the data; threads:"
            f" {recipe.threads}. Depths take turns in an order drawn anew every round; a repeat's figure is a median.",
            "The verdict is about the smaller of two growths, of training and of the answer to one text, since the"
            " claim asserts both.",
            "Operations, parameters and disk are counted, not timed, and have no interval.",
            _company_words([one["processor"]["share"] for one in repeats]),
        ],
        overturn="Another machine or width, if a layer more took less than the threshold there, as where a large"
        " vocabulary or tokenization outweighs the layers.",
    )


def planned_seconds(recipe: Recipe) -> float:
    """Estimate what timing takes.

    Args:
        recipe: as it is carried out.

    Returns:
        Seconds, by the estimates of training; an answer takes a third of a training step of as many texts.

    Raises:
        DataError: the data cannot be read.
    """
    from textlstm.analysis.claims.grids import planned_data
    from textlstm.experiment.plan import data_facts
    from textlstm.experiment.run_time import update_seconds

    facts = data_facts(planned_data(recipe), recipe)
    rounds = {recipe.training.batch_size: float(_WARM_UP + _ROUNDS)}
    for size in BATCH_SIZES:
        rounds[size] = rounds.get(size, 0.0) + (_WARM_UP + _ANSWERS) / 3
    return sum(
        times
        * update_seconds(
            recipe.override({"model.num_layers": layers, "training.batch_size": size}),
            tokens=facts.mean_tokens,
            num_labels=facts.num_labels,
        )
        for size, times in rounds.items()
        for layers in recipe.grid.layers or []
        for _ in recipe.seeds
    )


def _configs(recipe: Recipe, data: TextData, depths: Sequence[int]) -> tuple[dict[int, TextLSTMConfig], int]:
    """Make each depth's configuration for the data, and the mean length of a text."""
    from textlstm.training.preparation import build_config, prepare

    plain = recipe.model_copy(update={"claim": None})
    prepared = prepare(plain.override({"grid": {}, "seed": 0}), data)
    tokens = max(1, round(float(np.mean(prepared.encoded["train"].lengths))))
    one = {layers: plain.override({"grid": {}, "model.num_layers": layers}) for layers in depths}
    return {layers: build_config(cell, prepared) for layers, cell in one.items()}, tokens


def _repeat(
    recipe: Recipe, configs: dict[int, TextLSTMConfig], *, tokens: int, seed: int
) -> dict[str, dict[str, float]]:
    """Time everything once, with fresh models; gives seconds and MiB by depth."""
    from time import perf_counter, process_time

    from textlstm.analysis.claims.step_times import time_training
    from textlstm.inference.latency import measure_latency

    started, worked = perf_counter(), process_time()
    named = {str(layers): config for layers, config in configs.items()}
    how: dict[str, Any] = {"tokens": tokens, "threads": recipe.threads, "repeats": _ANSWERS, "seconds": 5.0}
    latency = measure_latency(named, batch_sizes=BATCH_SIZES, **how)
    seconds, memory = time_training(recipe, configs, tokens=tokens, seed=seed, rounds=_ROUNDS, warm_up=_WARM_UP)
    share = (process_time() - worked) / (perf_counter() - started) / recipe.threads
    return {
        "processor": {"share": min(1.0, share)},
        "training": seconds,
        "memory_mb": memory,
        "latency_1": {name: one.milliseconds[1][0] / 1e3 for name, one in latency.items()},
        "late_1": {name: one.milliseconds[1][1] / 1e3 for name, one in latency.items()},
        "latency_32": {name: one.milliseconds[32][0] / 1e3 for name, one in latency.items()},
    }


def _counted(configs: dict[int, TextLSTMConfig]) -> dict[int, dict[str, float]]:
    """Count operations, parameters and MiB of each depth."""
    from textlstm.training.cost import count_parameters, flops_per_token
    from textlstm.training.preparation import build_model

    counted = {}
    for layers, config in configs.items():
        model = build_model(config, seed=0)
        _, own = count_parameters(model)
        counted[layers] = {
            "flops": flops_per_token(model),
            "parameters": own,
            "disk_mb": sum(weight.nbytes for weight in model.state_dict().values()) / 2**20,
        }
    return counted


def _company_words(shares: Sequence[float]) -> str:
    """Say how far the machine was this measurement's own."""
    share = float(np.mean(shares))
    words = f"While it timed, this process had {100 * share:.0f} % of the processor time that it could use."
    if share > _ALONE:
        return words
    return (
        words + " The rest went to other work: milliseconds are upper bounds, and intervals wider than on an idle one."
    )


def _growth(kind: str, seconds: Floats, depths: Sequence[int]) -> Effect:
    """Fit a line through each repeat's ratios to the shallowest stack: what one more layer adds."""
    ratios = seconds / seconds[:, :1]
    more = np.asarray(depths, dtype=np.float64) - depths[0]
    slopes = ((ratios - 1) @ more) / (more @ more)
    return effect_over_seeds(f"one more layer, time of {_TIMES[kind]}", 100 * slopes, unit="% of one layer")


def _exponent(kind: str, seconds: Floats, depths: Sequence[int]) -> Effect:
    """Fit time = a * layers ** b in each repeat."""
    logs = np.log(np.asarray(depths, dtype=np.float64))
    logs = logs - logs.mean()
    exponents = np.log(seconds) @ logs / (logs @ logs)
    return effect_over_seeds(
        f"exponent of growth, time of {_TIMES[kind]}", exponents, unit="power of layers", note="1 is in proportion"
    )


def _ratio_figure(times: dict[str, Floats], depths: Sequence[int], counted: dict[int, dict[str, float]]) -> Any:  # noqa: ANN401 - a Figure
    """Draw every cost as a ratio to the shallowest stack."""
    rows: list[dict[str, Any]] = []
    for kind, seconds in times.items():
        for place, layers in enumerate(depths):
            # Of logarithms: a ratio has no end below 0.
            one = effect_over_seeds(kind, np.log(seconds[:, place] / seconds[:, 0]), unit="times")
            value, low, high = (float(np.exp(end)) for end in (one.value, one.low, one.high))
            known = np.isfinite(one.low) and place > 0
            rows.append(
                {
                    "series": _TIMES[kind],
                    "layers": layers,
                    "value": value,
                    "low": low if known else None,
                    "high": high if known else None,
                    "words": f"{value:.2f}" + (f" [{low:.2f}, {high:.2f}]" if known else ""),
                }
            )
    for key, words in (("flops", "operations a token"), ("disk_mb", "MiB on disk")):
        for layers in depths:
            value = counted[layers][key] / counted[depths[0]][key]
            row = {"series": words, "layers": layers, "value": value, "low": None, "high": None}
            rows.append({**row, "words": f"{value:.2f}"})
    last = [f"{row['series']} {number(row['value']).removeprefix('+')}" for row in rows if row["layers"] == depths[-1]]
    return by_depth_figure(
        rows,
        name="ratios",
        title=f"Cost against {depths[0]} layer{'s' if depths[0] > 1 else ''}",
        axis="times",
        alt_text=f"Cost by layers as a ratio. At {depths[-1]} layers: {'; '.join(last)}.",
        caption="Ratios within a repeat, 95 % intervals over repeats; operations and disk are counted.",
    )
