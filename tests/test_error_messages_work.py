"""Errors one by one, of models, plans, looks inside a stack and commands: rows as in test_error_messages.py."""

import importlib
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from error_words import see, see_command
from safetensors.numpy import save_file

from textlstm.analysis.advice.study import whole_study
from textlstm.analysis.claims.kept import kept
from textlstm.analysis.claims.trained import gather_runs
from textlstm.analysis.diagnostics.depth import layer_worth
from textlstm.analysis.diagnostics.influence import word_influence
from textlstm.analysis.diagnostics.similarity import layer_similarity
from textlstm.analysis.diagnostics.states import layer_states
from textlstm.analysis.sets import across_sets
from textlstm.cli import main
from textlstm.errors import MissingExtraError
from textlstm.experiment.campaign import prepare_campaign
from textlstm.experiment.grid import plan_cells
from textlstm.experiment.sweep import Sweep
from textlstm.experiment.tuning_journal import Limits
from textlstm.inference.frozen_encoder import encode_frozen
from textlstm.inference.held_out import held_out_rows
from textlstm.inference.model_files import find_model
from textlstm.inference.torch_classifier import TorchClassifier
from textlstm.recipe import validate
from textlstm.recipe_files import load_recipe
from textlstm.text.datasets import load_data
from textlstm.text.encoding import Encoded
from textlstm.text.tokenization import train_tokenizer
from textlstm.training.estimator import TextLSTMClassifier
from textlstm.training.pretraining import build_language_model
from textlstm.training.teacher_models import kind_of, load_classifier
from textlstm.training.teachers import load_teachers

