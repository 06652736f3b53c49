"""`textlstm tune`: the command that it prints trains what it found."""

import json
import shlex

import typer
from typer.testing import CliRunner

from textlstm import cli_options as opt
from textlstm.cli import app
from textlstm.cli_tune import train_command

DATA = "listops:max_depth=2,max_length=16,train=40,validation=20,test=20"


def recipe_of(command):
    """The recipe that a `textlstm train` command makes."""
    words = shlex.split(command)
    train = typer.main.get_command(app).commands["train"]
    context = train.make_context("train", words[2:])
    return opt.recipe_for(context.params["data"], context.params, name="it")


def test_the_command_makes_the_recipe_of_the_settings():
    settings = {
        "data.text_columns": ["title", "body of it"],
        "data.label_names": ["good", "not, good"],
        "model.num_layers": 2,
        "model.join": "residual",
        "model.layer_dropout": 0.25,
        "training.epochs": 3,
        "training.min_updates": 0,
        "training.learning_rate": 4.2e-05,
        "training.patience": None,
        "tokenizer.lowercase": False,
    }
    command = train_command("my texts.csv", settings)
    plain = opt.recipe_for("my texts.csv", {}, name="it")
    assert recipe_of(command) == plain.override(settings)
    assert "--layers 2" in command and "--join residual" in command


def test_a_search_prints_its_best_and_goes_on(tmp_path):
    arguments = [
        *("tune", DATA, "--out", str(tmp_path / "search"), "--hidden", "2", "--epochs", "1", "--threads", "1"),
        *("--set", "model.embedding_size=2", "--max-layers", "1", "--json"),
    ]
    done = CliRunner().invoke(app, [*arguments, "--trials", "1"])
    assert done.exit_code == 0, done.output
    first = json.loads(done.stdout)
    assert first["command"].startswith("textlstm train listops:") and len(first["trials"]) == 1
    found = recipe_of(first["command"])
    assert (found.model.hidden_size, found.model.embedding_size, found.training.epochs) == (2, 2, 1)
    assert found.training.learning_rate == first["settings"]["training.learning_rate"]
    again = CliRunner().invoke(app, [*arguments[:-1], "--trials", "1"])
    assert again.exit_code == 0, again.output
    assert first["command"] in again.output and "1 trials are there from before" in again.stderr
