"""A bank of real runs on which `textlstm advise` is judged: trained once, resumable, and packed into bits.

    TEXTLSTM_DATA_DIR=... python benchmarks/advice_bank.py train FOLDER     # hours; goes on where it ended
    python benchmarks/advice_bank.py pack FOLDER benchmarks/evidence/advice  # what is finished, in bits
    python benchmarks/advice_tables.py replay benchmarks/evidence/advice     # what follows from it

The bank: TREC, SST-2, MR, Subj, CR and AG News, each with 250, 1,000 and 4,000 labeled rows (the same rows for all
seeds, as a user's data is), 1 to 3 layers of 64 units, 12 seeds. Every seed keeps a quarter of the rows out, as a study
does. Sets without a test split give up a fixed third of their rows for one, 2,000 at most; of a longer test split
2,000 rows are scored. CR has too few rows for the largest size.

    FOLDER/trec_250/layers=1/size=full/seed=0/{result.json, predictions.parquet, ...}
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from textlstm.analysis.advice.holdout import holdout_hits
from textlstm.analysis.advice.study import HOLDOUT
from textlstm.errors import DataError
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import Processes
from textlstm.experiment.grid import Cell, plan_cells
from textlstm.experiment.plan import data_facts
from textlstm.experiment.sweep import run_grid
from textlstm.recipe import Recipe, validate
from textlstm.results import Run, read_predictions
from textlstm.text.datasets import TextData, data_fingerprint, load_data
from textlstm.text.splits import hold_out, nested_subset

SETS = ("trec", "sst2", "mr", "subj", "cr", "ag_news")
SIZES = (250, 1000, 4000)
DEPTHS = (1, 2, 3)
SEEDS = 12
UNITS = 64
TEST_ROWS = 2000
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

BANK_FILE = "bank.parquet"


@dataclass(frozen=True)
class Setting:
    """The runs of one data set and size.

    Attributes:
        name: of the data set.
        size: labeled rows.
        held: (seeds, rows) whether a seed has kept a row out; the same at all depths.
        hits: (depths, seeds, rows) whether it was classified rightly; meaningless where not held out.
        test: (depths, seeds, test rows) whether each was classified rightly.
        seconds: (depths, seeds) of training.
    """

    name: str
    size: int
    held: Bools
    hits: Bools
    test: Bools
    seconds: Floats

    @property
    def scores(self) -> Floats:
        """(depths, seeds) share of the held-out rows that are right."""
        return np.asarray((self.hits & self.held).sum(axis=2) / self.held.sum(axis=1))


def bank_recipe(name: str, size: int) -> Recipe:
    """Make the recipe of one run as `textlstm advise` would, at the bank's width."""
    base = validate({"name": f"bank-{name}-{size}", "data": {"source": name, "mirror": name}}, origin="the bank")
    return base.override({"model.hidden_size": UNITS})


