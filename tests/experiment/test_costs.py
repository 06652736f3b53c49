"""Costs in use: the right models, measured once for a grid and again when the grid has grown."""

import pytest

import textlstm.inference.latency as latency_module
from textlstm.errors import RunFolderError
from textlstm.experiment.costs import COST_FILE, measure_costs, read_costs
from textlstm.experiment.grid import DataFacts, plan_cells
from textlstm.experiment.plan import make_plan, write_plan
from textlstm.inference.latency import Latency
from textlstm.results import write_run

GRID = {"grid.layers": [1, 2], "grid.sizes": [20, "full"], "grid.controls": ["fixed_width", "matched_parameters"]}


@pytest.fixture
def fill(make_run, make_predictions, tiny_data):
    """Plans a grid and writes a run for the cells that a test wants."""

    def write(folder, recipe, wanted=lambda cell: True):
        facts = DataFacts(num_labels=2, train_rows=60, mean_tokens=7.4, given_validation=True)
        cells = plan_cells(recipe, facts)
        write_plan(folder, make_plan(recipe, tiny_data, facts, cells, command="textlstm run"))
        for cell in filter(wanted, cells):
            run = make_run(cell.recipe)
            size = cell.recipe.model.embedding_size
            vocabulary = {20: 30, "full": 50}[cell.size]
            cost = run.cost.model_copy(
                update={"parameters": 800 + size * vocabulary, "parameters_without_embeddings": 800}
            )
            run = run.model_copy(update={"cost": cost, "cell": cell.coordinates})
            write_run(folder / cell.path, run, make_predictions(), cell.recipe.to_yaml())
        return cells

    return write


@pytest.fixture
def asked(monkeypatch):
    """What was measured, without the time that it takes."""
    calls = []

    def measure(configs, *, tokens, batch_sizes, repeats, threads):
        calls.append((list(configs.values()), tokens))
        times = {size: (size * 1.0, size * 2.0) for size in batch_sizes}
        return {name: Latency(times, config.num_layers / 4) for name, config in configs.items()}

    monkeypatch.setattr(latency_module, "measure_latency", measure)
    return calls


def test_each_control_and_depth_is_measured_at_its_largest_size(tmp_path, tiny_recipe, fill, asked):
    fill(tmp_path, tiny_recipe({**GRID, "grid.baselines": ["bag", "one_directional"]}))
    costs = measure_costs(tmp_path)
    assert list(costs) == [
        (setting, layers)
        for setting in ("fixed_width", "matched_parameters_shallowest", "matched_parameters_deepest")
        for layers in (1, 2)
    ]
    ((configs, tokens),) = asked
    assert tokens == 7
    assert {config.vocab_size for config in configs} == {50}
    # Each end of the matching shares its reference with fixed width: four different models are timed, not six.
    assert len(configs) == 4
    cost = costs["matched_parameters_deepest", 2]
    assert cost.latency_ms == {"1": (1.0, 2.0), "32": (32.0, 64.0)}
    assert cost.disk_mb == 0.5
    assert read_costs(tmp_path) == costs


def test_nothing_is_measured_twice_until_the_models_are_others(tmp_path, tiny_recipe, fill, asked):
    assert read_costs(tmp_path) == {}
    fill(tmp_path, tiny_recipe(GRID), lambda cell: cell.size == 20)
    first = measure_costs(tmp_path)
    assert {config.vocab_size for config in asked[0][0]} == {30}
    assert measure_costs(tmp_path) == first
    assert len(asked) == 1
    fill(tmp_path, tiny_recipe(GRID))
    measure_costs(tmp_path)
    fill(tmp_path, tiny_recipe({**GRID, "grid.layers": [1, 2, 3]}))
    assert len(measure_costs(tmp_path)) == 9
    assert len(asked) == 3  # all depths in turns, so all of them again


def test_axes_are_apart_and_trials_are_left_out(tmp_path, tiny_recipe, fill, asked):
    grid = {**GRID, "grid.controls": ["fixed_width", "tuned"], "grid.axes": {"model.join": ["plain", "residual"]}}
    fill(tmp_path, tiny_recipe(grid))
    assert set(measure_costs(tmp_path)) == {
        (f"fixed_width, model.join={join}", layers) for join in ("plain", "residual") for layers in (1, 2)
    }


def test_real_models_are_measured_from_what_runs_say(tmp_path, tiny_recipe, fill):
    fill(tmp_path, tiny_recipe({"grid.layers": [1, 3]}), lambda cell: True)
    costs = measure_costs(tmp_path)
    assert costs["fixed_width", 3].disk_mb > costs["fixed_width", 1].disk_mb > 0
    assert all(0 < median <= late for cost in costs.values() for median, late in cost.latency_ms.values())


def test_a_damaged_file_says_so(tmp_path):
    (tmp_path / COST_FILE).write_text("{")
    with pytest.raises(RunFolderError, match="remove"):
        read_costs(tmp_path)
