"""The command `status`."""

import json

import pytest
import typer
from typer.testing import CliRunner

from textlstm.cli_runs import status
from textlstm.errors import RunFolderError
from textlstm.experiment.grid import DataFacts, plan_cells
from textlstm.experiment.plan import make_plan, write_plan


@pytest.fixture(scope="module")
def app():
    made = typer.Typer()
    made.command()(status)
    return made


def test_status_is_text_or_json(tmp_path, app, tiny_recipe, tiny_data):
    recipe = tiny_recipe({"grid.layers": [1, 2], "grid.sizes": [20]})
    write_plan(tmp_path, make_plan(recipe, tiny_data, DataFacts(), plan_cells(recipe), command="textlstm run tiny"))
    said = CliRunner().invoke(app, [str(tmp_path)])
    assert said.exit_code == 0
    assert said.stdout.splitlines()[0] == "0 of 2 runs done, 2 waiting"
    found = json.loads(CliRunner().invoke(app, [str(tmp_path), "--json"]).stdout)
    assert (found["done"], found["waiting"], len(found["cells"])) == (0, 2, 2)


def test_a_folder_of_something_else_is_an_error(tmp_path, app):
    assert isinstance(CliRunner().invoke(app, [str(tmp_path)]).exception, RunFolderError)
