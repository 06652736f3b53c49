"""A grid of many small cells: workers of one thread each against cells one by one with two threads.

    TEXTLSTM_DATA_DIR=... python benchmarks/many_small_runs.py [--cells 60] [--updates 200] [--sizes 500 full]

`textlstm run` on TREC as a user starts it, in turns: cells one by one in one worker of two threads, and in two workers
of one thread. Both pay imports once a worker, read the data and write the report once. Cells are 1 and 2 layers on 500
and on all labels, and seeds to make `--cells` of them; each makes `--updates` updates and scores its splits.

Wall time, so the machine must be idle: with a load of 1 or more before the start nothing is judged. Exit code 1 when
two workers take 75 % of the time of cells one by one, or more (aim: 65 %).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from textlstm.experiment.runs import read_runs

MOST, AIM, IDLE = 0.75, 0.65, 1.0
COMMAND = [sys.executable, "-c", "from textlstm.cli import main; main()", "run"]
WAYS = {"one by one, 2 threads": (1, 2), "2 workers of 1 thread": (2, 1)}  # workers and threads


def write_recipe(path: Path, *, seeds: int, updates: int, hidden: int, sizes: list[int | str]) -> None:
    """Write the grid's recipe; every cell has the same number of updates."""
    recipe = {
        "name": "many-small-runs",
        "preview": True,
        "data": {"source": "CogComp/trec", "mirror": "trec"},
        "tokenizer": {"max_length": 40},
        "model": {"hidden_size": hidden},
        # One epoch is less than that on 500 labels, and is cut off on all of them.
        "training": {"epochs": 1, "min_updates": updates, "patience": None},
        "grid": {"layers": [1, 2], "sizes": sizes, "seeds": seeds},
    }
    path.write_text(yaml.safe_dump(recipe), "utf-8")


def run(recipe: Path, folder: Path, *, workers: int, threads: int) -> tuple[float, float, float, int]:
    """Run the grid; gives wall seconds, processor seconds, the sum of the training seconds, and the number of runs."""
    command = [*COMMAND, str(recipe), "--out", str(folder), "--workers", str(workers), "--quiet"]
    command += ["--set", f"threads={threads}"]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command[3:])} failed:\n{done.stderr}")
    runs = read_runs(folder)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, spent, sum(found.cost.train_seconds for found in runs), len(runs)


def main() -> int:
    """Print the table and the goal; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=60, help="a multiple of depths times sizes")
    parser.add_argument("--sizes", nargs="+", default=["500", "full"])
    parser.add_argument("--updates", type=int, default=200, help="of each cell, at least")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    sizes = [int(size) if size.isdecimal() else size for size in options.sizes]
    seeds, rest = divmod(options.cells, 2 * len(sizes))
    if rest or not seeds:
        parser.error(f"--cells takes a multiple of {2 * len(sizes)}: two depths and {len(sizes)} sizes")
    load = os.getloadavg()[0]
    print(f"{len(os.sched_getaffinity(0))} processors, load {load:.1f} before the start; {options.cells} cells")
    print(f"{'':22} {'wall s':>8} {'processor s':>11} {'training s':>10} {'s a cell':>8}")
    walls: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory(prefix="many_small_runs_") as name:
        folder = Path(name)
        recipe = folder / "grid.yaml"
        write_recipe(recipe, seeds=seeds, updates=options.updates, hidden=options.hidden, sizes=sizes)
        for repeat in range(options.repeats):
            for way, (workers, threads) in WAYS.items():
                place = folder / f"{repeat}-{workers}"
                wall, spent, trained, count = run(recipe, place, workers=workers, threads=threads)
                assert count == options.cells
                walls[way].append(wall)
                print(f"{way:22} {wall:>8.1f} {spent:>11.1f} {trained:>10.1f} {wall / count:>8.2f}", flush=True)
    one_by_one, side_by_side = (min(found) for found in walls.values())
    share = side_by_side / one_by_one
    words = f"two workers take {share:.0%} of the time of cells one by one (goal under {MOST:.0%}, aim {AIM:.0%})"
    if load >= IDLE:
        print(f"Not judged on a busy machine: {words}")
        return 0
    print("PASS" if share < MOST else "MISS", words)
    return 0 if share < MOST else 1


if __name__ == "__main__":
    sys.exit(main())
