"""Peak resident memory of whole trainings, beside the formula that `textlstm run --dry-run` prints.

    python benchmarks/memory.py [--all]                        # a child process a shape; --all: 12 shapes, else 4
    TEXTLSTM_DATA_DIR=... python benchmarks/memory.py --imdb   # 25,000 reviews at full length, a few updates

Each shape trains on random words, lengths uniform from half the longest to the longest, in a fresh process, and its
peak is what the system counted for that process from beginning to end (`ru_maxrss`). `--imdb` reads, tokenizes and
holds all 25,000 training and 25,000 test reviews uncut, then makes updates on the batches with the longest reviews.

Exit code 1 when the formula is off by more than 20 %, or IMDB takes more than 4 GB.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from textlstm.recipe import Recipe, validate
from textlstm.recipe_memory import peak_memory

TOLERANCE, MOST_FOR_IMDB = 0.20, 4e9
FEW: list[dict[str, Any]] = [
    {"layers": 1, "hidden": 64, "embedding": 128, "longest": 20, "batch": 32, "words": 5_000},
    {"layers": 2, "hidden": 128, "embedding": 300, "longest": 200, "batch": 32, "words": 5_000},
    {"layers": 4, "hidden": 128, "embedding": 64, "longest": 200, "batch": 32, "words": 5_000},
    {"layers": 1, "hidden": 64, "embedding": 300, "longest": 40, "batch": 16, "words": 30_000},
]
MORE: list[dict[str, Any]] = [
    {"layers": 0, "hidden": 64, "embedding": 300, "longest": 400, "batch": 32, "words": 5_000},
    {"layers": 1, "hidden": 256, "embedding": 300, "longest": 400, "batch": 32, "words": 5_000},
    {"layers": 1, "hidden": 128, "embedding": 128, "longest": 400, "batch": 8, "words": 5_000},
    {"layers": 1, "hidden": 128, "embedding": 128, "longest": 400, "batch": 64, "words": 5_000},
    {"layers": 8, "hidden": 64, "embedding": 64, "longest": 200, "batch": 32, "words": 5_000},
    {"layers": 3, "hidden": 64, "embedding": 64, "longest": 200, "batch": 32, "words": 5_000, "join": "dense"},
    {"layers": 2, "hidden": 64, "embedding": 64, "longest": 200, "batch": 32, "words": 5_000, "activation": "relu"},
    {"layers": 2, "hidden": 128, "embedding": 128, "longest": 1_000, "batch": 16, "words": 5_000, "window": 50},
]
BATCHES = 3


def recipe_of(shape: dict[str, Any]) -> Recipe:
    """Make a recipe of a shape."""
    options = {name: shape[name] for name in ("join", "activation", "window") if name in shape}
    return validate(
        {
            "name": "memory",
            "data": {"source": "random words"},
            "tokenizer": {"vocab_size": shape["words"], "max_length": shape["longest"], "min_frequency": 1},
            "model": {
                "num_layers": shape["layers"],
                "hidden_size": shape["hidden"],
                "embedding_size": shape["embedding"],
                **options,
            },
            "training": {"epochs": 1, "min_updates": 0, "batch_size": shape["batch"]},
        },
        origin="the benchmark",
    )


def expected_bytes(shape: dict[str, Any]) -> int:
    """What the formula says of a shape."""
    mean = 0.75 * shape["longest"]
    rows = BATCHES * shape["batch"]
    return peak_memory(recipe_of(shape), num_labels=2, mean_tokens=mean, rows=rows, vocab_size=shape["words"]).total


def train_shape(shape: dict[str, Any]) -> None:
    """Train a shape on random words; runs in a process of its own."""
    from textlstm.text.datasets import TextData
    from textlstm.text.encoding import Encoded
    from textlstm.text.protocol import UsedRows
    from textlstm.text.splits import Split
    from textlstm.text.tokenization import train_tokenizer
    from textlstm.training.finetuning import train
    from textlstm.training.preparation import Prepared

    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrst"))
    numbers = np.arange(shape["words"] - 2)[:, None] // 20 ** np.arange(4) % 20
    words = ["".join(row) for row in letters[numbers]]
    tokenizer = train_tokenizer([" ".join(words)], vocab_size=shape["words"], min_frequency=1)

    def rows(count: int) -> tuple[Split, Encoded]:
        lengths = rng.integers(shape["longest"] // 2, shape["longest"] + 1, count)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        split = Split(pa.array([""] * count, pa.large_string()), np.arange(count) % 2, np.arange(count))
        return split, Encoded(rng.integers(2, shape["words"], offsets[-1]).astype(np.int32), offsets)

    made = {"train": rows(BATCHES * shape["batch"]), "validation": rows(4), "test": rows(4)}
    data = TextData({name: split for name, (split, _) in made.items()}, ["a", "b"], False, "random words", "0" * 16)
    used = UsedRows(**data.splits, notes=[])
    encoded = {name: ids for name, (_, ids) in made.items()}
    train(recipe_of(shape), prepared=Prepared(data, used, tokenizer, encoded))


def train_imdb(updates: int) -> None:
    """Tokenize all of IMDB uncut and make updates on its longest batches; runs in a process of its own."""
    from textlstm.text.protocol import load_recipe_data
    from textlstm.training.finetuning import train
    from textlstm.training.preparation import prepare

    recipe = imdb_recipe()
    prepared = prepare(recipe, load_recipe_data(recipe))
    lengths = prepared.encoded["train"].lengths
    print(json.dumps({"rows": len(lengths), "mean": float(lengths.mean()), "longest": int(lengths.max())}), flush=True)
    # Everything stays in memory; learned from are the longest reviews, and as many as there are on average beside them.
    order = np.argsort(-lengths, kind="stable")
    budget = recipe.training.batch_size * lengths.mean()
    longest = order[: int(updates * budget / lengths[order[0]]) + 1]
    middle = order[len(order) // 2 : len(order) // 2 + 2 * recipe.training.batch_size]
    chosen = np.concatenate([longest, middle])
    held = np.argsort(-prepared.encoded["validation"].lengths)[:16]
    few = replace(
        prepared,
        rows=replace(
            prepared.rows,
            train=prepared.rows.train.take(chosen),
            validation=prepared.rows.validation.take(held),  # type: ignore[union-attr]
            test=None,
        ),
        encoded={
            "train": prepared.encoded["train"].take(chosen),
            "validation": prepared.encoded["validation"].take(held),
        },
    )
    cut = recipe.training.batch_size * float(lengths.mean()) / float(few.encoded["train"].lengths.mean())
    train(recipe.override({"training.batch_size": max(1, round(cut))}), prepared=few)


def imdb_recipe() -> Recipe:
    """The recipe `imdb` with two layers and whole reviews."""
    from textlstm.recipe_files import load_recipe

    return load_recipe("imdb").override(
        {
            "grid": {},
            "tokenizer.max_length": 4_000,
            "model.num_layers": 2,
            "model.hidden_size": 256,
            "training.epochs": 1,
            "training.min_updates": 0,
        }
    )


def peak_of(target: Any, *arguments: Any) -> int:  # noqa: ANN401
    """Run a function in a fresh process; gives its peak resident memory in bytes."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(send, target, arguments))
    process.start()
    send.close()
    peak = receive.recv()
    process.join()
    return int(peak)