STORED = Path(__file__).parent / "release" / "stored" / "0.1.0"
ROWS = "text,label\n" + "".join(f"film {row} is {label},{label}\n" for row in range(3) for label in ("pos", "neg"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of models and data with something wrong in each."""
    folder = tmp_path_factory.mktemp("errors")
    for name, content in {
        "good.csv": ROWS,
        "test.csv": ROWS,
        "kept.json": "{",
        "static/tokenizer.json": "{}",
        "static/model.safetensors": "no tensors",
        "teacher/config.json": "{",
        "empty/notes.md": "x",
        "run/recipe.yaml": f"name: x\ndata: {{source: {folder / 'good.csv'}}}\n",
    }.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(content)
    for name in ("torn", "foreign", "taught"):
        shutil.copytree(STORED, folder / name)
    (folder / "torn" / "model.safetensors").write_bytes(b"\x00" * 50)
    (folder / "foreign" / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}')
    (folder / "taught" / "result.json").write_text("{")
    (folder / "other").mkdir()
    save_file({"anything": np.ones((2, 3), np.float32)}, folder / "other" / "model.safetensors")
    return folder


def recipe(at, changes=None, **data):
    return validate({"name": "x", "data": {"source": str(at / "good.csv"), **data}}, origin="x").override(changes or {})


def rows(count, words=1):
    """Ids of texts of so many words each."""
    offsets = np.arange(count + 1, dtype=np.int64) * words
    return Encoded(np.full(count * words, 2, dtype=np.int32), offsets, 0, np.empty(0, dtype=np.int64))


def own_teacher(at):
    part = recipe(at, {"distillation.teacher": [str(at / "taught")]})
    data = load_data(at / "good.csv")
    return load_teachers(part, data, data.splits["train"])


def rare_classes():
    names = [f"c{row % 20}" for row in range(40)]
    data = load_data(([f"film {row} is {name}" for row, name in enumerate(names)], names))
    part = validate({"name": "x", "data": {"source": "x"}}, origin="x")
    return whole_study(part, data, budget=60, max_layers=2, workers=1, holdout=0.2)


def model_of(pad):
    return SimpleNamespace(config=SimpleNamespace(pad_token_id=pad))


def search(at, *, fixed, **limits):
    from textlstm.experiment.tuning import tune

    few = recipe(at, {"data.holdout": 0.4, "tokenizer.min_frequency": 1})
    return tune(
        few.override(fixed),
        load_data(at / "good.csv"),
        at / f"search-{len(fixed)}",
        fixed=fixed,
        limits=Limits(**limits),
    )


GIVEN = {
    "model.num_layers": 1,
    "model.hidden_size": 4,
    "model.embedding_size": 4,
    "model.pooling": "max",
    "training.learning_rate": 0.01,
    "model.embedding_dropout": 0.0,
    "model.input_dropout": 0.0,
    "model.output_dropout": 0.0,
}
MODELS = {
    "a torn table of embeddings": (
        lambda at: encode_frozen(at / "static", ["film"], max_length=8),
        "is damaged",
        "should be a safetensors file",
        "copy it again",
    ),
    "weights of nothing known": (
        lambda at: encode_frozen(at / "other", ["film"], max_length=8),
        "is neither",
        "an encoder that transformers can load, or a table of embeddings",
        "name another encoder",
    ),
    "torn weights": (
        lambda at: TorchClassifier.load(at / "torn"),
        "torn should be a model that textlstm can load and is not",
        "damaged or cut off",
        "save or copy them again",
    ),
    "a tokenizer of another kind": (
        lambda at: TorchClassifier.load(at / "foreign"),
        "is a CanineTokenizer",
        "should be a fast one",
        "save the one that the model was trained with",
    ),
    "a teacher with torn settings": (
        lambda at: kind_of(at / "teacher"),
        "is damaged",
        "should be a model's settings as JSON",
        "copy it again",
    ),
    "a teacher that is no classifier": (
        lambda at: load_classifier(at / "other", 1, "cpu"),
        "is not",
        "a classifier that transformers can load",
        "name another teacher",
    ),
    "a teacher with a torn run": (own_teacher, "result.json", "should hold one run as JSON", ""),
    "labels that were changed since": (
        lambda at: held_out_rows(at / "run", ["good", "bad"]),
        "and has neg, pos",
        "should have the labels",
        "name other data",
    ),
    "a run that held nothing out": (
        lambda at: held_out_rows(at / "run", ["neg", "pos"]),
        "trained on all rows",
        "",
        "name other data, with labels",
    ),
    "a language model of no layers": (
        lambda at: build_language_model(
            recipe(at, {"model.num_layers": 0}), train_tokenizer(["a film"], min_frequency=1, max_length=9)
        ),
        "but is 0",
        "num_layers must be at least 1 for a language model",
        "",
    ),
    "a text that is a number": (
        lambda at: TextLSTMClassifier().fit(["a film", 7], ["pos", "neg"]),
        "row 1 is int",
        "Texts are strings",
        "pass one column of texts",
    ),
}
PLANS = {
    "folds beside a test split": (
        lambda at: prepare_campaign(recipe(at, {"grid.folds": 2}, test=str(at / "test.csv"))),
        "has one of its own with labels",
        "Folds stand in for a test split",
        "leave grid.folds out",
    ),
    "a size beyond a fold": (
        lambda at: prepare_campaign(recipe(at, {"grid.folds": 3, "grid.sizes": [5]})),
        "5 rows was asked for, and 4 are left",
        "each of the 3 folds",
        "name smaller sizes, or `full`",
    ),
    "a grid without an end": (
        lambda at: plan_cells(recipe(at, {"grid.seeds": 1000, "grid.layers": [*range(1, 1001)]})),
        "1,000,000",
        "A grid has",
        "leave out seeds or other points",
    ),
    "a search of nothing": (
        lambda at: search(at, fixed=GIVEN, trials=1, max_layers=1),
        "every setting is given",
        "A search varies what is not given",
        "leave some of them out",
    ),
    "a list for a recipe": (
        lambda at: validate([1, 2], origin="mine.yaml"),
        "is a list",
        "mine.yaml should be a mapping of keys",
        "such as `data:` and `model:`",
    ),
    "an axis under its other name": (
        lambda at: recipe(at, {"grid": {"model.num_layers": [1, 2]}}),
        "grid.model.num_layers",
        "that axis is called grid.layers",
        "",
    ),
    "a yes for a number": (
        lambda at: recipe(at, {"training.epochs": True}),
        "training.epochs",
        "yes or no does not fit here",
        "True",
    ),
    "a number that nothing can have": (
        lambda at: recipe(at, {"model.hidden_size": 10**30}),
        "model.hidden_size",
        "whole numbers should be at most",
        "this is larger",
    ),
    "plans of a claim that do not fit": (
        lambda at: load_recipe("claims/cost").override({"claim.preview.overrides": {"model.num_layer": 3}}),
        "num_layer",
        "claim.preview",
        "num_layers",
    ),
}
LOOKS = {
    "figures that were torn": (
        lambda at: kept(at / "kept.json", "f", dict),
        "kept.json should hold figures as JSON and does not",
        "it was damaged",
        "remove it, and it is measured again",
    ),
    "classes of two rows": (
        lambda at: rare_classes(),
        "20 of the 20 classes",
        "4 rows a class or more",
        "label more, or join rare classes",
    ),
    "few texts for the worth of layers": (
        lambda at: layer_worth(None, rows(60), np.zeros(60), rows(3), np.zeros(3)),
        "60 and 3 were found",
        "50 texts or more",
        "give more texts",
    ),
    "one class for the worth of layers": (
        lambda at: layer_worth(None, rows(60), np.zeros(60), rows(60), np.ones(60)),
        "all 60 to fit on have one",
        "two classes or more",
        "check the label column",
    ),
    "few texts for the influence of words": (
        lambda at: word_influence(model_of(0), rows(3), fewest=9),
        "3 have a token",
        "9 texts or more",
        "give more texts",
    ),
    "few texts for likeness": (
        lambda at: layer_similarity(None, rows(3)),
        "3 were found",
        "20 texts or more",
        "give more texts",
    ),
    "no texts for states": (lambda at: layer_states(None, rows(0)), "there are none", "read on texts", "at least one"),
    "two data sets": (
        lambda at: across_sets([at, at]),
        "2 were named",
        "needs 3 folders of runs or more",
        "",
    ),
}
FAILED = {
    "runs of no common seed": (
        lambda at: gather_runs([], at, Sweep([], [(None, SimpleNamespace(reason="The loss became NaN."))]), []),
        "the first failure: The loss became NaN.",
        "a seed whose runs all finished",
        "",
    ),
    "a search without time": (
        lambda at: search(at, fixed={}, trials=1, seconds=0.0),
        "there is none",
        "A search needs a trial that finishes",
        "give it more time or more trials",
    ),
}
COMMANDS = {
    "depths in words": ("compare good.csv --layers some", "got 'some'", "--layers takes whole numbers from 1", "1-4"),
    "a picture of another kind": ("find-rate good.csv --out rates.png", "rates.png", "ends in .svg", "name it so"),
    "a folder below a file": (
        "train good.csv --out good.csv/model",
        "good.csv is a file",
        "should be a folder",
        "name",
    ),
    "operators of long ago": ("export torn --opset 5", "5 was asked for", "--opset should be from", "runs in the most"),
}


@pytest.mark.parametrize("what", [*MODELS, *PLANS, *LOOKS])
def test_a_sentence_names_what_was_found_and_tells_what_to_do(place, what):
    call, *parts = {**MODELS, **PLANS, **LOOKS}[what]
    see(lambda: call(place), *parts)


@pytest.mark.parametrize("what", FAILED)
def test_a_run_that_failed(place, what):
    call, *parts = FAILED[what]
    see(lambda: call(place), *parts, exit_code=1)


@pytest.mark.parametrize("what", COMMANDS)
def test_commands(place, what, monkeypatch, capsys):
    words, *parts = COMMANDS[what]
    shutil.copy(STORED / "model.safetensors", place / "torn" / "model.safetensors")
    monkeypatch.chdir(place)
    see_command(words, parts, monkeypatch, capsys)


def test_a_recipe_that_cannot_be_read(place, monkeypatch):
    def refuse(self, *_, **__):
        raise OSError(5, "Input/output error")

    (place / "mine.yaml").write_text("name: x\n")
    monkeypatch.setattr(Path, "read_text", refuse)
    parts = "mine.yaml should be a recipe and cannot be read (Input/output error)", "name another"
    see(lambda: load_recipe(place / "mine.yaml"), *parts)


ABSENT = {
    "a graph in ONNX Runtime": ("onnxruntime", "onnx", lambda: find_model(STORED, backend="onnx")),
    "a graph alone": ("onnxruntime", "onnx", lambda: find_model(STORED / "onnx" / "model.onnx")),
    "a graph that runs": ("onnxruntime", "onnx", lambda: anew("inference.onnx_classifier")),
    "a graph that is written": ("onnx", "onnx", lambda: anew("inference.onnx_graph")),
    "a server": ("starlette", "serve", lambda: anew("inference.server")),
}


def anew(module):
    """Import a module of the package as in a fresh process."""
    name = f"textlstm.{module}"
    before = sys.modules.pop(name, None)
    try:
        return importlib.import_module(name)
    finally:
        if before is not None:
            sys.modules[name] = before


@pytest.mark.parametrize("what", ABSENT)
def test_what_is_not_installed_is_named_with_its_extra(what, monkeypatch):
    package, extra, call = ABSENT[what]
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError) as caught:
        call()
    told = f"{package} is needed here and is not installed; pip install 'textlstm[{extra}]' brings it."
    assert str(caught.value) == told


def test_a_server_is_not_begun_without_its_library(place, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.setattr("sys.argv", ["textlstm", "serve", str(place / "taught")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "pip install 'textlstm[serve]' brings it." in capsys.readouterr().err


def test_the_stored_model_is_what_the_tables_think(place):
    assert json.loads((place / "taught" / "config.json").read_text())["model_type"] == "textlstm"
