"""Every option sets the one recipe key that it is tied to."""

import pytest

from textlstm.cli_options import OPTION_KEYS, option_overrides, recipe_for, run_name
from textlstm.cli_predict import ENCODING_HELP, TEXT_COLUMN_HELP
from textlstm.errors import DataError, RecipeError
from textlstm.recipe import describe_key
from textlstm.recipe_keys import flatten

VALUES = {
    "text_column": ("t", ["t"]),
    "label_column": ("l", "l"),
    "label_names": ("b, a", ["b", "a"]),
    "label_separator": (";", ";"),
    "encoding": ("cp1252", "cp1252"),
    "validation": ("v.csv", "v.csv"),
    "test": ("t.csv", "t.csv"),
    "on_bad_rows": ("drop", "drop"),
    "layers": ("3", 3),
    "hidden": ("17", 17),
    "join": ("dense", "dense"),
    "pooling": ("attention", "attention"),
    "max_length": ("33", 33),
    "epochs": ("7", 7),
    "batch_size": ("5", 5),
    "learning_rate": ("0.125", 0.125),
    "seed": ("9", 9),
    "device": ("cpu", "cpu"),
    "threads": ("1", 1),
}


@pytest.fixture
def seen(monkeypatch):
    """Stops a command where it has made its recipe, and keeps that."""
    found = []

    def stop(recipe):
        found.append(recipe)
        raise DataError("seen.")

    monkeypatch.setattr("textlstm.text.protocol.load_recipe_data", stop)
    monkeypatch.setattr("textlstm.experiment.capacity.available_threads", lambda: 2)
    return found


@pytest.mark.parametrize("option", OPTION_KEYS)
def test_every_option_sets_its_recipe_key_and_nothing_else(option, seen, tmp_path, fail):
    word, value = VALUES[option]
    assert fail(2, "train", "data", "--out", tmp_path / "m") == "seen."
    fail(2, "train", "data", "--out", tmp_path / "m", f"--{option.replace('_', '-')}", word)
    plain, changed = (flatten(recipe.model_dump(mode="json")) for recipe in seen)
    also = {"training.min_updates"} if option == "epochs" else set()
    assert {key for key in plain if plain[key] != changed[key]} - also == {OPTION_KEYS[option]}
    assert changed[OPTION_KEYS[option]] == value


def test_options_that_may_be_repeated_add_up_and_set_wins(seen, tmp_path, fail):
    words = ["--text-column", "a", "--text-column", "b", "--layers", "2", "--set", "model.num_layers=4"]
    fail(2, "train", "data", "--out", tmp_path / "m", *words, "--set", "model.layer_norm=true")
    assert seen[0].data.text_columns == ["a", "b"]
    assert (seen[0].model.num_layers, seen[0].model.layer_norm) == (4, True)


@pytest.mark.parametrize(
    ("word", "kind", "source"),
    [("bpe", "bpe", None), ("unigram", "unigram", None), ("some/where", "pretrained", "some/where")],
)
def test_a_tokenizer_is_a_kind_or_a_source(word, kind, source):
    part = recipe_for("data", {"tokenizer": word}, name="x").tokenizer
    assert (part.kind, part.source) == (kind, source)


def test_an_encoder_and_a_tokenizer_are_not_both_taken():
    """The encoder has a vocabulary of its own; before, the tokenizer was passed over without a word."""
    with pytest.raises(RecipeError, match="--encoder enc brings its own vocabulary, and --tokenizer bpe names another"):
        option_overrides({"encoder": "enc", "tokenizer": "bpe"})


def test_epochs_mean_at_most_that_many():
    recipe = recipe_for("data", {"epochs": 3}, name="x")
    assert (recipe.training.epochs, recipe.training.min_updates) == (3, 0)
    again = recipe_for("data", {"epochs": 3, "settings": ["training.min_updates=50"]}, name="x")
    assert again.training.min_updates == 50


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("my model", "my-model"),
        ("_hidden", "hidden"),
        ("Modell für Oma", "Modell-f-r-Oma"),
        ("模型", "model"),
        ("v1.2", "v1.2"),
    ],
)
def test_a_run_is_named_after_its_folder_whatever_that_is_called(tmp_path, folder, name):
    assert run_name(tmp_path / folder) == name
    recipe_for("data", {}, name=run_name(tmp_path / folder))


def test_predict_has_the_recipes_words_without_reading_a_recipe():
    assert describe_key("data.text_columns") == TEXT_COLUMN_HELP
    assert describe_key("data.encoding") == ENCODING_HELP
