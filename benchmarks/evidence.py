"""Pack a folder of runs so small that it can be committed, and recompute every figure from the pack.

    python benchmarks/evidence.py pack runs/trec benchmarks/evidence/trec
    python benchmarks/evidence.py check benchmarks/evidence/trec    # prints the table, fails if a figure differs

A pack is `plan.json`, `results.parquet` (one row a run), `correct.parquet` (whether each test text was classified
rightly, one bit a text) and `summary.json`. The intervals of accuracy, the gains and the verdict follow from the bits.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from textlstm.analysis.means import mean_estimate
from textlstm.analysis.reading import read_grid
from textlstm.analysis.summary import Comparison, read_summary
from textlstm.cli_grid import repeatable_command
from textlstm.experiment.controls import setting_label
from textlstm.stats.paired import paired_difference

PACK_FILES = ("plan.json", "results.parquet", "summary.json")


def pack(runs: Path, target: Path) -> None:
    """Write a pack of a finished folder of runs without folds."""
    grid = read_grid(runs)
    columns: dict[str, list[object]] = {"coordinates": [], "texts": [], "bits": []}
    for group in [*grid.groups.values(), *grid.baselines.values()]:
        scored = group.folds[0]
        right = scored.probabilities.argmax(axis=2) == scored.labels
        for run, row in zip(group.runs[0], right, strict=True):
            columns["coordinates"].append(json.dumps(run.cell, sort_keys=True))
            columns["texts"].append(len(row))
            columns["bits"].append(np.packbits(row).tobytes())
    target.mkdir(parents=True, exist_ok=True)
    for name in PACK_FILES:
        shutil.copy(runs / name, target / name)
    mirrors = os.environ.get("TEXTLSTM_DATA_DIR", "TEXTLSTM_DATA_DIR")
    for path in target.glob("*.json"):  # no places of this machine
        plain = path.read_text("utf-8").replace(f"{Path(mirrors).resolve()}/", "").replace(f"{mirrors}/", "")
        words = json.loads(plain)
        words["command"] = repeatable_command(shlex.split(words["command"])[1:])
        path.write_text(json.dumps(words, separators=(",", ":")), "utf-8")
    pq.write_table(pa.table(columns), target / "correct.parquet", compression="zstd")
    size = sum(path.stat().st_size for path in target.iterdir())
    print(f"{len(columns['bits'])} runs in {size / 2**20:.2f} MiB: {target}")


def unpack(target: Path) -> dict[tuple[str, int, str], tuple[list[int], NDArray[np.float64]]]:
    """Read the scores back: seeds, rising, and (seeds, texts) of 0 and 1, by setting, layers and size."""
    rows: dict[tuple[str, int, str], list[tuple[int, NDArray[np.float64]]]] = {}
    for row in pq.read_table(target / "correct.parquet").to_pylist():
        where = json.loads(row["coordinates"])
        setting = f"baseline {where['baseline']}" if "baseline" in where else setting_label(where)
        bits = np.unpackbits(np.frombuffer(row["bits"], np.uint8), count=row["texts"]).astype(np.float64)
        rows.setdefault((setting, where["layers"], str(where["size"])), []).append((where["seed"], bits))
    found = {place: sorted(pairs, key=lambda pair: pair[0]) for place, pairs in rows.items()}
    return {
        place: ([seed for seed, _ in pairs], np.stack([bits for _, bits in pairs])) for place, pairs in found.items()
    }


def check(target: Path) -> None:
    """Recompute accuracy and gains from the bits, print them, and compare them with the summary."""
    summary: Comparison = read_summary(target)
    scores = unpack(target)
    shallowest = min(cell.layers for cell in summary.cells)
    print(f"| setting | size | layers | accuracy (%) | gain over {shallowest} |\n|---|---|---|---|---|")
    for cell in summary.cells:
        seeds, own = scores[cell.setting, cell.layers, str(cell.size)]
        mean = mean_estimate([own])
        assert np.isclose(mean.value, cell.accuracy.value), cell
        assert mean.low is not None and np.isclose(mean.low, cell.accuracy.low or 0), cell
        gain = next(
            (d for d in summary.differences if (d.setting, d.size, d.deep) == (cell.setting, cell.size, cell.layers)),
            None,
        )
        words = ""
        if gain is not None:
            others, base = scores[gain.setting, gain.shallow, str(gain.size)]
            shared = sorted(set(seeds) & set(others))
            found = paired_difference(base[[others.index(s) for s in shared]], own[[seeds.index(s) for s in shared]])
            assert np.isclose(found.value, gain.accuracy.value) and np.isclose(found.low, gain.accuracy.low or 0), gain
            holm = "" if gain.holm is None else f", Holm p {gain.holm:.2g}"
            words = f"{100 * found.value:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]{holm}"
        low, high = 100 * mean.low, 100 * (mean.high or 0)
        accuracy = f"{100 * mean.value:.1f} [{low:.1f}, {high:.1f}]"
        print(f"| {cell.setting} | {cell.size} | {cell.layers} x {cell.widths} | {accuracy} | {words} |")
    if summary.decision:
        print(f"\n{summary.decision.words}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    packing = commands.add_parser("pack")
    packing.add_argument("runs", type=Path)
    packing.add_argument("target", type=Path)
    checking = commands.add_parser("check")
    checking.add_argument("target", type=Path)
    options = parser.parse_args()
    if options.command == "pack":
        pack(options.runs, options.target)
    else:
        check(options.target)
