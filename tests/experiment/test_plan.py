"""The plan in a folder: read back as it was written, and said to be damaged where it was."""

import pytest

from textlstm.errors import RunFolderError
from textlstm.experiment.grid import plan_cells
from textlstm.experiment.plan import PLAN_FILE, data_facts, make_plan, read_plan, write_plan
from textlstm.experiment.run_time import passes, run_seconds
from textlstm.text.augmentation import copies_for


def planned(recipe, data):
    facts = data_facts(data, recipe)
    return make_plan(recipe, data, facts, plan_cells(recipe, facts), command="textlstm run tiny")


def test_what_is_written_is_what_is_read(tmp_path, tiny_recipe, tiny_data):
    recipe = tiny_recipe({"grid.layers": [1, 2], "grid.sizes": [20, "full"], "model.join": "residual"})
    plan = planned(recipe, tiny_data)
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path) == plan
    assert read_plan(tmp_path).as_recipe() == recipe
    assert [cell.path for cell in plan.cells] == [str(cell.path) for cell in plan_cells(recipe)]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 9}', b"\xff"])
def test_a_damaged_plan_is_said_and_how_to_have_it_anew(tmp_path, content):
    (tmp_path / PLAN_FILE).write_bytes(content)
    with pytest.raises(RunFolderError, match=r"plan\.json should hold the plan of a grid.*finished runs are kept"):
        read_plan(tmp_path)


def test_folds_leave_fewer_rows_to_train_on(tiny_recipe, tiny_data):
    assert data_facts(tiny_data, tiny_recipe()).train_rows == 60
    assert data_facts(tiny_data, tiny_recipe({"grid.folds": 3})).train_rows == 40


def test_copies_of_texts_take_their_time(tiny_recipe):
    def seconds(copies):
        recipe = tiny_recipe({"augmentation.copies": copies, "training.epochs": 50})
        return run_seconds(recipe, labels=200, mean_tokens=10, num_labels=2)

    assert seconds(0) < seconds(1) < seconds(4)
    assert seconds("auto") == seconds(copies_for(200))


@pytest.mark.parametrize(
    ("changes", "times"),
    [
        ({"r_drop": 1.0}, 2.0),
        ({"mixup": 0.4}, 2.0),
        ({"adversarial": 1.0}, 3.0),
        ({"virtual_adversarial": 1.0}, 10 / 3),
        ({"virtual_adversarial": 1.0, "unlabeled": "u", "unlabeled_batch": 8}, 17 / 3),
        ({"entropy": 1.0}, 1.0),
        ({"entropy": 1.0, "unlabeled": "u", "unlabeled_batch": 16}, 3.0),
    ],
)
def test_objectives_beside_the_labels_take_their_passes(tiny_recipe, changes, times):
    recipe = tiny_recipe({f"objectives.{key}": value for key, value in changes.items()})
    assert passes(recipe) == pytest.approx(times)
    plain = run_seconds(tiny_recipe(), labels=200, mean_tokens=10, num_labels=2)
    assert run_seconds(recipe, labels=200, mean_tokens=10, num_labels=2) >= plain
