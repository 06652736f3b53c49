"""Test accuracy of the shipped recipes at one layer, beside the bags of words a user would try first.

    TEXTLSTM_DATA_DIR=../shared/data python benchmarks/accuracy.py --seeds 3 --workers 2 --out runs/accuracy

Each recipe runs as shipped, with one layer, all rows and `--seeds` seeds; runs in --out that are finished are kept.
TF-IDF (1-2 grams, logistic regression, its strength chosen by cross-validation on the training rows) and fastText (word
bigrams, 25 epochs) get the same training and test rows. Exits with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from textlstm.experiment.campaign import run_recipe
from textlstm.recipe_files import load_recipe
from textlstm.stats.intervals import mean_interval
from textlstm.text.datasets import TextData
from textlstm.text.protocol import load_recipe_data

TARGETS = {"trec": 91.5, "sst2": 82.0, "ag_news": 88.7, "reuters_r8": 96.5, "imdb": 88.5}


def tfidf(data: TextData) -> float:
    """Accuracy of TF-IDF and logistic regression, in %."""
    train, test = data.splits["train"], data.splits["test"]
    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=1), LogisticRegression(max_iter=300)
    )
    search = GridSearchCV(pipeline, {"logisticregression__C": [1, 10, 100]}, cv=3)
    return 100 * search.fit(train.text_list(), train.labels).score(test.text_list(), test.labels)


def fasttext(data: TextData) -> float | None:
    """Accuracy of fastText, in %; None where it is not installed."""
    try:
        import fasttext as library
    except ImportError:
        return None
    train, test = data.splits["train"], data.splits["test"]
    clean = [" ".join(text.lower().split()) for text in train.text_list()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        lines = (f"__label__{label} {text}" for label, text in zip(train.labels, clean, strict=True))
        path.write_text("\n".join(lines), "utf-8")
        model = library.train_supervised(str(path), wordNgrams=2, epoch=25, lr=0.5, thread=2, verbose=0)
    texts = [" ".join(text.lower().split()) for text in test.text_list()]
    predicted = [int(labels[0].removeprefix("__label__")) for labels in model.predict(texts)[0]]
    return 100 * float(np.mean(np.array(predicted) == test.labels))


def main() -> None:
    """Run, print the table, and fail when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--no-bags", action="store_true", help="leave the bags of words out")
    options = parser.parse_args()
    missed = []
    print("| set | 1 layer, test accuracy % | seeds | target | TF-IDF + LR | fastText | s a run | epochs |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in options.sets:
        axes = {"grid.layers": [1], "grid.sizes": ["full"], "grid.seeds": options.seeds}
        recipe = load_recipe(name).override({**axes, "grid.controls": ["fixed_width"], "grid.baselines": []})
        data = load_recipe_data(recipe)  # a clear sentence says so when TEXTLSTM_DATA_DIR lacks the set
        started = time.perf_counter()
        runs = run_recipe(recipe, options.out / name, workers=options.workers).runs
        scores = np.array([100 * run.score for run in runs])
        score = mean_interval(scores)
        words = f"{score.value:.2f}" + (f" [{score.low:.2f}, {score.high:.2f}]" if score.low is not None else "")
        bags = (None, None) if options.no_bags else (tfidf(data), fasttext(data))
        shown = ["" if bag is None else f"{bag:.2f}" for bag in bags]
        hit = score.value >= TARGETS[name]
        missed += [] if hit else [name]
        seconds = np.mean([run.cost.train_seconds for run in runs])
        epochs = np.mean([run.best_epoch for run in runs])
        cells = [name, words, len(runs), f"{TARGETS[name]} {'PASS' if hit else 'MISS'}", *shown]
        print("| " + " | ".join(map(str, [*cells, f"{seconds:.0f}", f"{epochs:.1f}"])) + " |", flush=True)
        print(f"{name}: {time.perf_counter() - started:.0f} s in all", file=sys.stderr)
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
