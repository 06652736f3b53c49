"""Errors one by one, of data and vectors in all their forms: rows as in test_error_messages.py, each with its call,
what its sentence names of what it found, what it says was expected, and what it tells to do."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from error_words import see
from safetensors.numpy import save_file

from textlstm.recipe import validate
from textlstm.text import splits
from textlstm.text.datasets import load_data
from textlstm.text.encoding import encode, read_backend
from textlstm.text.folds import fold_rows, with_fold
from textlstm.text.protocol import labeled_split
from textlstm.text.reading import arriving_lines, read_table
from textlstm.text.running_text import RunningText
from textlstm.text.tokenization import load_tokenizer, save_tokenizer, train_tokenizer
from textlstm.text.unlabeled import load_texts
from textlstm.text.vectors import read_vectors

ROWS = "text,label\na film,pos\nno film,neg\n"
TEXTS = ["a film", "no film"]


def declared(names):
    """Metadata of a column that datasets has written as a class label."""
    feature = {"_type": "ClassLabel", "names": names}
    return {"huggingface": json.dumps({"info": {"features": {"label": feature}}})}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of files with something wrong in each."""
    folder = tmp_path_factory.mktemp("errors")
    for name, content in {
        "good.csv": ROWS,
        "several.csv": "sentence,review,label\na film,fine,pos\nno film,dull,neg\n",
        "untold.csv": "alpha,beta,gamma\na film,b,c\nno film,d,e\n",
        "objects.jsonl": '{"text": "a film", "label": {"is": 1}}\n{"text": "no film", "label": {"is": 0}}\n',
        "list.jsonl": "[1, 2]\n",
        "value.json": "7",
        "held/validation.csv": ROWS,
        "held/test.csv": ROWS,
        "hollow/train/notes.md": "x",
        "hollow/test/test.csv": ROWS,
        "parts/train-00000-of-00002.jsonl": '{"text": "a film", "label": "pos"}\n',
        "parts/train-00001-of-00002.jsonl": '{"text": "no film", "label": 7}\n',
        "twice/train.csv": ROWS,
        "twice/train.jsonl": '{"text": "a film", "label": "pos"}\n',
        "tokenizer.json": "{",
        "words.txt": "film\n",
    }.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(content)
    for name, members in {
        "two.csv.zip": {"a.csv": ROWS, "b.csv": ROWS},
        "broken.zip": {"train.csv": 'text,label\n"never closed,pos\n', "test.csv": ROWS},
        "vectors.zip": {"a.vec": "film 1 2\n", "b.vec": "film 1 2\n"},
    }.items():
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member, content in members.items():
                archive.writestr(member, content)
    table = pa.table({"text": TEXTS, "label": [0, 5]}).replace_schema_metadata(declared(["neg", "pos"]))
    pq.write_table(table, folder / "unnamed.parquet")
    np.savez(folder / "rows.npz", rows=np.ones((2, 3)), more=np.ones((2, 3)))
    save_file({"embedding.weight": np.ones((2, 3), np.float32)}, folder / "words.safetensors")
    return folder


def data(**more):
    return load_data({"text": TEXTS * 3, "label": ["pos", "neg"] * 3}, **more)


def open_split(name):
    return labeled_split(load_data({"train": (TEXTS, ["a", "b"]), "validation": (TEXTS, ["a", "b"])}), name)


def in_utf16():
    """Standard input in UTF-16 that lacks the mark which says in what order its bytes stand."""
    return list(arriving_lines(io.BytesIO("a film".encode("utf-16-be")), encoding="utf-16"))


def unreadable(at, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    return read_table(at / "good.csv")


def from_hub(monkeypatch, names):
    import datasets

    rows = datasets.Dataset.from_dict({"text": TEXTS, "label": ["a", "b"]})
    monkeypatch.setattr("textlstm.text.sources._silence_of_hub", lambda _: None)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: datasets.DatasetDict(dict.fromkeys(names, rows)))
    return load_data("someone/films")


