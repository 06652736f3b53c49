"""How many times the data a change of settings is worth, size by size, from two finished grids of one recipe.

    textlstm run trec --set model.hidden_size=64 --set grid.layers=[1] --set grid.seeds=3 --out runs/vectors \
        --set grid.controls=[fixed_width] --set grid.baselines=[] --set embeddings.source=ENCODER \
        --set embeddings.tuned=never --set embeddings.extra_words=30000 --set model.embedding_size=384
    python benchmarks/data_multiplier.py benchmarks/evidence/trec runs/vectors

Both folders hold `results.parquet`; their runs of `--layers` layers at fixed width count, at the sizes and seeds that
both have. The figure is the horizontal distance of the learning curves (`stats.multiplier`), censored where the base
never gets there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from textlstm.stats.intervals import mean_interval
from textlstm.stats.multiplier import data_multipliers


def scores_of(folder: Path, layers: int) -> dict[tuple[int, int], float]:
    """Test accuracy by labels and seed."""
    found = {}
    for row in pq.read_table(folder / "results.parquet").to_pylist():
        plain = row.get("baseline") is None and row.get("control") in (None, "fixed_width")
        if plain and row["layers"] == layers:
            found[row["labels_used"], row["seed"]] = row["test_accuracy"]
    return found


def main() -> None:
    """Print both curves, the gain paired by seed, and the multiplier of each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("variant", type=Path)
    parser.add_argument("--layers", type=int, default=1)
    given = parser.parse_args()
    base, variant = (scores_of(folder, given.layers) for folder in (given.base, given.variant))
    shared = base.keys() & variant.keys()
    seeds = sorted({seed for _, seed in shared})
    sizes = [size for size in sorted({size for size, _ in shared}) if all((size, seed) in shared for seed in seeds)]
    assert len(sizes) > 1 and seeds, "the two folders share fewer than two sizes"
    curves = [np.array([[100 * of[size, seed] for seed in seeds] for size in sizes]) for of in (base, variant)]
    print(f"seeds {', '.join(map(str, seeds))}\n")
    print("| labels | base, accuracy % | variant | gain, paired by seed | worth |\n| --- | --- | --- | --- | --- |")
    worth = data_multipliers(*curves, sizes=sizes)
    for size, own, other, multiplier in zip(sizes, *curves, worth, strict=True):
        gain = mean_interval(other - own)
        interval = f" [{gain.low:+.1f}, {gain.high:+.1f}]" if gain.low is not None else ""
        print(
            f"| {size:,} | {own.mean():.1f} | {other.mean():.1f} | {gain.value:+.1f}{interval} | {multiplier.words} |"
        )


if __name__ == "__main__":
    main()
