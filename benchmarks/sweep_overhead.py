"""What a sweep costs beside its training, and what a second worker brings.

    python benchmarks/sweep_overhead.py [--seconds 30] [--cells 8] [--rows 1000]

`textlstm run` is started as a user starts it, once with one worker and once with two, on a grid of equal cells over an
embedded corpus. Two short cells, which are not counted, find how many updates take the wanted seconds: the second one's
time counts, since the first's holds what is done once.

- overhead: wall time of the whole command with one worker (start, data, planning, cells, summary, report) over the sum
  of the training times that its runs report, less one.
- speed-up: wall time with one worker over wall time with two. Two processors should be idle.

Exit code 1 when a goal is missed: overhead under 5 %, and two workers at least 1.7 times as fast. Both are for cells of
about 30 seconds; with shorter ones the table is printed and nothing is judged.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from textlstm.experiment.runs import read_runs

MOST_OVERHEAD, LEAST_SPEED_UP, JUDGED_FROM = 0.05, 1.7, 20.0
COMMAND = [sys.executable, "-c", "from textlstm.cli import main; main()", "run"]


def write_recipe(path: Path, *, updates: int, cells: int, rows: int) -> None:
    """Write a recipe whose cells take the same number of updates: one epoch, topped up by `min_updates`."""
    recipe = {
        "name": "overhead",
        "preview": True,
        "data": {"source": "pydocs"},
        "model": {"embedding_size": 64, "hidden_size": 64, "num_layers": 2},
        "training": {"epochs": 1, "min_updates": updates, "patience": None},
        "grid": {"sizes": [rows], "seeds": cells},
    }
    path.write_text(yaml.safe_dump(recipe), "utf-8")


def run(recipe: Path, folder: Path, *, workers: int) -> tuple[float, float, int]:
    """Run a recipe; gives wall seconds, the sum of the training seconds, and the number of runs."""
    started = time.perf_counter()
    command = [*COMMAND, str(recipe), "--out", str(folder), "--workers", str(workers), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    wall = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command[3:])} failed:\n{done.stderr}")
    runs = read_runs(folder)
    return wall, sum(found.cost.train_seconds for found in runs), len(runs)


def main() -> int:
    """Print the table and the goals; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="training time of a cell")
    parser.add_argument("--cells", type=int, default=8, help="cells of the grid; an even number parts evenly")
    parser.add_argument("--rows", type=int, default=1000, help="labels of a cell")
    options = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.1f} before the start")

    with tempfile.TemporaryDirectory(prefix="sweep_overhead_") as name:
        folder = Path(name)
        probe = max(20, round(100 * min(1.0, options.seconds / 5)))
        write_recipe(folder / "probe.yaml", updates=probe, cells=2, rows=options.rows)
        run(folder / "probe.yaml", folder / "probe", workers=1)
        seconds = min(found.cost.train_seconds for found in read_runs(folder / "probe"))
        updates = max(1, round(probe * options.seconds / seconds))
        write_recipe(folder / "overhead.yaml", updates=updates, cells=options.cells, rows=options.rows)
        print(f"{options.cells} cells of {updates} updates, about {options.seconds:.1f} s of training each\n")
        print(
            f"{'workers':>7} {'wall s':>8} {'training s':>10} {'s a cell':>8} {'overhead':>8} {'speed-up':>8}",
            flush=True,
        )
        walls = {}
        for workers in (1, 2):
            walls[workers], trained, count = run(folder / "overhead.yaml", folder / str(workers), workers=workers)
            assert count == options.cells
            # With two workers the training times of both run side by side.
            overhead = workers * walls[workers] / trained - 1
            ratio = walls[1] / walls[workers]
            print(
                f"{workers:>7} {walls[workers]:>8.1f} {trained:>10.1f} {trained / count:>8.1f} {overhead:>8.1%}"
                f" {ratio:>8.2f}",
                flush=True,
            )
            if workers == 1:
                alone, each = overhead, trained / count
    if each < JUDGED_FROM:
        print(f"\nNot judged: cells of {each:.1f} s are too short, the goals are for about 30 s.")
        return 0
    goals = [
        (f"overhead {alone:.1%} with one worker (goal under 5 %)", alone < MOST_OVERHEAD),
        (f"two workers are {walls[1] / walls[2]:.2f} times as fast (goal 1.7)", walls[1] / walls[2] >= LEAST_SPEED_UP),
    ]
    print()
    for goal, reached in goals:
        print("PASS" if reached else "MISS", goal)
    return 0 if all(reached for _, reached in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
