"""Errors one by one: what somebody does, and the words that say what was found, what was expected and how to mend it.

These are errors whose words no other test looks at. Each row has the call, what its sentence names of what it found,
what it says was expected, and what it tells to do.
"""

import json
import struct
import zipfile

import numpy as np
import pytest
from error_words import see, see_command

from textlstm.analysis.advice.study import whole_study
from textlstm.analysis.claims import capacity, gradients, long_range, nesting, overfitting, record, representations
from textlstm.analysis.claims import tuning as tuning_claim
from textlstm.analysis.claims.grids import plan_variants
from textlstm.inference.calibration import read_calibration
from textlstm.inference.model_files import find_model
from textlstm.inference.prediction_journal import Journal
from textlstm.inference.rejected_rows import RejectedRows
from textlstm.recipe import validate
from textlstm.recipe_files import find_recipe, load_recipe, parse_override
from textlstm.release.hub_client import check_repo_id
from textlstm.text import fasttext_binary
from textlstm.text.datasets import load_data
from textlstm.text.reading import open_writer, read_batches, read_table
from textlstm.text.tokenization import load_tokenizer, train_tokenizer
from textlstm.text.vectors import read_vectors

ROWS = "text,label\na film,pos\nno film,neg\n"
ZERO = {"temperature": 0.0, "thresholds": None, "rows": 9, "source": "x", "log_loss_before": 1, "log_loss_after": 1}
TEXTS = ["a film", "no film"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of files with something wrong in each."""
    folder = tmp_path_factory.mktemp("errors")
    for name, content in {
        "good.csv": ROWS,
        "many.csv": "text,label\n" + "".join(f"film {row},{row % 2}\n" for row in range(400)),
        "empty.csv": "",
        "header.csv": "text,label\n",
        "wide.csv": 'text,label\na film,pos\nno film,"neg",more\n',
        "latin.yaml": b"name: caf\xe9\n",
        "broken.yaml": "name: [\n",
        "wrong.yaml": "name: x\ndata: {source: pydocs}\nmodel: {num_layer: 2}\n",
        "lfs.vec": "version https://git-lfs.github.com/spec/v1\n",
        "page.vec": "<!doctype html><p>not found",
        "pickle.vec": b"\x80\x04]",
        "cut.bin": fasttext_binary.MAGIC + b"\x0b",
        "graph.onnx": "graph",
        "alone/deep/graph.onnx": "graph",
        "tokenizer.json": "{",
        "calibrated/calibration.json": json.dumps(ZERO),
        "odd/calibration.json": json.dumps({**without(ZERO, "rows"), "temp": 1}),
        "splits/train/a.csv": ROWS,
        "splits/training/a.csv": ROWS,
        "stated/stated.json": "[",
        "model/config.json": "{}",
    }.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name, members in {"two.zip": ["a.vec", "b.vec"], "none.zip": [], "torch.zip": ["x/data.pkl"]}.items():
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member in members:
                archive.writestr(member, "x 1 2")
    for name, changes in {
        "old.bin": {1: 9},
        "few.bin": {},
        "quantized.bin": {19: 5},
    }.items():
        (folder / name).write_bytes(fasttext(changes))
    (folder / "words.bin").write_bytes(fasttext({})[:-33])
    return folder


def fasttext(changes):
    """A fastText model of one word and 5 buckets, whose matrix has one row."""
    fields = [*struct.unpack("<2i", fasttext_binary.MAGIC + struct.pack("<i", 12)), 2, 5, 1, 1, 5, 1, 1, 1, 5, 3, 6, 1]
    fields += [1e-4, 1, 1, 0, 10, 0]
    for field, value in changes.items():
        fields[field] = value
    head = struct.pack("<2i12id3i2q", *fields)
    return head + b"film\0" + struct.pack("<qb", 1, 0) + b"\0" + struct.pack("<2q2f", 1, 2, 0.5, 0.5)


def claim(name, **changes):
    return load_recipe(f"claims/{name}").override({key.replace("__", "."): value for key, value in changes.items()})


def measured(module, name, **changes):
    return module.measure(claim(name, **changes), None, seeds=3, preview=True, tell=print)


def options(name, **changes):
    return {**load_recipe(f"claims/{name}").claim.options, **changes}


def without(values, key):
    return {name: value for name, value in values.items() if name != key}


def columns(**more):
    return load_data({"text": TEXTS, "label": ["pos", "neg"]}, **more)


def advise(max_layers, width):
    recipe = validate({"name": "x", "data": {"source": "x"}, "model": {"hidden_size": width}}, origin="x")
    return whole_study(recipe, columns(), budget=60, max_layers=max_layers, workers=1, holdout=0.2)


DATA = {
    "an empty file": (lambda at: load_data(at / "empty.csv"), "0 bytes", "empty", "written completely?"),
    "a header alone": (lambda at: load_data(at / "header.csv"), "header.csv", "", ""),
    "a row too wide": (lambda at: load_data(at / "wide.csv"), "3 fields", "2", "quot"),
    "a column that is not there": (
        lambda at: [*read_batches(at / "good.csv", columns=["txt"])],
        "no column 'txt'",
        "its columns are 'text', 'label'",
        "Did you mean 'text'?",
    ),
    "a label column that is not there": (
        lambda at: load_data(at / "good.csv", label_column="labl"),
        "'labl'",
        "'text', 'label'",
        "Did you mean 'label'?",
    ),
    "a split twice": (lambda at: load_data(at / "splits"), "train, training", "name a split twice", "keep one of each"),
    "a name of no corpus": (lambda at: load_data("pydoc"), "'pydoc'", "no embedded corpus", "Did you mean pydocs?"),
    "a path that leads nowhere": (
        lambda at: load_data(at / "god.csv"),
        "god.csv does not exist",
        "a data file or folder was expected",
        "good.csv?",
    ),
    "an option that a corpus lacks": (
        lambda at: load_data("listops:depth=3"),
        "no option 'depth'",
        "The corpus listops",
        "max_depth",
    ),
    "an option given twice": (
        lambda at: load_data("listops:train=3,train=4"),
        "given twice in 'listops:train=3,train=4'",
        "The option train",
        "keep one",
    ),
    "more texts than there are": (
        lambda at: load_data("listops:max_depth=1,max_args=2,max_length=4,train=600,validation=0,test=0"),
        "found only",
        "600 different texts",
        "ask for fewer texts",
    ),
    "a third way with bad rows": (lambda at: columns(on_bad_rows="skip"), "'skip'", "'error' or 'drop'", ""),
    "no separator": (lambda at: columns(label_separator=""), "an empty string", "between labels", "such as ','"),
    "a label name twice": (lambda at: columns(label_names=["pos", "pos"]), "'pos', 'pos'", "different, non-empty", ""),
    "a label without a text": (
        lambda at: load_data({"text": ["a film", None], "label": ["pos", "neg"]}),
        "row 2",
        "an empty text",
        "--on-bad-rows drop",
    ),
    "no words to learn from": (lambda at: train_tokenizer([" ", ""]), "hold no words", "needs some text", ""),
    "wrong options of a tokenizer": (
        lambda at: train_tokenizer(TEXTS, vocab_size=1, max_length=0),
        "found 1",
        "at least 3",
        "max_length must be at least 1",
    ),
    "a damaged tokenizer": (lambda at: load_tokenizer(at / "tokenizer.json", max_length=8), "damaged", "tokenizer", ""),
    "a folder without a tokenizer": (
        lambda at: load_tokenizer(at / "model", max_length=8),
        "holds no tokenizer",
        "expected a tokenizer.json",
        "Name the folder",
    ),
    "a file that cannot be written": (
        lambda at: open_writer(at / "good.csv" / "out.csv").__enter__(),
        "good.csv is a file",
        "cannot be written",
        "name another",
    ),
    "rejected rows that cannot be written": (
        lambda at: RejectedRows(at / "good.csv" / "bad.jsonl").__enter__(),
        "good.csv is a file",
        "cannot be written",
        "name another",
    ),
    "predictions that cannot be written": (
        lambda at: Journal(at / "good.csv" / "out.csv", settings="", classes=2).__enter__(),
        "good.csv is a file",
        "cannot be written",
        "name another",
    ),
    "an empty table": (lambda at: read_table(at / "empty.csv"), "0 bytes", "empty", "written completely?"),
}
VECTORS = {
    "a pointer of Git LFS": ("lfs.vec", "Git LFS pointer", "not the file itself", "git lfs pull"),
    "a web page": ("page.vec", "a web page", "not vectors", "the download"),
    "a pickle": ("pickle.vec", "is a pickle", "can run any code", "save the vectors as"),
    "a packed pickle": ("torch.zip", "is a pickle", "can run any code", "save the vectors as"),
    "several files in an archive": ("two.zip", "holds 2 files (a.vec, b.vec)", "", "say which, such as"),
    "an empty archive": ("none.zip", "is an empty archive", "", "fetch it again"),
    "a header cut off": ("cut.bin", "ends inside its header", "fastText model", "fetch it again"),
    "another version": ("old.bin", "of version 9", "versions 11 and 12", "fetch it again"),
    "words cut off": ("words.bin", "ends inside its list of words", "fastText model", "fetch it again"),
    "a quantized model": ("quantized.bin", "quantized", "fastText model", "name the unquantized"),
    "too few rows": ("few.bin", "has 1", "a row for each of 1 words and 5 buckets", "fetch it again"),
}
RECIPES = {
    "bytes of another encoding": (lambda at: load_recipe(at / "latin.yaml"), "byte 9", "UTF-8", "save it as UTF-8"),
    "no YAML": (lambda at: load_recipe(at / "broken.yaml"), "cannot be read as such", "should be YAML", ""),
    "a key that is not there": (lambda at: load_recipe(at / "wrong.yaml"), "num_layer", "no such key", "num_layers"),
    "no such recipe": (lambda at: find_recipe("sst"), "'sst' is neither", "a YAML file or one of", "sst2"),
    "a value that is no YAML": (lambda at: parse_override("a=[1"), "'[1'", "plain YAML such as 2", ""),
    "a repository of nobody": (lambda at: check_repo_id("mine"), "'mine' names no user", "USER/NAME", "put one before"),
    "no repository": (lambda at: check_repo_id("a b/c"), "'a b/c' is none", "USER/NAME", ""),
    "advice on one layer": (lambda at: advise(1, 8), "--max-layers is 1", "1 layer with deeper", "give 2 or more"),
    "advice on widths": (lambda at: advise(2, [8]), "is a list", "the same width", "give one number"),
}
MODELS = {
    "a graph in torch": (
        lambda at: find_model(at / "graph.onnx", backend="torch"),
        "is an ONNX file",
        "--backend torch was asked for",
        "name the model's folder",
    ),
    "a graph alone": (
        lambda at: find_model(at / "alone" / "deep" / "graph.onnx"),
        "is in neither",
        "should lie beside it or one folder up",
        "copy it there",
    ),
    "no graph": (
        lambda at: find_model(at / "model", backend="onnx"),
        "has neither",
        "onnx/model.onnx or model.onnx",
        "make it by textlstm export",
    ),
    "half a model": (lambda at: find_model(at / "model", backend="torch"), "lacks model", "A model folder has", "name"),
    "a file for a model": (
        lambda at: find_model(at / "good.csv"),
        "is a file",
        "A model is a folder",
        "name the folder",
    ),
    "a calibration of other keys": (
        lambda at: read_calibration(at / "odd"),
        "its keys are others: rows, temp",
        "what textlstm calibrate wrote",
        "calibrate again or delete it",
    ),
    "a temperature of 0": (lambda at: read_calibration(at / "calibrated"), "has 0.0", "above 0", "delete it"),
}
CLAIMS = {
    "an option that capacity lacks": (
        lambda at: capacity.read_options(claim("capacity", claim__options={"ladder": [4, 8]})),
        "lacks",
        "The capacity claim has the options",
        "textlstm recipes show",
    ),
    "an option that capacity has not": (
        lambda at: capacity.read_options(claim("capacity", claim__options=options("capacity", more=1))),
        "names more",
        "The capacity claim has the options",
        "textlstm recipes show",
    ),
    "rates of 0": (
        lambda at: capacity.read_options(claim("capacity", claim__options=options("capacity", learning_rates=[0]))),
        "is [0]",
        "numbers above 0",
        "such as [0.001",
    ),
    "a control of other things": (
        lambda at: capacity.stacks_of(claim("capacity", grid__controls=["matched_compute"]), [1, 2]),
        "names matched_compute",
        "fixed_width and matched_parameters",
        "take it out",
    ),
    "gradients without a remedy": (
        lambda at: measured(gradients, "gradients", claim__variants={}),
        "names none",
        "compares remedies",
        "give each a name",
    ),
    "gradients without a threshold": (
        lambda at: measured(gradients, "gradients", claim__options={}),
        "lacks",
        "a threshold for each link",
        "give a number",
    ),
    "thresholds of 0": (
        lambda at: measured(gradients, "gradients", claim__options=dict.fromkeys(gradients.LINKS, 0)),
        "they are",
        "above 0",
        "give larger ones",
    ),
    "gradients of one depth": (
        lambda at: measured(gradients, "gradients", grid__layers=[2]),
        "fewer than two",
        "compares depths",
        "set two or more",
    ),
    "a variant of other data": (
        lambda at: plan_variants(claim("cost"), None, {"more": {"data.size": 9}}),
        "'more' sets data.size",
        "the recipe's own grid and data",
        "take it out",
    ),
    "long range on one depth": (
        lambda at: measured(long_range, "long-range", grid__layers=[2]),
        "only one",
        "compares depths",
        "set two or more",
    ),
    "nesting in other texts": (
        lambda at: nesting.nested_recipe(claim("capacity"), {"data.source": "pydocs"}),
        "it is pydocs",
        "a listops corpus",
        "name one, such as",
    ),
    "one level of nesting": (
        lambda at: nesting.slope_over_levels(np.ones((1, 2)), np.array([1, 1])),
        "",
        "texts of two levels or more",
        "raise max_depth",
    ),
    "overfitting without a regularizer": (
        lambda at: measured(overfitting, "overfitting", claim__variants={}),
        "names none",
        "compares regularizers",
        "give each a name",
    ),
    "an option that representations have not": (
        lambda at: measured(representations, "representations", claim__options={"more": 1}),
        "names more",
        "has the option transfer",
        "take it out",
    ),
    "an option that tuning lacks": (
        lambda at: tuning_claim.read_options(claim("tuning", claim__options=without(options("tuning"), "near"))),
        "lacks near",
        "The tuning claim has the options",
        "textlstm recipes show",
    ),
    "one trial beside": (
        lambda at: tuning_claim.read_options(claim("tuning", claim__options=options("tuning", per_layer_trials=1))),
        "is 1",
        "should be 0, or",
        "",
    ),
    "no space": (
        lambda at: tuning_claim.read_options(claim("tuning", claim__options=options("tuning", space={}))),
        "is {}",
        "each as lowest and highest",
        "",
    ),
    "thresholds of tuning": (
        lambda at: tuning_claim.read_options(claim("tuning", claim__options=options("tuning", thresholds={}))),
        "is {}",
        "compute and share, above 0",
        "",
    ),
    "a search without rows to choose by": (
        lambda at: tuning_claim.plan_search(
            claim("tuning", grid__sizes=[100], data__source=str(at / "many.csv")),
            tuning_claim.read_options(claim("tuning")),
        ),
        "100 labels have none",
        "on validation rows",
        "set grid.sizes",
    ),
    "a damaged statement": (
        lambda at: record.lay_down(record.state(claim("cost"), preview=True), at / "stated"),
        "stated.json",
        "what was stated before the run",
        "move the folder away",
    ),
}


COMMANDS = {
    "a remedy without seeds": (
        "inspect model good.csv --remedy model.forget_bias=1",
        "no seeds were given",
        "--remedy names what --try-remedy SEEDS tries",
        "add --try-remedy 3",
    ),
    "a range of 8 bits in 32": ("export model --full-range", "--int8 is absent", "about the 8-bit file", "add it"),
    "WebAssembly in 32 bits": ("export model --wasm", "--int8 is absent", "about the 8-bit file", "add it"),
    "columns of no data": ("calibrate model --text-column text", "is about --data", "which is absent", "add it"),
    "calibrating a file": ("calibrate good.csv", "good.csv is none", "a model's folder", "check the spelling"),
}


@pytest.mark.parametrize("what", DATA)
def test_data_and_files(place, what):
    call, *parts = DATA[what]
    see(lambda: call(place), *parts)


@pytest.mark.parametrize("what", VECTORS)
def test_vectors(place, what):
    name, *parts = VECTORS[what]
    see(lambda: read_vectors(str(place / name), ["film", "unseen"]), name.partition(".")[0], *parts)


@pytest.mark.parametrize("what", RECIPES)
def test_recipes_and_options(place, what):
    call, *parts = RECIPES[what]
    see(lambda: call(place), *parts)


@pytest.mark.parametrize("what", MODELS)
def test_models(place, what):
    call, *parts = MODELS[what]
    see(lambda: call(place), *parts)


@pytest.mark.parametrize("what", CLAIMS)
def test_claims(place, what):
    call, *parts = CLAIMS[what]
    see(lambda: call(place), *parts)


@pytest.mark.parametrize("what", COMMANDS)
def test_commands(place, what, monkeypatch, capsys):
    words, *parts = COMMANDS[what]
    monkeypatch.chdir(place)
    see_command(words, parts, monkeypatch, capsys)
