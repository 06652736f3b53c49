"""How costs grow: a step with its recurrent operations, memory with rows, a sweep with cells; and what starting costs.

    python benchmarks/growth.py [steps rows sweep start]           # the quick parts: some two minutes of processor time
    TEXTLSTM_DATA_DIR=... python benchmarks/growth.py check tokenizer     # 1 million rows, 100 MB of text: minutes

- steps: forward, backward, clipping and update of whole networks over lengths, batch sizes and layers, in turns, the
  fastest of the rounds; seconds = fixed + slope x operations of the layers (three times the forward pass's).
- rows: memory of a worker of a sweep (what is its own, not mapped from files) once it has the ids of so many rows.
- sweep: seconds of a grid of cells that train nothing, by the number of cells.
- start: `textlstm --help`.
- check: `textlstm check` of a csv file.
- tokenizer: the four kinds of tokenizers, trained on reviews repeated with other words.

Seconds are processor time on one thread, since the machine may be busy; for `start`, `check` and `tokenizer` those of
the child process, all its threads together, which an idle machine's clock does not exceed (for the tokenizers, that
of the goal's two cores is about half of it where the trainer is parallel).

Exit code 1 when a goal is missed: R2 over 0.98 for steps and cells, the same memory within 10 MiB for four times the
rows, 0.4 s for help, 30 s for the check, 2 x 60 s of processor time for a tokenizer.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np

LINEAR, SAME_MIB, HELP_SECONDS, CHECK_SECONDS, TOKENIZER_SECONDS = 0.98, 10.0, 0.4, 30.0, 120.0
COMMAND = [sys.executable, "-c", "from textlstm.cli import main; main()"]
Goal = tuple[str, bool]


def fit_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Fit y = fixed + slope x by least squares; gives fixed, slope and R2."""
    slope, fixed = np.polyfit(x, y, 1)
    left = y - fixed - slope * x
    return float(fixed), float(slope), 1 - float((left**2).sum() / ((y - y.mean()) ** 2).sum())


