"""The command line run in this process, on small files; a trained model and a finished grid to look at."""

import contextlib
import csv
import io
import sys
from dataclasses import dataclass

import pytest
import yaml
from transformers.utils import logging

from textlstm.cli import main
from textlstm.experiment import costs

TINY_OPTIONS = [
    *("--hidden", "8", "--epochs", "2", "--batch-size", "8", "--learning-rate", "0.02", "--threads", "1"),
    *("--set", "model.embedding_size=8", "--set", "tokenizer.min_frequency=1"),
]


@dataclass
class Outcome:
    code: int
    out: str
    err: str


def _invoke(*arguments, stdin=""):
    """Run the command line in this process; stdin is text, or bytes."""
    given = stdin if isinstance(stdin, bytes) else stdin.encode()
    out, err = io.StringIO(), io.StringIO()
    before, verbosity = (sys.argv, sys.stdin), logging.get_verbosity()
    sys.argv, sys.stdin = ["textlstm", *map(str, arguments)], io.TextIOWrapper(io.BytesIO(given), "utf-8")
    code: object = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as stop:
        code = stop.code
    finally:
        sys.argv, sys.stdin = before
        logging.set_verbosity(verbosity)
        logging.enable_progress_bar()
    return Outcome(int(code or 0), out.getvalue(), err.getvalue())


def _succeed(*arguments, stdin=""):
    done = _invoke(*arguments, stdin=stdin)
    assert done.code == 0, done.err
    return done


def _fail(code, *arguments, stdin=""):
    """The one sentence of an error, which is all that stderr holds of it."""
    done = _invoke(*arguments, stdin=stdin)
    assert done.code == code, (done.out, done.err)
    assert "Traceback" not in done.err + done.out
    *before, last = done.err.rstrip("\n").split("textlstm: ")
    assert before, done.err
    assert last.rstrip().endswith((".", "?")) or "\n  " in last
    return last


def _write_csv(path, texts, labels, **names):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([names.get("text", "text"), names.get("label", "label")])
        writer.writerows(zip(texts, labels, strict=True))
    return path


@pytest.fixture(scope="module", autouse=True)
def _few_repeats():
    """Latency is measured as ever, but nobody here minds how exactly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "_REPEATS", 5)
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory, planted):
    """train.csv, validation.csv and test.csv, and a recipe that compares two depths on them."""
    folder = tmp_path_factory.mktemp("cli")
    for seed, (name, rows) in enumerate({"train": 60, "validation": 30, "test": 30}.items()):
        _write_csv(folder / f"{name}.csv", *planted(rows, seed))
    recipe = {
        "name": "mine",
        "data": {"source": str(folder / "train.csv"), "test": str(folder / "test.csv")},
        "tokenizer": {"min_frequency": 1},
        "model": {"embedding_size": 8, "hidden_size": 8},
        "training": {"epochs": 1, "min_updates": 0, "batch_size": 8},
        "grid": {"layers": [1, 2], "sizes": [20, "full"], "seeds": 1},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(recipe))
    return folder


@pytest.fixture(scope="session")
def model(folder):
    """A model that `train` left, with what the command said."""
    given = ["--validation", folder / "validation.csv", "--test", folder / "test.csv"]
    return folder / "model", _succeed("train", folder / "train.csv", "--out", folder / "model", *given, *TINY_OPTIONS)


@pytest.fixture(scope="session")
def finished(folder):
    """A finished grid, with what the command said."""
    return folder / "runs", _succeed("run", folder / "mine.yaml", "--out", folder / "runs", "--workers", "0")


@pytest.fixture(scope="session")
def invoke():
    return _invoke


@pytest.fixture(scope="session")
def succeed():
    return _succeed


@pytest.fixture(scope="session")
def fail():
    return _fail


@pytest.fixture(scope="session")
def write_csv():
    return _write_csv


@pytest.fixture(scope="session")
def tiny_options():
    return TINY_OPTIONS
