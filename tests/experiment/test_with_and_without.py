"""Transfer that a command names for depths is compared with none, but for grids that began alone."""

import pytest

from textlstm.experiment.grid import plan_cells
from textlstm.experiment.plan import Plan, PlannedData, write_plan
from textlstm.experiment.with_and_without import COMPARED, with_and_without

DEPTHS = {"grid.layers": [1, 2], "grid.seeds": 1}


def sources(recipe):
    return [(cell.layers, cell.recipe.embeddings.source) for cell in plan_cells(recipe)]


def test_depths_come_with_and_without_and_the_named_value_is_what_the_verdict_is_about(tiny_recipe, tmp_path):
    recipe = tiny_recipe({**DEPTHS, "embeddings.source": "v.txt", "embeddings.tuned": "never"})
    changed, said = with_and_without(recipe, ["embeddings.source", "embeddings.tuned"], tmp_path)
    assert sources(changed) == [(1, "v.txt"), (2, "v.txt"), (1, None), (2, None)]
    assert said == [
        "Depths are compared with embeddings.source and without; --set 'grid.embeddings.source=[VALUE]' compares them"
        " with it alone."
    ]


@pytest.mark.parametrize("key", COMPARED)
def test_each_key_is_compared(tiny_recipe, tmp_path, key):
    recipe = tiny_recipe({**DEPTHS, key: "x"})
    changed, said = with_and_without(recipe, [key], tmp_path)
    assert changed.grid.axes[key][-1] is None and len(plan_cells(changed)) == 4 and len(said) == 1


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"grid.layers": [1], "embeddings.source": "v"}, ["embeddings.source"]),  # one depth: nothing to stand in for
        ({**DEPTHS, "embeddings.source": "v"}, []),  # the recipe says so, not the command
        ({**DEPTHS, "grid.embeddings.source": ["v"], "embeddings.source": "v"}, ["embeddings.source"]),
        ({**DEPTHS}, ["embeddings.source"]),
    ],
)
def test_other_grids_stay_as_they_are(tiny_recipe, tmp_path, changes, named):
    recipe = tiny_recipe(changes)
    assert with_and_without(recipe, named, tmp_path) == (recipe, [])


def test_a_folder_that_began_alone_goes_on_alone(tiny_recipe, tmp_path):
    recipe = tiny_recipe({**DEPTHS, "embeddings.source": "v.txt"})
    data = PlannedData(
        source="here", fingerprint="0" * 16, label_names=["a"], multi_label=False, rows={}, mean_tokens=1.0, notes=[]
    )
    plan = Plan(command="textlstm run tiny", recipe=recipe.model_dump(mode="json"), data=data, cells=[])
    write_plan(tmp_path, plan)
    assert with_and_without(recipe, ["embeddings.source"], tmp_path) == (recipe, [])
    other = recipe.override({"embeddings.source": "w.txt"})
    assert with_and_without(other, ["embeddings.source"], tmp_path)[1]