def grow_steps(options: argparse.Namespace) -> list[Goal]:
    """Time whole training steps over lengths, batch sizes and layers."""
    import torch

    from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
    from textlstm.training.cost import flops_per_token
    from textlstm.training.memory import keep_freed_memory
    from textlstm.training.optimizer import RowwiseAdamW, clip_gradients, parameter_groups

    torch.set_num_threads(1)
    keep_freed_memory()
    rng = np.random.default_rng(0)
    networks = {}
    for layers in (1, 2, 3):
        config = TextLSTMConfig(vocab_size=5_000, embedding_size=128, hidden_size=options.hidden, num_layers=layers)
        model = TextLSTMForSequenceClassification(config)
        model.lstm.embedding.sparse = True
        groups = parameter_groups(model, learning_rate=1e-3, embedding_learning_rate=1e-2, weight_decay=0.01)
        networks[layers] = model, RowwiseAdamW(groups, lr=1e-3, fused=True)

    def step(layers: int, rows: int, longest: int) -> tuple[float, float]:
        model, optimizer = networks[layers]
        lengths = np.sort(rng.integers(longest - longest // 8, longest + 1, rows))[::-1].copy()
        mask = torch.from_numpy((np.arange(longest) < lengths[:, None]).astype(np.int64))
        ids = torch.from_numpy(rng.integers(2, 5_000, (rows, longest))) * mask
        labels = torch.from_numpy(rng.integers(0, 2, rows))
        started = time.process_time()
        model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        clip_gradients(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return time.process_time() - started, 3.0 * flops_per_token(model) * float(lengths.sum())

    shapes = list(product((1, 2, 3), (8, 16, 32, 64), (16, 32, 64, 128)))
    fastest: dict[tuple[int, int, int], tuple[float, float]] = {}
    for round_number in range(options.rounds + 1):
        for shape in rng.permutation(len(shapes)):
            seconds, operations = step(*shapes[shape])
            if round_number:
                fastest[shapes[shape]] = min(fastest.get(shapes[shape], (np.inf, 0.0)), (seconds, operations))
    seconds, operations = np.array(list(fastest.values())).T
    fixed, slope, r2 = fit_line(operations, seconds)
    print(f"steps: {len(shapes)} shapes, hidden {options.hidden}, {operations.min() / 1e9:.2f} to"
          f" {operations.max() / 1e9:.1f} GFLOP: {1000 * fixed:.1f} ms + {1000 * slope * 1e9:.1f} ms a GFLOP"
          f" ({1e-9 / slope:.0f} GFLOP/s), R2 {r2:.4f}")  # fmt: skip
    names = ("layers", "rows", "longest")
    for index, name in enumerate(names):
        for value in sorted({shape[index] for shape in shapes}):
            chosen = [number for number, shape in enumerate(fastest) if shape[index] == value]
            alone = fit_line(operations[chosen], seconds[chosen])
            print(f"    {name:8} {value:>4}: R2 {alone[2]:.4f}, {1e-9 / alone[1]:.0f} GFLOP/s")
    return [(f"steps are linear in their operations: R2 {r2:.4f} (goal {LINEAR})", r2 > LINEAR)]


def _own_mib() -> float:
    """Memory of this process that no file backs, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this part needs /proc (Linux)")


def _worker_mib(folder: str) -> None:
    """Map a sweep's rows as a worker does, go through them once, and print the memory of its own."""
    from textlstm.experiment.shared_rows import MappedRows
    from textlstm.recipe import validate
    from textlstm.training.preparation import prepare

    recipe = validate({"name": "rows", "data": {"source": "x"}}, origin="the benchmark")
    before = _own_mib()
    prepared = MappedRows(Path(folder)).prepared(recipe, prepare)
    tokens = int(prepared.encoded["train"].ids.sum(dtype=np.int64))
    print(f"{_own_mib() - before:.2f} {tokens}")


def grow_rows(options: argparse.Namespace) -> list[Goal]:
    """Measure a worker's memory over the number of rows."""
    import pyarrow as pa

    from textlstm.experiment.shared_rows import MappedRows
    from textlstm.recipe import validate
    from textlstm.text.datasets import TextData
    from textlstm.text.splits import Split
    from textlstm.training.preparation import prepare

    rng = np.random.default_rng(0)
    words = np.array([f"word{chr(97 + a)}{chr(97 + b)}" for a, b in product(range(26), range(26))])
    recipe = validate({"name": "rows", "data": {"source": "x"}}, origin="the benchmark")
    found = {}
    for rows in (options.rows, 4 * options.rows):

        def split(count: int) -> Split:
            texts = pa.array(
                [" ".join(row) for row in words[rng.integers(0, len(words), (count, 12))]], pa.large_string()
            )
            return Split(texts, np.arange(count) % 2, np.arange(count))

        data = TextData({"train": split(rows), "test": split(100)}, ["a", "b"], False, "x", "0" * 16)
        with tempfile.TemporaryDirectory(prefix="growth_") as name:
            MappedRows.share(data, Path(name)).prepared(recipe, prepare)  # what the first worker does
            done = subprocess.run(
                [sys.executable, __file__, "--worker", name], capture_output=True, text=True, check=True
            )
        found[rows] = float(done.stdout.split()[0])
        print(f"rows: {rows:>9,} rows take {found[rows]:.1f} MiB of a worker's own memory")
    more = found[4 * options.rows] - found[options.rows]
    return [(f"four times the rows take {more:+.1f} MiB (goal within {SAME_MIB:g})", abs(more) <= SAME_MIB)]


def grow_sweep(options: argparse.Namespace) -> list[Goal]:
    """Time sweeps of cells that train nothing."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "experiment"))
    from fast_grid import fast_recipe, fast_run

    from textlstm.experiment.executors import serial
    from textlstm.experiment.grid import Cell
    from textlstm.experiment.sweep import run_grid
    from textlstm.results import Run, predictions_table, write_run

    table = predictions_table(np.arange(4), np.ones(4, dtype=int), np.tile([0.25, 0.75], (4, 1)))

    def run_cell(cell: Cell, folder: Path) -> Run:
        run: Run = fast_run(cell)
        write_run(folder, run, {"test": table}, cell.recipe.to_yaml())
        return run

    counts, spent = (50, 100, 200, 400, 800), []
    for cells in counts:
        with tempfile.TemporaryDirectory(prefix="growth_") as name:
            recipe = fast_recipe(layers=1, seeds=cells)
            started = time.process_time()
            done = run_grid(recipe, Path(name), run_cell=run_cell, executor=serial)
            spent.append(time.process_time() - started)
            assert len(done.runs) == cells
        print(f"sweep: {cells:>4} cells, {spent[-1]:.2f} s, {1000 * spent[-1] / cells:.1f} ms a cell")
    _, _, r2 = fit_line(np.array(counts), np.array(spent))
    return [(f"a sweep is linear in its cells: R2 {r2:.4f} (goal {LINEAR})", r2 > LINEAR)]


def child_seconds(command: list[str], environment: dict[str, str] | None = None) -> float:
    """Processor time of a command, all threads together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **(environment or {})})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure_start(options: argparse.Namespace) -> list[Goal]:
    """Time `textlstm --help`."""
    spent = sorted(child_seconds([*COMMAND, "--help"]) for _ in range(7))
    print(f"start: --help takes {spent[0]:.2f} to {spent[-1]:.2f} s, median {spent[3]:.2f}")
    return [(f"--help takes {spent[3]:.2f} s (goal {HELP_SECONDS})", spent[3] < HELP_SECONDS)]


def measure_check(options: argparse.Namespace) -> list[Goal]:
    """Time `textlstm check` of a large csv file."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(letters[rng.integers(0, 26, rng.integers(2, 10))]) for _ in range(40_000)])
    with tempfile.TemporaryDirectory(prefix="growth_") as name:
        path = Path(name) / "rows.csv"
        with path.open("w", encoding="utf-8") as file:
            file.write("text,label\n")
            for _ in range(0, options.check_rows, 10_000):
                drawn = words[(rng.zipf(1.3, (10_000, 15)) - 1) % len(words)]
                file.writelines(f"{' '.join(row)},{number % 4}\n" for number, row in enumerate(drawn))
        spent = child_seconds([*COMMAND, "check", str(path)])
    scaled = spent * 1e6 / options.check_rows
    print(f"check: {options.check_rows:,} rows take {spent:.1f} s")
    return [
        (f"check of 1 million rows: {scaled:.1f} s of processor time (goal {CHECK_SECONDS:g})", scaled < CHECK_SECONDS)
    ]


TRAIN_TOKENIZER = """
import sys
import pyarrow.parquet as pq
from textlstm.text.tokenization import train_tokenizer
texts = pq.read_table(sys.argv[1])["text"].combine_chunks()
train_tokenizer(texts, kind=sys.argv[2])
"""


def measure_tokenizer(options: argparse.Namespace) -> list[Goal]:
    """Time the training of each kind of tokenizer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = Path(os.environ["TEXTLSTM_DATA_DIR"]) / "imdb" / "train.parquet"
    reviews = pq.read_table(source, columns=["text"])["text"].to_pylist()
    size, texts, number = 0, [], 0
    while size < options.megabytes * 1e6:
        text = reviews[number % len(reviews)]
        if number >= len(reviews):  # another text: its words in another order, some of them new
            text = " ".join(
                word if len(word) % 7 else f"{word}{number // len(reviews)}" for word in reversed(text.split())
            )
        texts.append(text)
        size += len(text.encode())
        number += 1
    goals = []
    with tempfile.TemporaryDirectory(prefix="growth_") as name:
        path = Path(name) / "texts.parquet"
        pq.write_table(pa.table({"text": pa.array(texts, pa.large_string())}), path)
        del texts
        for kind in options.kinds:
            spent = child_seconds(
                [sys.executable, "-c", TRAIN_TOKENIZER, str(path), kind],
                {"TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": "2"},
            )
            scaled = spent * 100 / options.megabytes
            print(f"tokenizer: {kind:10} {options.megabytes:g} MB take {spent:.1f} s of processor time", flush=True)
            words = f"{kind} tokenizer of 100 MB: {scaled:.0f} s of processor time (goal {TOKENIZER_SECONDS:g})"
            goals.append((words, scaled < TOKENIZER_SECONDS))
    return goals


PARTS: dict[str, Callable[[argparse.Namespace], list[Goal]]] = {
    "steps": grow_steps,
    "rows": grow_rows,
    "sweep": grow_sweep,
    "start": measure_start,
    "check": measure_check,
    "tokenizer": measure_tokenizer,
}
QUICK = ["steps", "rows", "sweep", "start"]


def main() -> int:
    """Print the figures and the goals; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="the four quick ones when left out")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--check-rows", type=int, default=1_000_000)
    parser.add_argument("--megabytes", type=float, default=100.0)
    parser.add_argument("--kinds", nargs="+", default=["word", "bpe", "wordpiece", "unigram"])
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        _worker_mib(options.worker)
        return 0
    goals = [goal for part in options.parts or QUICK for goal in PARTS[part](options)]
    for goal, reached in goals:
        print("PASS" if reached else "MISS", goal)
    return 0 if all(reached for _, reached in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
