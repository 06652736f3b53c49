"""How many times the data changes of settings are worth, size by size, from finished grids of one recipe.

    textlstm run trec --set model.hidden_size=64 --set grid.layers=[1] --set grid.seeds=3 --out runs/vectors \
        --set grid.controls=[fixed_width] --set grid.baselines=[] --set embeddings.source=ENCODER \
        --set embeddings.tuned=never --set embeddings.extra_words=30000 --set model.embedding_size=384
    python benchmarks/data_multiplier.py benchmarks/evidence/trec runs/vectors

All folders hold `results.parquet`; their runs of `--layers` layers at fixed width count (with `--control tuned`, those
of that control), at the seeds that both have. A variant may have fewer sizes than the base: the figure is the
horizontal distance of the learning curves (`stats.multiplier`), censored where the base never gets there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from textlstm.stats.intervals import mean_interval
from textlstm.stats.multiplier import data_multipliers

Scores = dict[tuple[int, int], float]


def scores_of(folder: Path, layers: int, control: str) -> Scores:
    """Test accuracy by labels and seed; folds are averaged."""
    found: dict[tuple[int, int], list[float]] = {}
    for row in pq.read_table(folder / "results.parquet").to_pylist():
        plain = row.get("baseline") is None and row.get("trial") is None and row.get("control") in (None, control)
        if plain and row["layers"] == layers:
            found.setdefault((row["labels_used"], row["seed"]), []).append(row["test_accuracy"])
    return {place: float(np.mean(scores)) for place, scores in found.items()}


def table(base: Scores, variant: Scores, name: str) -> list[str]:
    """Both curves, the gain paired by seed where both have the size, and the multiplier of each size."""
    seeds = sorted({seed for _, seed in base} & {seed for _, seed in variant})

    def whole(scores: Scores) -> list[int]:
        return [size for size in sorted({size for size, _ in scores}) if all((size, seed) in scores for seed in seeds)]

    sizes, own = whole(base), whole(variant)
    assert seeds and len(sizes) > 1 and own, f"{name} and the base share no seed, or the base has fewer than two sizes"
    below, above = (
        np.array([[100 * scores[size, seed] for seed in seeds] for size in places])
        for scores, places in ((base, sizes), (variant, own))
    )
    lines = [
        f"{name}, seeds {', '.join(map(str, seeds))}; the base at"
        f" {', '.join(f'{size:,}: {mean:.1f}' for size, mean in zip(sizes, below.mean(axis=1), strict=True))}",
        "",
        "| labels | base, accuracy % | variant | gain, paired by seed | worth |",
        "| --- | --- | --- | --- | --- |",
    ]
    for size, scores, worth in zip(own, above, data_multipliers(below, above, sizes=sizes, at=own), strict=True):
        if size in sizes:
            gain = mean_interval(scores - below[sizes.index(size)])
            interval = f" [{gain.low:+.1f}, {gain.high:+.1f}]" if gain.low is not None else ""
            beside = f"{below[sizes.index(size)].mean():.1f} | {scores.mean():.1f} | {gain.value:+.1f}{interval}"
        else:
            beside = f" | {scores.mean():.1f} | "
        lines.append(f"| {size:,} | {beside} | {worth.words} |")
    return lines


def main() -> None:
    """Print a table for each variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("variants", type=Path, nargs="+")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--control", default="fixed_width", help="such as tuned")
    given = parser.parse_args()
    base = scores_of(given.base, given.layers, given.control)
    for folder in given.variants:
        print("\n".join(table(base, scores_of(folder, given.layers, given.control), folder.name)) + "\n")


if __name__ == "__main__":
    main()