def running(at):
    part = validate({"name": "x", "data": {"source": str(at / "held")}}, origin="x").data
    return list(RunningText(part).batches())


def with_specials(at):
    """A tokenizer that puts two special tokens around each text."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = train_tokenizer(TEXTS, min_frequency=1, max_length=9)
    pad = tokenizer.pad_token
    around = TemplateProcessing(single=f"{pad} $A {pad}", special_tokens=[(pad, tokenizer.pad_token_id)])
    tokenizer.backend_tokenizer.post_processor = around
    save_tokenizer(tokenizer, at / "specials")
    return load_tokenizer(at / "specials", max_length=2)


def in_python(at):
    """A tokenizer that is said to be of a class which has no form in Rust."""
    save_tokenizer(train_tokenizer(TEXTS, min_frequency=1, max_length=9), at / "canine")
    (at / "canine" / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}')
    return load_tokenizer(at / "canine", max_length=9)


COLUMNS = {
    "two columns that may be the text": (
        lambda at: load_data(at / "several.csv"),
        "'sentence', 'review' all could be",
        "which column is the text",
        "Name one with --text-column, or several to be joined",
    ),
    "no telling column": (
        lambda at: load_data(at / "untold.csv"),
        "The columns are 'alpha', 'beta', 'gamma'",
        "no column is plainly the text",
        "name it with --text-column, or rename it to 'text'",
    ),
    "labels that are objects": (
        lambda at: load_data(at / "objects.jsonl"),
        "'label' holds struct",
        "labels are strings, integers, truth values",
        "Name another column with --label-column",
    ),
    "a label beyond the declared names": (
        lambda at: load_data(at / "unnamed.parquet"),
        "the label 5 has no name",
        "declares 2 ('neg', 'pos')",
        "for the labels 0 to 1",
    ),
    "one class left": (
        lambda at: load_data({"text": ["a film", "no film", None], "label": ["pos", "pos", "neg"]}, on_bad_rows="drop"),
        "all 2 rows have the label 'pos'",
        "two classes or more",
        "Is it the right label column",
    ),
}
FILES = {
    "a row that is a list": (
        lambda at: load_data(at / "list.jsonl"),
        "list.jsonl: row 1 (line 1) is a list",
        "an object with named fields was expected",
        'such as {"text"',
    ),
    "a JSON of another form": (
        lambda at: load_data(at / "value.json"),
        "value.json holds",
        "expected was a list of objects",
        "One file a split",
    ),
    "two files in one archive": (
        lambda at: read_table(at / "two.csv.zip"),
        "holds 2 (a.csv, b.csv)",
        "should hold one data file",
        "unpack it and name one",
    ),
    "a broken file in an archive": (
        lambda at: load_data(at / "broken.zip"),
        "broken.zip/train.csv: a quotation mark opens",
        "never closed",
        "Close it",
    ),
    "a split's folder without rows": (
        lambda at: load_data(at / "hollow"),
        "hollow/train",
        "should hold the rows of its split",
        "put them there, or remove it",
    ),
    "parts of two types": (
        lambda at: load_data(at / "parts"),
        "columns of different types",
        "parts of a split",
        "write them alike",
    ),
    "two files of one split": (
        lambda at: load_data(at / "twice"),
        "train.csv, train.jsonl",
        "several files for the train split",
        "keep one, or name the parts like train-00000-of-00002.csv",
    ),
}
SPLITS = {
    "no split to train on": (
        lambda at: load_data({"validation": (TEXTS, ["a", "b"]), "test": (TEXTS, ["a", "b"])}),
        "has the splits validation, test",
        "no train split",
        "one is needed",
    ),
    "test data of several splits": (
        lambda at: load_data(
            (TEXTS, ["pos", "neg"]), validation={"train": (TEXTS, ["a", "b"]), "test": (TEXTS, [1, 2])}
        ),
        "has the splits train, test",
        "as the validation data",
        "name the one file",
    ),
    "a split that is not there": (
        lambda at: open_split("dev"),
        "has train, validation",
        "--split dev was asked for",
        "name one of these",
    ),
    "several splits to score": (lambda at: open_split(None), "train, validation", "no test", "say which with --split"),
    "more rows held out than there are": (
        lambda at: splits.hold_out(data().splits["train"], rows=6, seed=0),
        "6 rows cannot be held out of 6",
        "at least one row must be on each side",
        "Give a validation set, or more data",
    ),
    "a fold beyond the last": (
        lambda at: with_fold(data(), fold=5, folds=3),
        "fold 5 was asked for",
        "counted from 0 to 2",
        "name one of these",
    ),
    "folds beside a test split": (
        lambda at: with_fold(data(test=(TEXTS, ["pos", "neg"])), fold=0, folds=2),
        "has one with 2 labeled rows",
        "data without a test split",
        "leave out data.folds",
    ),
    "one fold": (
        lambda at: with_fold(data(), fold=0, folds=1),
        "1 was asked for",
        "2 folds or more",
        "10 is customary",
    ),
    "more folds than texts": (
        lambda at: fold_rows(data().splits["train"], folds=4, multi_label=False),
        "4 folds were asked for and the rarest class has 1 different texts",
        "have none of them to score",
        "ask for a held-out test split instead, or merge rare classes",
    ),
    "texts alone of several splits": (
        lambda at: load_texts(str(at / "held")),
        "has the splits",
        "no train split",
        "name the one file",
    ),
    "running text of several splits": (running, "has the splits", "no train split", "name one file"),
}
WORDS = {
    "a tokenizer in Python": (in_python, "CanineTokenizer, which runs in Python", "a fast one", "Convert it, or train"),
    "no room for a word": (with_specials, "found 2", "at least 3", "puts 2 special tokens around a text"),
    "a tokenizer that is none": (
        lambda at: read_backend(at / "tokenizer.json"),
        "cannot be read",
        "should be a tokenizer.json",
        "copy it again",
    ),
    "a row without a text": (
        lambda at: encode(train_tokenizer(TEXTS, min_frequency=1), ["a film", None], max_length=9),
        "Row 1 was to be a text and is None (NoneType)",
        "",
        "fill or drop empty rows",
    ),
    "a file that the archive lacks": (
        lambda at: read_vectors(str(at / "vectors.zip" / "c.vec"), ["film"]),
        "holds a.vec, b.vec",
        "c.vec is none of them",
        "check the spelling",
    ),
    "rows without their words": (
        lambda at: read_vectors(str(at / "rows.npz"), ["film"]),
        "holds rows, more",
        "one matrix of vectors and one array of words",
        "save these two alone",
    ),
    "more rows than words": (
        lambda at: read_vectors(str(at / "words.safetensors"), ["film"]),
        "holds 2 rows and its vocabulary 1 words",
        "should be as many",
        "a missing last line",
    ),
    "bytes without their order": (
        lambda at: in_utf16(),
        "standard input is not utf-16",
        "",
        "pass the encoding it has",
    ),
}


@pytest.mark.parametrize("what", [*COLUMNS, *FILES, *SPLITS, *WORDS])
def test_a_sentence_names_what_was_found_and_tells_what_to_do(place, what):
    call, *parts = {**COLUMNS, **FILES, **SPLITS, **WORDS}[what]
    see(lambda: call(place), *parts)


def test_a_file_that_may_not_be_read(place, monkeypatch):
    see(
        lambda: unreadable(place, monkeypatch), "good.csv may not be read (Permission denied)", "change its permissions"
    )


def test_a_hub_data_set_without_a_train_split(monkeypatch):
    parts = (
        "someone/films has the splits dev.a, dev.b",
        "none of them is a train split",
        "fetch the right one to a file",
    )
    see(lambda: from_hub(monkeypatch, ["dev.a", "dev.b"]), *parts)
