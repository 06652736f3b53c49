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


def test_a_grid_without_an_end_is_refused_before_it_is_laid_out(tiny_recipe):
    endless = tiny_recipe({"grid.layers": list(range(1, 1001)), "grid.seeds": 1000})
    with pytest.raises(RecipeError, match=r"A grid has [\d,]+ runs at most, and the axes of tiny make 1,000,000"):
        plan_cells(endless)


def test_a_baseline_takes_the_first_of_several_widths(tiny_recipe):
    changes = {"model.hidden_size": [12, 8], "model.num_layers": 2, "grid.layers": [2], "grid.baselines": ["bag"]}
    (bag,) = (cell for cell in plan_cells(tiny_recipe(changes)) if "baseline" in cell.others)
    assert (bag.layers, bag.recipe.model.hidden_size) == (0, 12)


def test_a_value_that_is_too_long_for_a_folder_is_cut_and_told_apart(tiny_recipe):
    long = ["x" * 300 + end for end in ("a", "b")]
    cells = plan_cells(tiny_recipe({"grid": {"embeddings.source": long}}))
    assert len({cell.path for cell in cells}) == 2
    assert all(len(part) < 200 for cell in cells for part in cell.path.parts)


def test_what_was_fitted_inside_of_a_fold_serves_that_fold(tiny_recipe):
    changes = {"grid.folds": 2, "transfer.encoder": "runs/encoder-{fold}", "grid.layers": [1, 2]}
    named = {cell.others["fold"]: cell.recipe.transfer.encoder for cell in plan_cells(tiny_recipe(changes))}
    assert named == {0: "runs/encoder-0", 1: "runs/encoder-1"}
    taught = {"grid.folds": 2, "distillation.teacher": ["t/{fold}", "other"]}
    teachers = {cell.others["fold"]: cell.recipe.distillation.teacher for cell in plan_cells(tiny_recipe(taught))}
    assert teachers == {0: ["t/0", "other"], 1: ["t/1", "other"]}
