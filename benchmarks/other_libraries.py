"""Training speed beside other libraries: flair, Keras (torch and jax), fastai, and the loop that tutorials write.

    TEXTLSTM_DATA_DIR=... python benchmarks/other_libraries.py [--hidden 256] [--layers 1 2] [--sets trec sst2 imdb]

Each library has a virtual environment of its own below `--venvs` (flair needs transformers 4), made when it is absent.
All train on the same tokens of the same texts, cut after 400: 32 texts a batch, 300 numbers a word, trained embeddings,
bidirectional layers of `--hidden`, AdamW, one thread. Ours is a whole `train`, its validation included; the others are
the plain loop over random batches with the library's own model, without any evaluation; Keras is its `fit`, on texts
padded to the longest of the set as its guides show, after an epoch over a few batches to warm up (or to compile).
fastai's AWD-LSTM reads in one direction only, so it is compared by operations of its layers a second.

Time is that of the processor, which other work on the machine blurs less. Exit code 1 when somebody is faster.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

EMBEDDING, ROWS, MOST_TOKENS = 300, 32, 400
LIBRARIES = {
    "flair": ["flair"],
    "keras-torch": ["keras"],
    "keras-jax": ["keras", "jax"],
    "fastai": ["fastai"],
}
Step = Callable[[np.ndarray], None]


class Texts:
    """The tokens of a set, as each library wants them."""

    def __init__(self, path: Path) -> None:
        stored = np.load(path)
        self.ids = np.split(stored["ids"], stored["ends"][:-1])
        self.labels = stored["labels"]
        self.words, self.classes = int(stored["words"]), int(stored["classes"])

    def batches(self, seconds: float, step: Step) -> float:
        """Let a step train on random batches for some seconds, after three to warm up; gives tokens a second."""
        rng, tokens, begun = np.random.default_rng(0), 0, 0.0
        for number in range(100_000):
            chosen = rng.integers(0, len(self.ids), ROWS)
            step(chosen)
            if number == 2:
                begun = time.process_time()
            elif number > 2:
                tokens += sum(len(self.ids[row]) for row in chosen)
                if number > 6 and time.process_time() - begun > seconds:
                    break
        return tokens / (time.process_time() - begun)

    def padded(self, chosen: np.ndarray, pad: int, *, first: bool = False) -> np.ndarray:
        """Rows padded to the longest of them."""
        longest = max(len(self.ids[row]) for row in chosen)
        padded = np.full((len(chosen), longest), pad, dtype=np.int64)
        for place, row in enumerate(chosen):
            ids = self.ids[row]
            padded[place, longest - len(ids) if first else 0 : longest if first else len(ids)] = ids
        return padded


def train_tutorial(texts: Texts, hidden: int, layers: int, seconds: float) -> float:
    """Packed `nn.LSTM`, last states, AdamW, clipping."""
    import torch
    from training_throughput import Tutorial

    model = Tutorial(texts.words, hidden, layers, texts.classes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step(chosen: np.ndarray) -> None:
        ids = torch.as_tensor(texts.padded(chosen, 0))
        lengths = torch.tensor([len(texts.ids[row]) for row in chosen])
        loss = torch.nn.functional.cross_entropy(model(ids, lengths), torch.as_tensor(texts.labels[chosen]))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return texts.batches(seconds, step)


def train_flair(texts: Texts, hidden: int, layers: int, seconds: float) -> float:
    """DocumentRNNEmbeddings over one-hot embeddings, as flair's guide to training a text classifier has it."""
    import torch
    from flair.data import Dictionary, Sentence
    from flair.embeddings import DocumentRNNEmbeddings, OneHotEmbeddings
    from flair.models import TextClassifier

    words, labels = Dictionary(), Dictionary(add_unk=False)
    for number in range(texts.words):
        words.add_item(f"w{number}")
    for number in range(texts.classes):
        labels.add_item(str(number))
    embeddings = OneHotEmbeddings(words, embedding_length=EMBEDDING)
    reader = DocumentRNNEmbeddings(
        [embeddings], hidden_size=hidden, rnn_layers=layers, reproject_words=False, bidirectional=True, rnn_type="LSTM"
    )
    model = TextClassifier(reader, label_dictionary=labels, label_type="class")
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step(chosen: np.ndarray) -> None:
        batch = []
        for row in chosen:
            sentence = Sentence([f"w{word}" for word in texts.ids[row]])
            sentence.add_label("class", str(texts.labels[row]))
            batch.append(sentence)
        loss, count = model.forward_loss(batch)
        optimizer.zero_grad()
        (loss / count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()

    return texts.batches(seconds, step)


def train_fastai(texts: Texts, hidden: int, layers: int, seconds: float) -> float:
    """AWD-LSTM with its classifier's head and dropout, untrained; every layer of `hidden` but the last of 300."""
    import torch
    from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_clas_config
    from fastai.text.models.core import get_text_classifier

    config = {**awd_lstm_clas_config, "emb_sz": EMBEDDING, "n_hid": hidden, "n_layers": layers, "pad_token": 0}
    model = get_text_classifier(AWD_LSTM, texts.words, texts.classes, config=config)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step(chosen: np.ndarray) -> None:
        model.reset()
        answers = model(torch.as_tensor(texts.padded(chosen, 0, first=True)))[0]
        loss = torch.nn.functional.cross_entropy(answers, torch.as_tensor(texts.labels[chosen]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return texts.batches(seconds, step)


def train_keras(texts: Texts, hidden: int, layers: int, seconds: float) -> float:
    """Embedding, Bidirectional(LSTM) and Dense in a `fit` over texts padded to the longest."""
    import keras

    rows = np.arange(len(texts.ids))
    inputs, labels = texts.padded(rows, 0), texts.labels
    model = keras.Sequential(
        [
            keras.layers.Embedding(texts.words, EMBEDDING, mask_zero=True),
            *(
                keras.layers.Bidirectional(keras.layers.LSTM(hidden, return_sequences=place < layers - 1))
                for place in range(layers)
            ),
            keras.layers.Dense(texts.classes, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.AdamW(1e-3, clipnorm=1.0), "sparse_categorical_crossentropy")

    def fit(count: int) -> float:
        begun = time.process_time()
        model.fit(inputs[:count], labels[:count], batch_size=ROWS, verbose=0)
        return time.process_time() - begun

    fit(2 * ROWS)  # compiles
    batches = max(2, round(seconds / (fit(2 * ROWS) / 2)))
    count = min(len(rows) // ROWS, batches) * ROWS
    return sum(map(len, texts.ids[:count])) / fit(count)


def in_its_environment(library: str, venvs: Path, words: list[str]) -> float:
    """Run this file in a library's environment; gives tokens a second."""
    python = venvs / library / "bin" / "python"
    if not python.exists():
        import torch

        subprocess.run([sys.executable, "-m", "venv", str(venvs / library)], check=True)
        needed = [f"torch=={torch.__version__}", "setuptools", *LIBRARIES[library]]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *needed], check=True)
    environment = dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", KERAS_BACKEND=library.split("-")[-1])
    environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    done = subprocess.run(
        [str(python), __file__, "--child", library, *words], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return float("nan")
    return float(done.stdout.split()[-1])


def child(library: str, path: str, hidden: str, layers: str, seconds: str) -> None:
    """Train one model of one library and print tokens a second."""
    train = {"flair": train_flair, "fastai": train_fastai}.get(library, train_keras)
    if library != "keras-jax":
        import torch

        torch.set_num_threads(1)
    print(train(Texts(Path(path)), int(hidden), int(layers), float(seconds)))


def operations(layers: int, hidden: int, *, both: bool) -> float:
    """Operations of the stack a token in a training step; `both` directions, or fastai's narrowing stack."""
    if both:
        widths = [EMBEDDING] + [2 * hidden] * (layers - 1)
        return 3.0 * sum(2 * 2 * 4 * hidden * (width + hidden) for width in widths)
    sizes = [EMBEDDING] + [hidden] * (layers - 1) + [EMBEDDING]
    return 3.0 * sum(2 * 4 * out * (width + out) for width, out in pairwise(sizes))


def measured(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Train everything on every set; gives a row of figures each."""
    import torch
    from training_throughput import CLASSES, part_of, prepared_set

    from textlstm.training.finetuning import train

    torch.set_num_threads(1)
    options.venvs.mkdir(parents=True, exist_ok=True)
    for name in options.sets:
        recipe, whole = prepared_set(name, ROWS)
        recipe = recipe.override({"threads": 1, "model.hidden_size": options.hidden})
        for layers in options.layers:
            prepared = part_of(whole, options.gflop * 1e9 / operations(layers, options.hidden, both=True), ROWS)
            encoded = prepared.encoded["train"]
            path = options.venvs / f"{name}.npz"
            np.savez(
                path,
                ids=np.asarray(encoded.ids),
                ends=np.cumsum(encoded.lengths),
                labels=np.asarray(prepared.rows.train.labels, dtype=np.int64),
                words=len(prepared.tokenizer),
                classes=CLASSES[name],
            )
            train(recipe, prepared=part_of(whole, 1.0, ROWS))  # imports what a training needs
            begun = time.process_time()
            cost = train(recipe.override({"model.num_layers": layers}), prepared=prepared).run.cost
            ours = cost.train_tokens / (time.process_time() - begun)
            row = {"set": name, "layers": layers, "ours": ours}
            torch.set_num_threads(1)
            row["tutorial"] = train_tutorial(Texts(path), options.hidden, layers, options.seconds)
            words = [str(path), str(options.hidden), str(layers), str(options.seconds)]
            row |= {library: in_its_environment(library, options.venvs, words) for library in options.libraries}
            yield row


def main() -> int:
    """Print the table; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["trec", "sst2", "imdb"])
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--gflop", type=float, default=200.0, help="useful operations of our epoch")
    parser.add_argument("--seconds", type=float, default=10.0, help="processor seconds of each of the others")
    parser.add_argument("--libraries", nargs="+", choices=list(LIBRARIES), default=list(LIBRARIES))
    parser.add_argument("--venvs", type=Path, default=Path("runs/other-libraries"))
    options = parser.parse_args()
    others = ["tutorial", *options.libraries]
    print(f"2 directions of {options.hidden}, 300 numbers a word, {ROWS} texts a batch, one thread, tokens a second\n")
    print("| set | layers | textlstm | " + " | ".join(f"times {name}" for name in others) + " |")
    print("| --- " * (3 + len(others)) + "|")
    slower = []
    for row in measured(options):
        times = {name: row["ours"] / row[name] for name in others}
        if "fastai" in times:  # by operations, since it reads in one direction
            both, one = (operations(row["layers"], options.hidden, both=way) for way in (True, False))
            times["fastai"] *= both / one
        slower += [f"{row['set']}, {row['layers']} layers: {name}" for name, ratio in times.items() if not ratio > 1]
        cells = " | ".join(f"{ratio:.1f}" for ratio in times.values())
        print(f"| {row['set']} | {row['layers']} | {row['ours']:,.0f} | {cells} |", flush=True)
    print("\n" + (f"MISS, not slower than ours: {'; '.join(slower)}" if slower else "PASS: all are slower than ours."))
    return int(bool(slower))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        sys.exit(main())
