"""The benchmark of quality targets: every row of every set is a recipe, and a choice never sees a test row."""

import sys
from pathlib import Path

import pytest
import yaml

from textlstm.text.datasets import load_data
from textlstm.text.folds import with_fold
from textlstm.text.overlap import text_keys
from textlstm.text.protocol import with_test_split
from textlstm.training.seen_before import seen_before

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import targets

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SPECS = {name: yaml.safe_load((BENCHMARKS / "targets" / f"{name}.yaml").read_text("utf-8")) for name in targets.SETS}
ASKED = {
    "sst2": 84.0,
    "sst2_phrases": 88.5,
    "sst2_taught": 89.3,
    "trec": 94.0,
    "reuters_r8": 97.0,
    "reuters_r52": 93.0,
    "ohsumed": 62.0,
    "subj": 93.5,
    "mr": 81.0,
    "ag_news_1000": 87.2,
    "imdb_1000": 86.0,
    "subj_1000": 91.0,
    "cr_1000": 84.0,
}


def test_every_set_that_was_asked_for_has_its_target():
    assert {name: spec["target"] for name, spec in SPECS.items()} == ASKED
    rows = {path.stem for path in (BENCHMARKS / "targets" / "rows").glob("*.yaml")}
    assert {row for spec in SPECS.values() for row in spec["rows"]} == rows
    assert all(set(spec.get("rows_set", {})) <= set(spec["rows"]) for spec in SPECS.values())


@pytest.mark.parametrize("name", SPECS)
def test_every_row_is_a_recipe_of_one_layer_with_an_encoder_to_start_from(name, monkeypatch):
    monkeypatch.setattr(targets, "minilm", lambda: "place/of/encoder")
    recipes = {row: targets.recipe_of(SPECS[name], row, {}, ["one", "two"]) for row in SPECS[name]["rows"]}
    assert len({recipe.fingerprint() for recipe in recipes.values()}) == len(recipes)
    for row, recipe in recipes.items():
        assert recipe.grid.layers == [1] and recipe.grid.sizes is None and recipe.grid.baselines == []
        assert recipe.embeddings.source == "place/of/encoder"
        assert recipe.data.size == (1000 if name.endswith("_1000") else "full")
        own = [row for row in SPECS[name]["rows"] if row.startswith("taught_by") or row.endswith("taught_by_tuned")]
        taught = {"taught": ["place/of/encoder"], **{key: ["one", "two"] for key in own}}
        assert recipe.distillation.teacher == taught.get(row)
        assert bool(recipe.grid.folds) == (name.split("_")[0] in ("mr", "subj", "cr"))


def test_own_teachers_learn_from_the_rows_of_the_choice_alone(planted, monkeypatch, tmp_path):
    spec = {"recipe": "trec", "rows": ["taught_by_own"]}
    small = {"tokenizer.min_frequency": 1, "training.epochs": 1, "training.min_updates": 0, "model.hidden_size": 4}
    monkeypatch.setattr(targets, "keys_of_row", lambda row: {"distillation.teacher": "own"} if "own" in row else {})
    data = load_data(planted(60, 0))
    folders = targets.teachers_of(spec, "taught_by_own", small, data, tmp_path)
    assert len(folders) == len(targets.OWN_SEEDS)
    recipe = targets.recipe_of(spec, "taught_by_own", small, folders)
    assert recipe.distillation.teacher == folders
    for folder in folders:  # a grid that holds the same rows out may be taught by them
        assert seen_before("Teacher t", Path(folder), recipe, with_test_split(data)) == []
    assert targets.teachers_of(spec, "vectors_tuned", small, data, tmp_path) == []


@pytest.mark.parametrize("name", ["mr", "ag_news_1000"])
def test_no_teacher_of_whole_data_teaches_folds_or_subsets(name, planted, monkeypatch, tmp_path):
    monkeypatch.setattr(targets, "minilm", lambda: "place/of/encoder")
    with pytest.raises(SystemExit, match="other folds or subsets"):
        targets.teachers_of(SPECS[name], "taught_by_tuned", {}, load_data(planted(60, 0)), tmp_path)


def keys(split):
    return set(text_keys(split.texts).tolist())


def test_the_rows_of_a_choice_are_no_test_rows(tiny_recipe, planted, monkeypatch):
    texts, labels = planted(60, 0)
    numbered = [f"{text} {'x' * (row + 1)}" for row, text in enumerate(texts)]
    held = [f"{text} moon" for text in planted(20, 3)[0]]
    own = load_data((numbered, labels), test=(held, labels[:20]))
    monkeypatch.setattr(targets, "load_recipe_data", lambda recipe: own)
    chosen = targets.data_of_choice(tiny_recipe())
    assert list(chosen.splits) == ["train"] and chosen.fingerprint != own.fingerprint
    given = load_data((numbered, labels), validation=(held[:9], labels[:9]), test=(held[9:], labels[9:20]))
    monkeypatch.setattr(targets, "load_recipe_data", lambda recipe: given)
    assert keys(targets.data_of_choice(tiny_recipe()).splits["test"]) == keys(given.splits["validation"])
    folded = load_data((numbered, labels))
    monkeypatch.setattr(targets, "load_recipe_data", lambda recipe: folded)
    chosen = targets.data_of_choice(tiny_recipe({"grid.folds": 3}))
    assert list(chosen.splits) == ["train"]
    assert not keys(chosen.splits["train"]) & keys(with_fold(folded, fold=0, folds=3).splits["test"])
