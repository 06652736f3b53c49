"""Every shipped recipe: valid, run for two updates on stand-in text, true to the data it names, and in the table."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from textlstm.experiment.grid import DataFacts, plan_cells
from textlstm.recipe_files import RECIPE_FOLDERS, load_recipe, shipped_recipes
from textlstm.text.overlap import shared_between_splits
from textlstm.text.protocol import check_size, load_recipe_data
from textlstm.training.finetuning import train
from textlstm.training.preparation import check_model_options

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TEXTLSTM_DATA_DIR", "/nonexistent"))
NAMES = sorted(
    path.relative_to(ROOT / "recipes").with_suffix("").as_posix() for path in (ROOT / "recipes").rglob("*.yaml")
)
CLAIMS = {
    "claims/all": 11,
    "claims/capacity": 11,
    "claims/cost": 11,
    "claims/data-hunger": 11,
    "claims/gradients": 11,
    "claims/hierarchy": 10,
    "claims/long-range": 2,
    "claims/overfitting": 11,
    "claims/representations": 11,
    "claims/tuning": 11,
}
"""Recipes that put a claim to the test, which have plans and no protocol of their own; classes as in `CLASSES`."""
CLASSES = {
    **CLAIMS,
    **dict.fromkeys("sst2 mr subj cr mpqa imdb yelp_polarity movie_reviews tai2015".split(), 2),
    **dict.fromkeys("ag_news recall".split(), 4),
    **dict.fromkeys("sst5 yelp_full".split(), 5),
    **dict.fromkeys("trec depth20".split(), 6),
    **dict.fromkeys("yahoo_answers listops".split(), 10),
    **{"trec_fine": 50, "dbpedia": 14, "twenty_newsgroups": 20, "reuters_r8": 8, "reuters_r52": 52, "ohsumed": 23},
    "quickstart": 7,
}
"""Classes of each recipe's data; quickstart's are counted from the installed Python, and stand here for some number."""
CROSS_VALIDATED = {"mr", "subj", "cr", "mpqa"}
WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnr"]
TWO_UPDATES = {"training.epochs": 1, "training.min_updates": 0, "training.warmup": 0.0, "device": "cpu"}


def stand_in(recipe, classes, rows):
    """Columns as the recipe names them, with distinct texts and every class."""
    rng = np.random.default_rng(0)
    part = recipe.data

    def table(rows):
        texts = [" ".join(rng.choice(WORDS, 8)) for _ in range(rows)]
        columns = dict.fromkeys(part.text_columns or ["text"], texts)
        return pa.table({**columns, part.label_column or "label": [f"class {row % classes}" for row in range(rows)]})

    if recipe.grid.folds:
        return {"train": table(rows)}
    return {"train": table(rows), "test": table(classes)}


def test_every_standard_benchmark_has_a_recipe():
    wanted = """sst2 sst5 trec trec_fine mr subj cr mpqa ag_news imdb yelp_polarity yelp_full dbpedia yahoo_answers
    twenty_newsgroups reuters_r8 reuters_r52 ohsumed movie_reviews listops recall quickstart tai2015 depth20"""
    assert set(wanted.split()) <= set(NAMES) == set(shipped_recipes()) == set(CLASSES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_what_it_stands_on(name):
    recipe = load_recipe(name)
    first = (ROOT / "recipes" / f"{name}.yaml").read_text("utf-8").splitlines()[0]
    assert re.fullmatch(rf"# (TEXTLSTM_DATA_DIR=\.\.\. )?textlstm run {name}( .*)?", first)
    assert recipe.name == name and recipe.description.endswith(".")
    if recipe.claim is not None:
        words = recipe.claim.statement, recipe.claim.estimand
        assert name == f"claims/{recipe.claim.name}" and all(text.endswith(".") for text in words)
        assert (recipe.claim.preview.seeds, recipe.claim.full.seeds) == (3, 10)
        return
    for figure in recipe.reference:
        assert 20 < figure.score < 100 and figure.metric == "accuracy"
    if name == "quickstart":
        return
    assert recipe.protocol.endswith(".")
    assert len(recipe.seeds) == (5 if name in CROSS_VALIDATED else 10)  # each of them in each of the folds
    assert recipe.grid.folds == (10 if name in CROSS_VALIDATED else None)
    sizes = [size for size in recipe.grid.sizes if size != "full"]
    assert recipe.grid.sizes[-1] == "full"
    assert all(small < large <= 5 * small for small, large in itertools.pairwise(sizes))
    assert all(size >= CLASSES[name] for size in sizes)
    assert {"majority", "tfidf", "bag"} <= set(recipe.grid.baselines)
    from_a_mirror = "/" not in recipe.data.source and recipe.data.mirror is not None
    assert first.startswith("# TEXTLSTM_DATA_DIR") == from_a_mirror


@pytest.mark.parametrize("name", NAMES)
def test_two_updates_of_the_deepest_stack_on_stand_in_text(name):
    recipe = load_recipe(name)
    classes = CLASSES[name]
    data = load_recipe_data(recipe, source=stand_in(recipe, classes, rows=max(24, 2 * classes)))
    # Trials of a search are these runs with other rates.
    controls = [control for control in recipe.grid.controls if control != "tuned"]
    one_seed = recipe.override({"grid.seeds": 1, "grid.sizes": ["full"], "grid.controls": controls})
    cells = plan_cells(one_seed, DataFacts(num_labels=classes, train_rows=24))
    check_model_options(cell.recipe for cell in cells)
    deepest = max(cell.layers for cell in cells)
    # The last control of each combination of the other axes: the widths there are solved for, so least tried.
    chosen = {
        tuple(cell.others.get(key) for key in recipe.grid.axes): cell
        for cell in cells
        if cell.layers == deepest and "baseline" not in cell.others
    }
    assert len(chosen) == np.prod([len(values) for values in recipe.grid.axes.values()], initial=1)
    runs = [cell.recipe for cell in chosen.values()]
    runs += [runs[0].override(changes) for changes in (recipe.claim.variants.values() if recipe.claim else ())]
    for run_recipe in runs:
        rows = len(data.splits["train"]) * (1 - 1 / recipe.grid.folds if recipe.grid.folds else 1)
        changes = {**TWO_UPDATES, "training.batch_size": int(np.ceil(rows / 2)), "data.size": "full"}
        run = train(run_recipe.override(changes), data).run
        if run_recipe.augmentation.copies:
            assert run.history[-1].step > 2  # copies of the texts are rows too
        else:
            assert run.history[-1].step == 2
        assert run.metrics["test"].rows > 0
        assert np.isfinite(run.metrics["test"].log_loss.value)


@pytest.mark.parametrize("name", [name for name in NAMES if load_recipe(name).data.mirror])
def test_the_data_is_what_the_recipe_says(name):
    recipe = load_recipe(name)
    if not (DATA / recipe.data.mirror).is_dir():
        pytest.skip(f"TEXTLSTM_DATA_DIR has no {recipe.data.mirror}")
    data = load_recipe_data(recipe)
    assert len(data.label_names) == CLASSES[name]
    for size in recipe.grid.sizes:
        check_size(data, size)
    said = f"{recipe.description} {recipe.protocol}"
    for split, rows in data.splits.items():
        assert f"{len(rows):,}" in said, split
    shared = shared_between_splits(data.splits).get("test in train", 0)
    counted = re.search(r"(\d+) test \w+ are also", recipe.protocol)
    # One or two shared rows may go unsaid.
    assert int(counted[1]) == shared if counted else shared <= 2


@pytest.mark.slow
def test_the_table_of_recipes_is_up_to_date():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "recipe_table.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert RECIPE_FOLDERS[1] == ROOT / "recipes"