def bank_data(name: str, size: int) -> TextData:
    """Take a setting's labeled rows, and the test rows that are its yardstick.

    Raises:
        DataError: the set has too few rows.
    """
    whole = load_data(name, mirror=name)
    train, test = whole.splits["train"], whole.splits.get("test")
    if test is None or test.labels is None:
        train, test = hold_out(train, rows=min(TEST_ROWS, len(train) // 3), seed=0)
    if len(test) > TEST_ROWS:
        test = nested_subset(test, size=TEST_ROWS, seed=0)
    if size > len(train):
        raise DataError(f"{name} has {len(train):,} labeled rows beside its test rows, and {size:,} were asked for.")
    splits = {"train": nested_subset(train, size=size, seed=0), "test": test}
    return replace(whole, splits=splits, fingerprint=data_fingerprint(splits, whole.label_names), notes=[])


def train(folder: Path, *, sets: Sequence[str], sizes: Sequence[int], seeds: int, workers: int, updates: int) -> None:
    """Train what is not there yet, a data set at a time from the smallest setting on."""
    for name, size in ((name, size) for size in sizes for name in sets):
        try:
            data = bank_data(name, size)
        except DataError as error:
            print(f"left out: {error}")
            continue
        grid = {"grid.layers": list(DEPTHS), "grid.seeds": seeds, "data.holdout": HOLDOUT}
        recipe = bank_recipe(name, size).override({**grid, "training.min_updates": updates})
        cells = plan_cells(recipe, data_facts(data, recipe))
        started = time.monotonic()

        def arrived(cell: Cell, run: Run, kept: bool, where: str = f"{name}_{size}") -> None:
            score = 100 * run.metrics["holdout"].accuracy.value
            words = "kept" if kept else f"{run.cost.train_seconds:.0f} s"
            print(f"{where}: {cell.layers} layers, seed {cell.seed}: {score:.1f} % ({words})", flush=True)

        with TrainCell(data) as run_cell:
            swept = run_grid(
                recipe,
                folder / f"{name}_{size}",
                run_cell=run_cell,
                executor=Processes(workers),
                cells=sorted(cells, key=lambda cell: cell.seed),
                data_fingerprint=data.fingerprint,
                listener=arrived,
            )
        minutes = (time.monotonic() - started) / 60
        print(f"{name}_{size}: {len(swept.runs)} runs, {len(swept.failures)} failed, {minutes:.1f} min", flush=True)


def pack(folder: Path, target: Path) -> None:
    """Write a bank of finished runs as bits."""
    rows = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        name, _, size = place.name.rpartition("_")
        runs = {
            (
                int(path.parents[2].name.removeprefix("layers=")),
                int(path.parent.name.removeprefix("seed=")),
            ): path.parent
            for path in place.glob("layers=*/size=*/seed=*/result.json")
        }
        depths, seeds = sorted({layers for layers, _ in runs}), sorted({seed for _, seed in runs})
        whole = [seed for seed in seeds if all((layers, seed) in runs for layers in depths)]
        kept = {seed: holdout_hits(runs[depths[0], seed])[0] for seed in whole}
        if not whole:
            continue
        pool = np.unique(np.concatenate(list(kept.values())))
        for seed in whole:
            for layers in depths:
                numbers, right = holdout_hits(runs[layers, seed])
                assert np.array_equal(numbers, kept[seed]), f"{runs[layers, seed]}: other rows are held out"
                hits = np.zeros(len(pool), dtype=bool)
                hits[np.searchsorted(pool, numbers)] = right > 0
                table = read_predictions(runs[layers, seed], "test")
                test = np.array(table["probabilities"].to_pylist()).argmax(axis=1) == table["label"].to_numpy()
                cost = json.loads((runs[layers, seed] / "result.json").read_bytes())["cost"]["train_seconds"]
                rows.append(
                    {
                        "set": name,
                        "size": int(size),
                        "layers": layers,
                        "seed": seed,
                        "seconds": round(cost, 2),
                        "rows": len(pool),
                        "held": np.packbits(np.isin(pool, numbers)).tobytes() if layers == depths[0] else b"",
                        "hits": np.packbits(hits[np.searchsorted(pool, numbers)]).tobytes(),
                        "texts": len(test),
                        "test": np.packbits(test).tobytes(),
                    }
                )
    target.mkdir(parents=True, exist_ok=True)
    path = target / BANK_FILE
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")
    print(f"{len(rows)} runs in {path.stat().st_size / 2**20:.2f} MiB: {path}")


def unpack(target: Path) -> list[Setting]:
    """Read a bank back; settings with fewer than 12 whole seeds are left out, and told."""
    table: dict[tuple[str, int], list[dict[str, object]]] = {}
    for row in pq.read_table(target / BANK_FILE).to_pylist():
        table.setdefault((row["set"], row["size"]), []).append(row)
    settings = []
    for (name, size), rows in table.items():
        runs = {(row["layers"], row["seed"]): row for row in rows}
        depths, seeds = sorted({layers for layers, _ in runs}), sorted({seed for _, seed in runs})
        if len(seeds) < 12 or len(depths) < 2:
            print(f"left out: {name} {size} has {len(seeds)} whole seeds")
            continue
        pool, texts = int(rows[0]["rows"]), int(rows[0]["texts"])  # type: ignore[call-overload]
        held = np.array([_bits(runs[depths[0], seed]["held"], pool) for seed in seeds])
        hits = np.zeros((len(depths), len(seeds), pool), dtype=bool)
        for d, layers in enumerate(depths):
            for s, seed in enumerate(seeds):
                hits[d, s, held[s]] = _bits(runs[layers, seed]["hits"], int(held[s].sum()))
        test = np.array([[_bits(runs[layers, seed]["test"], texts) for seed in seeds] for layers in depths])
        seconds = np.array([[float(str(runs[layers, seed]["seconds"])) for seed in seeds] for layers in depths])
        settings.append(Setting(name, size, held, hits, test, seconds))
    return settings


def _bits(packed: object, count: int) -> Bools:
    assert isinstance(packed, bytes)
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=count).astype(bool)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    training = commands.add_parser("train")
    training.add_argument("folder", type=Path)
    training.add_argument("--sets", default=",".join(SETS))
    training.add_argument("--sizes", default=",".join(map(str, SIZES)))
    training.add_argument("--seeds", type=int, default=SEEDS)
    training.add_argument("--workers", type=int, default=2, help="runs at a time; 0: one, in this process")
    training.add_argument("--updates", type=int, default=1000, help="fewest optimizer updates of a run")
    packing = commands.add_parser("pack")
    packing.add_argument("folder", type=Path)
    packing.add_argument("target", type=Path)
    options = parser.parse_args()
    if options.command == "pack":
        pack(options.folder, options.target)
    else:
        train(
            options.folder,
            sets=options.sets.split(","),
            sizes=[int(size) for size in options.sizes.split(",")],
            seeds=options.seeds,
            workers=options.workers,
            updates=options.updates,
        )
