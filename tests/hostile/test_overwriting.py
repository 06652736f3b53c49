"""Each command that has --out leaves what lies there: it goes on with its own work, or refuses and says so."""

import contextlib
import io
import json
import sys

import pytest
import typer

from textlstm.cli import command_line, main

GROUP = typer.main.get_command(command_line())
WITH_OUT = {name for name, command in GROUP.commands.items() if any("--out" in one.opts for one in command.params)}
COMMANDS = {
    "train": "train data.csv",
    "pretrain": "pretrain data.csv",
    "distill": "distill data.csv --teacher model",
    "pull": "pull someone/model",
    "push": "push model someone/model --dry-run",
    "demo": "demo model",
    "predict": "predict model data.csv",
    "find-rate": "find-rate data.csv",
    "run": "run recipe.yaml",
    "compare": "compare data.csv",
    "advise": "advise data.csv",
    "tune": "tune data.csv",
    "inspect": "inspect model data.csv",
    "export": "export model",
    "rerun": "rerun model",
}
FILES = {"predict": "mine.csv", "find-rate": "mine.svg"}
MINE = {
    "config.json": json.dumps({"model_type": "bert"}),
    "report.html": "<p>mine",
    "model.onnx": "mine",
    "notes.txt": "x",
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    rows = "".join(f"film {row} is {label},{label}\n" for row in range(20) for label in ("good", "bad"))
    (tmp_path / "data.csv").write_text("text,label\n" + rows)
    (tmp_path / "recipe.yaml").write_text("name: mine\ndata: {source: data.csv}\n")
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    said, before = io.StringIO(), sys.argv
    sys.argv = ["textlstm", *words]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main()
    except SystemExit as stop:
        return int(stop.code or 0), said.getvalue()
    finally:
        sys.argv = before
    return 0, said.getvalue()


def test_all_commands_with_out_are_here():
    assert set(COMMANDS) == WITH_OUT


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(FILES)))
def test_a_folder_of_other_things_is_left_alone(place, command):
    folder = place / "mine"
    folder.mkdir()
    for name, content in MINE.items():
        (folder / name).write_text(content)
    code, said = run(*COMMANDS[command].split(), "--out", "mine")
    assert code == 2, said
    assert "nothing is overwritten" in said or "holds something" in said
    assert {path.name: path.read_text() for path in folder.iterdir()} == MINE


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_file_is_left_alone(place, command):
    name = FILES.get(command, "mine")
    (place / name).write_text("mine")
    code, said = run(*COMMANDS[command].split(), "--out", name)
    assert code == 2, said
    assert "exists already" in said or "is a file" in said
    assert (place / name).read_text() == "mine"


def test_predict_replaces_when_told_and_no_recipe_is_copied_over_another(place):
    (place / "sst2.yaml").write_text("mine")
    code, said = run("recipes", "copy", "sst2", "sst2.yaml")
    assert (code, (place / "sst2.yaml").read_text()) == (2, "mine"), said