def _measured(pipe: Any, target: Any, arguments: tuple[Any, ...]) -> None:  # noqa: ANN401
    target(*arguments)
    unit = 1 if sys.platform == "darwin" else 1024
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def main() -> int:
    """Print the table and the goals; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="the longer list of shapes")
    parser.add_argument("--imdb", action="store_true", help="25,000 reviews at full length instead of shapes")
    parser.add_argument("--updates", type=int, default=2, help="with --imdb: updates on the longest reviews")
    options = parser.parse_args()
    goals = []
    if options.imdb:
        peak = peak_of(train_imdb, options.updates)
        recipe = imdb_recipe()
        expected = peak_memory(recipe, num_labels=2, mean_tokens=289.2, rows=24_000).total
        print(f"2 x 256 on whole reviews: {peak / 1e9:.2f} GB at the peak, {expected / 1e9:.2f} by the formula")
        goals.append((f"IMDB takes {peak / 1e9:.2f} GB (goal: under 4)", peak < MOST_FOR_IMDB))
        goals.append((f"formula off by {expected / peak - 1:+.0%} (goal: 20 %)", abs(expected / peak - 1) <= TOLERANCE))
    else:
        print(f"{'layers':>6} {'hidden':>6} {'emb':>4} {'longest':>7} {'batch':>5} {'words':>6} {'option':14}"
              f" {'MiB':>6} {'formula':>7} {'off':>5}")  # fmt: skip
        for shape in FEW + (MORE if options.all else []):
            peak, expected = peak_of(train_shape, shape), expected_bytes(shape)
            off = expected / peak - 1
            option = " ".join(f"{name}={shape[name]}" for name in ("join", "activation", "window") if name in shape)
            print(
                f"{shape['layers']:>6} {shape['hidden']:>6} {shape['embedding']:>4} {shape['longest']:>7}"
                f" {shape['batch']:>5} {shape['words']:>6} {option:14} {peak / 2**20:>6,.0f} {expected / 2**20:>7,.0f}"
                f" {off:>+5.0%}",
                flush=True,
            )
            goals.append((f"{option or 'plain'}, {shape['layers']} layers: off by {off:+.0%}", abs(off) <= TOLERANCE))
    for goal, reached in goals:
        print("PASS" if reached else "MISS", goal)
    return 0 if all(reached for _, reached in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
