"""The commands on recipes: list, show, copy, validate."""

import json

import pytest
import yaml

from textlstm.recipe_files import load_recipe, shipped_recipes


def test_recipes_are_listed_in_words_and_in_json(succeed):
    text = succeed("recipes", "list").out
    found = json.loads(succeed("recipes", "list", "--json").out)
    assert set(found) == set(shipped_recipes())
    assert [line.split()[0] for line in text.splitlines()] == list(found)
    assert all(found.values())


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_shown_as_written_in_full_and_are_valid(name, succeed):
    assert succeed("recipes", "show", name).out == shipped_recipes()[name].read_text()
    full = yaml.safe_load(succeed("recipes", "show", name, "--full").out)
    assert full == load_recipe(name).model_dump(mode="json")
    changed = yaml.safe_load(succeed("recipes", "show", name, "--set", "model.layer_norm=true").out)
    assert changed["model"]["layer_norm"] is True
    assert f"{name} is valid: " in succeed("recipes", "validate", name).out


def test_validate_finds_what_only_some_cells_would_trip_over(folder, fail):
    said = fail(2, "recipes", "validate", folder / "mine.yaml", "--set", "model.hidden_size=[8,8]")
    assert "at 1 layers, model.hidden_size" in said
    assert "at 2 layers" not in said


def test_a_recipe_is_copied_once(tmp_path, monkeypatch, succeed, fail):
    monkeypatch.chdir(tmp_path)
    said = succeed("recipes", "copy", "quickstart").out
    assert "textlstm run quickstart.yaml" in said
    assert load_recipe(tmp_path / "quickstart.yaml") == load_recipe("quickstart")
    (tmp_path / "quickstart.yaml").write_text("mine")
    assert "nothing is overwritten" in fail(2, "recipes", "copy", "quickstart")
    assert (tmp_path / "quickstart.yaml").read_text() == "mine"
    (tmp_path / "sub").mkdir()
    succeed("recipes", "copy", "quickstart", tmp_path / "sub")
    assert (tmp_path / "sub" / "quickstart.yaml").exists()
    assert "cannot be written" in fail(2, "recipes", "copy", "quickstart", tmp_path / "no" / "where.yaml")
    assert "did you mean quickstart?" in fail(2, "recipes", "copy", "quickstrat")
