r"""A/A on real runs: seeds of one cell dealt out at random as fake depths; how often is a difference found?

    textlstm run trec --set grid.layers=[1] --set grid.sizes=[full] --set grid.seeds=40 \\
        --set grid.controls=[fixed_width] --set grid.baselines=[] --set model.hidden_size=64 --out runs/aa-trec
    python benchmarks/aa_real_runs.py runs/aa-trec                 # or a pack of it:
    python benchmarks/aa_real_runs.py benchmarks/evidence/aa-sst2

All depths are the same, so every finding is false; the target is at most 5 % plus two Monte-Carlo standard errors.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from evidence import unpack
from numpy.typing import NDArray

from textlstm.analysis.means import measure
from textlstm.analysis.reading import read_grid
from textlstm.analysis.summary import read_summary
from textlstm.stats.decision import false_findings

DRAWS = 1000
SPLITS = ((2, 5), (2, 10), (4, 5), (4, 10))
"""Fake depths, and seeds of each."""


def read_scores(folder: Path) -> tuple[str, NDArray[np.float64]]:
    """Give the name of the cell of a folder of runs or of a pack, and (seeds, texts) of 0 and 1."""
    if (folder / "correct.parquet").exists():
        (_, layers, size), (_, scores) = next(iter(unpack(folder).items()))
        return f"{read_summary(folder).name}, {layers} layer, {size}", scores
    grid = read_grid(folder)
    group = next(iter(grid.groups.values()))
    return f"{grid.plan.recipe['name']}, {group.layers} layer, {group.size}", measure(group, "accuracy")[0]


def main() -> None:
    """Print the table, and fail when too many are found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--draws", type=int, default=DRAWS)
    options = parser.parse_args()
    limit = 0.05 + 2 * math.sqrt(0.05 * 0.95 / options.draws)
    missed = False
    heads = ["cell", "seeds", "texts", "sd of seeds (points)", "fake depths x seeds"]
    print("| " + " | ".join([*heads, f"false findings % (limit {100 * limit:.1f})"]) + " |")
    print("| --- | --- | --- | --- | --- | --- |")
    for folder in options.folders:
        name, scores = read_scores(folder)
        spread = 100 * float(scores.mean(axis=1).std(ddof=1))
        for depths, each in SPLITS:
            share = false_findings(scores, depths=depths, seeds_each=each, draws=options.draws, seed=0)
            missed |= share > limit
            row = (name, *scores.shape, f"{spread:.2f}", f"{depths} x {each}", f"{100 * share:.1f}")
            print("| " + " | ".join(map(str, row)) + " |", flush=True)
    assert not missed, "more false findings than the limit allows"


if __name__ == "__main__":
    main()
