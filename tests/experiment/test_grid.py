"""The plan of a grid: every cell once, in the order that gives the first full picture early."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.errors import RecipeError
from textlstm.experiment.grid import plan_cells

GRID = {"grid.layers": [2, 1], "grid.sizes": ["full", 20], "grid.seeds": 2}


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.lists(st.integers(2, 9) | st.just("full"), min_size=1, max_size=4),
    st.integers(1, 3) | st.lists(st.integers(0, 9), min_size=1, max_size=3),
)
def test_a_plan_holds_every_cell_once_seed_by_seed_from_small_to_large(tiny_recipe, layers, sizes, seeds):
    recipe = tiny_recipe({"grid.layers": layers, "grid.sizes": sizes, "grid.seeds": seeds})
    cells = plan_cells(recipe)
    found = [(cell.layers, cell.size, cell.seed) for cell in cells]
    expected = set(range(seeds)) if isinstance(seeds, int) else set(seeds)
    assert set(found) == {(depth, size, seed) for depth in layers for size in sizes for seed in expected}
    assert len(found) == len(set(found)) == len({cell.path for cell in cells})
    first = found[: len(found) // len(expected)]
    assert {seed for _, _, seed in first} == {found[0][2]}  # a grid cut short is a smaller grid
    order = [(float("inf") if size == "full" else size, depth) for depth, size, _ in first]
    assert order == sorted(order)
    for cell in cells:
        assert (cell.recipe.model.num_layers, cell.recipe.data.size, cell.recipe.seed) == (
            cell.layers,
            cell.size,
            cell.seed,
        )


def test_work_grows_with_depth_and_size(tiny_recipe):
    by_cell = {
        (cell.layers, cell.size): cell.work
        for cell in plan_cells(tiny_recipe({"grid.layers": [1, 2], "grid.sizes": [20, 100, "full"]}))
    }
    assert by_cell[1, 20] < by_cell[1, 100] < by_cell[1, "full"] < by_cell[2, "full"]


def test_a_seed_below_zero_is_refused(tiny_recipe):
    with pytest.raises(RecipeError, match="seed"):
        plan_cells(tiny_recipe({"grid.seeds": [-1]}))
