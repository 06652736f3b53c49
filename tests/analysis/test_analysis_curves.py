"""Curves of a grid: over the seeds that all cells share, between 0 and 1, saying what bands hold for."""

from pathlib import Path

import pytest

from textlstm.analysis.curves import curves
from textlstm.analysis.reading import read_grid


@pytest.fixture
def sized_grid(tmp_path, tiny_recipe, make_run, write_grid):
    """Writes a grid whose runs have used as many labels as their size says; gives its folder."""

    def sized_run(recipe, **options):
        run = make_run(recipe, **options)
        return run.model_copy(update={"data": run.data.model_copy(update={"labels_used": recipe.data.size})})

    def make(changes, **options):
        write_grid(tmp_path / "grid", tiny_recipe(changes), sized_run, **options)
        return tmp_path / "grid"

    return make


def drawn(folder):
    found, _ = curves(read_grid(folder))
    assert found
    return found


def test_curves_are_over_the_seeds_that_all_cells_share(sized_grid):
    grid = {"grid.layers": [1, 2], "grid.sizes": [40, 80], "grid.seeds": 5}
    folder = sized_grid(
        grid,
        skill=lambda cell: 0.7,
        leave_out={Path("layers=2/size=80/seed=3")},
    )
    read = read_grid(folder)
    for curve in drawn(folder):
        assert curve.seeds == 4
        assert curve.over_texts
        for size, mean, low, high, own_low, own_high in zip(
            read.sizes(curve.setting), curve.mean, curve.low, curve.high, curve.own_low, curve.own_high, strict=True
        ):
            group = next(g for g in read.depths(curve.setting, size) if g.layers == curve.layers)
            own = [run.metrics["test"].accuracy.value for run in group.all_runs if run.cell["seed"] != 3]
            assert mean == pytest.approx(sum(own) / 4)
            assert 0 <= low <= own_low <= mean <= own_high <= high <= 1


@pytest.mark.parametrize("skill", [0.01, 0.99])
def test_bands_end_at_0_and_1(sized_grid, skill):
    grid = {"grid.layers": [1, 2], "grid.sizes": [40, 80], "grid.seeds": 3}
    for curve in drawn(sized_grid(grid, skill=lambda cell: skill, rows=30)):
        assert len(curve.low) == len(curve.high) == 2
        assert min(*curve.low, *curve.own_low) >= 0 and max(*curve.high, *curve.own_high) <= 1


def test_two_seeds_have_no_band(sized_grid):
    grid = {"grid.layers": [1, 2], "grid.sizes": [40, 80], "grid.seeds": 2}
    for curve in drawn(sized_grid(grid, skill=lambda cell: 0.7)):
        assert curve.seeds == 2
        assert curve.low == curve.high == curve.own_low == curve.own_high == []


def test_bands_over_folds_are_over_seeds_alone(sized_grid):
    grid = {"grid.layers": [1, 2], "grid.sizes": [40, 80], "grid.seeds": 3, "grid.folds": 2}
    for curve in drawn(sized_grid(grid, skill=lambda cell: 0.7)):
        assert curve.low and not curve.over_texts
