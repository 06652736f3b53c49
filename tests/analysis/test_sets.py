"""Several grids put together: planted gains are found, and what cannot be put together is refused."""

import pytest

from textlstm.analysis.sets import across_sets
from textlstm.errors import RunFolderError
from textlstm.experiment.plan import read_plan, write_plan

AXES = {"grid.layers": [1, 2], "grid.sizes": [100], "grid.seeds": 6}


@pytest.fixture
def three(tmp_path, tiny_recipe, make_run, write_grid):
    folders = []
    for number, gain in enumerate((0.05, 0.1, 0.15)):
        folder = tmp_path / f"set{number}"
        write_grid(
            folder,
            tiny_recipe({**AXES, "name": f"set{number}"}),
            make_run,
            skill=lambda cell, gain=gain: 0.6 + gain * (cell.layers - 1),
            rows=400 + number,
        )
        plan = read_plan(folder)
        write_plan(folder, plan.model_copy(update={"data": plan.data.model_copy(update={"fingerprint": str(number)})}))
        folders.append(folder)
    return folders


def test_the_mean_lies_among_the_sets_and_a_new_set_is_less_certain(three):
    (found,) = across_sets(three)
    values = [gain.value for gain in found.by_set]
    assert (found.shallow, found.deep, found.sets) == (1, 2, ["set0", "set1", "set2"])
    assert min(values) < found.mean.value < max(values)
    low, high = found.new_set
    assert low < found.mean.low < found.mean.high < high
    assert found.spread > 0
    assert 0.5 < found.improvement.value <= 1
    assert found.interquartile_mean.value > 0
    assert found.profile == sorted(found.profile, reverse=True)


def test_what_cannot_be_put_together_is_refused(three):
    with pytest.raises(RunFolderError, match="3 folders of runs or more, and 2"):
        across_sets(three[:2])
    with pytest.raises(RunFolderError, match="hold the same data"):
        across_sets([*three[:2], three[0]])
