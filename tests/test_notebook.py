"""The notebook runs from top to bottom without a network, cell by cell, as a reader runs it."""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def code_of(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"], cells


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_offline_and_its_comparison_answers(path, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("TEXTLSTM_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    codes, _ = code_of(path)
    for code in codes:
        exec(compile(code, path.name, "exec"), names)  # noqa: S102 - our own file
    assert set(names["scores"]) == {1, 2}
    assert not names["sweep"].failures
    assert names["comparison"].preview
    assert "labels" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())  # it leaves nothing where it is run


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    codes, cells = code_of(path)
    assert len(codes) >= 5
    assert all(not cell["outputs"] for cell in cells if cell["cell_type"] == "code")
    assert all(ast.parse(code) for code in codes)


def test_there_is_a_notebook():
    assert NOTEBOOKS
