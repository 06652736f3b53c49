"""How long the report of many runs takes, in a fresh process, and whether it stays clear of torch.

    python benchmarks/report_speed.py [--runs 500] [--rows 500] [--repeats 3] [--keep FOLDER]

A folder of made-up runs is written: 5 depths x 5 sizes x seeds, each with predictions of some test rows whose errors
depend on depth, size, seed and text. Then `textlstm report FOLDER` is timed, start of the interpreter included.

Exit code 1 when a goal is missed: under 10 s at 500 runs (the median of the repeats), and torch not imported. With
another number of runs the time is printed and not judged.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from textlstm.experiment.grid import Cell, DataFacts, plan_cells
from textlstm.experiment.plan import make_plan, write_plan
from textlstm.recipe import Recipe, validate
from textlstm.results import Cost, DataUse, Epoch, Run, predictions_table, write_run
from textlstm.text.datasets import TextData, load_data
from textlstm.training.evaluation import evaluate_predictions

MOST_SECONDS, JUDGED_RUNS = 10.0, 500
DEPTHS, SIZES = [1, 2, 3, 4, 5], [100, 200, 400, 800, 1600]
REPORT = """
import sys
from textlstm.cli import main
sys.argv = ["textlstm", "report", sys.argv[1]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*sorted({"torch", "transformers", "datasets"} & set(sys.modules)), file=sys.stderr)
"""


def make_data(rows: int, rng: np.random.Generator) -> TextData:
    """Make texts of random words with random labels."""
    words = np.array([f"word{k}" for k in range(500)])

    def some(count: int) -> tuple[list[str], list[str]]:
        return [" ".join(rng.choice(words, 12)) for _ in range(count)], rng.choice(["neg", "pos"], count).tolist()

    return load_data(some(2000), test=some(rows))


def make_run(cell: Cell, recipe: Recipe, data: TextData, hardness: np.ndarray, rng: np.random.Generator) -> tuple:
    """Make one run and its test predictions: deeper and larger is better, hard texts are missed more often."""
    test = data.splits["test"]
    skill = 0.15 * np.log2(cell.layers + 1) + 0.25 * np.log10(int(cell.size)) + rng.normal(0, 0.1)
    margin = skill - hardness + rng.normal(0, 0.7, len(test))
    right = 1 / (1 + np.exp(-margin))
    chances = np.where(test.labels[:, None] == np.arange(2), right[:, None], 1 - right[:, None])
    metrics = evaluate_predictions(test.labels, chances, data.label_names, resamples=100)
    seconds = 3.0 * cell.layers
    run = Run(
        name=recipe.name,
        cell=cell.coordinates,
        fingerprint=cell.recipe.fingerprint(),
        settings=cell.recipe.model_dump(mode="json", exclude={"grid"}),
        data=DataUse(
            source=data.source,
            fingerprint=data.fingerprint,
            label_names=data.label_names,
            multi_label=False,
            rows={"train": int(cell.size), "test": len(test)},
            labels_used=int(cell.size),
            notes=[],
        ),
        metrics={"train": metrics, "validation": metrics, "test": metrics},
        history=[
            Epoch(
                epoch=k,
                step=30 * k,
                train_loss=0.7 / k,
                validation_loss=0.6,
                validation_accuracy=0.7,
                learning_rate=0.001,
                gradient_norm=1.0,
                clipped=0.1,
            )
            for k in range(1, 9)
        ],
        best_epoch=6,
        stopped_early=True,
        cost=Cost(
            parameters=100_000 * cell.layers + 400_000,
            parameters_without_embeddings=100_000 * cell.layers,
            flops_per_token=200_000 * cell.layers,
            train_seconds=seconds,
            train_tokens=100_000,
            tokens_per_second=100_000 / seconds,
            peak_memory_mb=400.0,
        ),
        environment={"torch": "0", "processor": "none"},
    )
    return run, {"test": predictions_table(test.rows, test.labels, chances)}


def make_folder(folder: Path, *, runs: int, rows: int) -> int:
    """Write a grid of made-up runs; gives their number."""
    rng = np.random.default_rng(0)
    data = make_data(rows, rng)
    seeds = max(1, round(runs / (len(DEPTHS) * len(SIZES))))
    grid = {"layers": DEPTHS, "sizes": SIZES, "seeds": seeds}
    recipe = validate({"name": "report_speed", "data": {"source": "texts in memory"}, "grid": grid}, origin="benchmark")
    facts = DataFacts(num_labels=2, train_rows=2000, mean_tokens=12.0)
    cells = plan_cells(recipe, facts)
    write_plan(folder, make_plan(recipe, data, facts, cells, command="textlstm run report_speed"))
    hardness = rng.normal(0, 1, rows)
    for cell in cells:
        run, predictions = make_run(cell, recipe, data, hardness, rng)
        write_run(folder / cell.path, run, predictions, cell.recipe.to_yaml())
    return len(cells)


def main() -> int:
    """Print the times and the goals; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=JUDGED_RUNS, help="about so many runs")
    parser.add_argument("--rows", type=int, default=500, help="test rows of each")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="write the folder here and keep it")
    options = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.1f} before the start")
    with tempfile.TemporaryDirectory(prefix="report_speed_") as name:
        folder = options.keep or Path(name)
        started = time.perf_counter()
        count = make_folder(folder, runs=options.runs, rows=options.rows)
        print(f"{count} runs with {options.rows} test rows each, made in {time.perf_counter() - started:.1f} s")
        times, heavy = [], ""
        for repeat in range(options.repeats):
            started = time.perf_counter()
            done = subprocess.run([sys.executable, "-c", REPORT, str(folder)], capture_output=True, text=True)
            times.append(time.perf_counter() - started)
            if done.returncode:
                sys.exit(f"textlstm report failed:\n{done.stderr}")
            heavy = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
            print(f"report {repeat + 1}: {times[-1]:.1f} s", flush=True)
        size = (folder / "report.html").stat().st_size / 2**20
    print(f"report.html has {size:.2f} MiB\n")
    goals = [(f"imported beside it: {heavy or 'nothing heavy'} (goal: no torch)", "torch" not in heavy.split())]
    if count >= JUDGED_RUNS:
        median = statistics.median(times)
        goals.append((f"{median:.1f} s for {count} runs (goal under 10 s)", median < MOST_SECONDS))
    for goal, reached in goals:
        print("PASS" if reached else "MISS", goal)
    return 0 if all(reached for _, reached in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
