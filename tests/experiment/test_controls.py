"""What is held equal between depths is equal, and the plan keeps pairs of runs that are the same run together."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.errors import RecipeError
from textlstm.experiment.controls import (
    CONTROL_WORDS,
    control_names,
    control_settings,
    mismatch,
    setting_label,
    tuning_draws,
    width_words,
)
from textlstm.experiment.grid import TUNING_SEED, DataFacts, plan_cells, plan_notes, plan_tuned
from textlstm.experiment.tuned import chosen_trials
from textlstm.recipe import validate
from textlstm.recipe_arithmetic import stack_size
from textlstm.results import Estimate

FACTS = DataFacts(num_labels=3, train_rows=5000, mean_tokens=20)


def recipe_of(**parts):
    return validate({"name": "x", "data": {"source": "nowhere"}, **parts}, origin="the tests")


def grid_of(**grid):
    return recipe_of(model={"hidden_size": 24}, grid={"layers": [1, 2, 3], "sizes": [100, 1000], **grid})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 8), min_size=2, max_size=4, unique=True),
    st.integers(24, 200),
    st.integers(16, 128),
    st.sampled_from(["plain", "residual", "dense"]),
    st.booleans(),
    st.sampled_from(["shallowest", "deepest"]),
)
def test_matched_depths_have_about_the_parameters_of_the_reference(layers, hidden, embedding, join, both, end):
    base = recipe_of(model={"hidden_size": hidden, "embedding_size": embedding, "join": join, "bidirectional": both})
    changes = control_settings(base, f"matched_parameters_{end}", layers=layers, num_labels=3)
    reference = min(layers) if end == "shallowest" else max(layers)
    recipes = {depth: base.override({"model.num_layers": depth, **changes[depth]}) for depth in layers}
    assert recipes[reference].model.hidden_size == hidden
    sizes = {depth: stack_size(recipe, num_labels=3).stack for depth, recipe in recipes.items()}
    plain = {depth: stack_size(base.override({"model.num_layers": depth}), num_labels=3).stack for depth in layers}
    # One unit more in the layer that reads the most, on a stack of the smallest width that comes out, is the coarsest
    # step; a residual stack gets a matrix more where widths differ.
    narrowest = min(
        min(r.model.hidden_size) if isinstance(r.model.hidden_size, list) else hidden for r in recipes.values()
    )
    assert mismatch(sizes, reference) <= min(mismatch(plain, reference), 2.5 / narrowest)


def test_the_mismatch_at_usual_widths_is_under_one_percent():
    base = recipe_of(model={"hidden_size": 64})
    for end in ("shallowest", "deepest"):
        changes = control_settings(base, f"matched_parameters_{end}", layers=[1, 2, 3, 4], num_labels=2)
        sizes = {
            depth: stack_size(base.override({"model.num_layers": depth, **changes[depth]}), num_labels=2).stack
            for depth in changes
        }
        assert mismatch(sizes, 1 if end == "shallowest" else 4) < 0.01


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=4, unique=True), st.integers(4, 64), st.booleans())
def test_matched_compute_gives_every_depth_the_operations_of_the_deepest(layers, hidden, dense):
    base = recipe_of(model={"hidden_size": hidden, "join": "dense" if dense else "plain"})
    changes = control_settings(base, "matched_compute", layers=layers, num_labels=3)
    spent = {}
    for depth in layers:
        recipe = base.override({"model.num_layers": depth, **changes[depth]})
        assert recipe.training.patience is None
        spent[depth] = recipe.training.update_share * stack_size(recipe, num_labels=3).flops_per_token
    deepest = stack_size(base.override({"model.num_layers": max(layers)}), num_labels=3).flops_per_token
    assert all(value == pytest.approx(deepest) for value in spent.values())


def test_every_control_has_words_and_both_ends_are_the_default():
    names = control_names(grid_of(controls=["matched_parameters", "fixed_width", "matched_compute", "tuned"]).grid)
    assert names[:3] == ["matched_parameters_shallowest", "matched_parameters_deepest", "fixed_width"]
    assert set(names) == set(CONTROL_WORDS)
    one_end = grid_of(controls=["matched_parameters", "fixed_width"], match="deepest").grid
    assert control_names(one_end) == ["matched_parameters_deepest", "fixed_width"]


def test_draws_lie_in_their_ranges_and_are_the_same_each_time():
    grid = grid_of(tuning={"trials": 200, "learning_rate": [1e-4, 1e-2], "dropout": [0.2, 0.4]}).grid
    draws = tuning_draws(grid, seed=3)
    assert draws == tuning_draws(grid, seed=3) != tuning_draws(grid, seed=4)
    rates = [draw["training.learning_rate"] for draw in draws]
    assert all(1e-4 <= rate <= 1e-2 for rate in rates)
    assert 70 < sum(rate < 1e-3 for rate in rates) < 130  # even on a log scale
    for draw in draws:
        dropouts = {value for key, value in draw.items() if key.endswith("dropout")}
        assert len(dropouts) == 1 and 0.2 <= dropouts.pop() <= 0.4


def trial_cells(cells):
    return [cell for cell in cells if "trial" in cell.others]


def test_trials_are_the_same_draws_at_every_depth_and_never_open_the_test_split():
    cells = plan_cells(grid_of(seeds=2, controls=["fixed_width", "tuned"]), FACTS)
    trials = trial_cells(cells)
    # 8 draws x 3 depths at 1,000 labels; 100 labels have no validation rows to choose by.
    assert len(trials) == 24
    assert {cell.size for cell in trials} == {1000}
    by_depth = defaultdict(list)
    for cell in trials:
        assert not cell.recipe.data.score_test
        assert cell.seed == TUNING_SEED
        by_depth[cell.layers].append((cell.recipe.training.learning_rate, cell.recipe.model.layer_dropout))
    assert by_depth[1] == by_depth[2] == by_depth[3]
    assert len(set(by_depth[1])) == 8
    assert all(cell.recipe.data.score_test for cell in cells if cell not in trials)
    kinds = ["trial" in cell.others for cell in cells]
    first_seed = sum(cell.seed == 0 for cell in cells)
    assert not any(kinds[:first_seed]) and all(kinds[first_seed : first_seed + 24])


def test_the_best_trial_on_validation_is_run_on_fresh_seeds(make_run, tmp_path):
    recipe = grid_of(seeds=2, controls=["tuned"])
    trials = trial_cells(plan_cells(recipe, FACTS))
    best = {1: 5, 2: 0, 3: 7}
    runs = []
    for cell in trials:
        run = make_run(cell.recipe)
        loss = 0.1 if cell.others["trial"] == best[cell.layers] else 0.5
        metrics = run.metrics["train"].model_copy(update={"log_loss": Estimate(value=loss)})
        runs.append(run.model_copy(update={"cell": cell.coordinates, "metrics": {"validation": metrics}}))
    tuned = plan_tuned(recipe, FACTS, chosen_trials(tmp_path, runs))
    assert [(cell.seed, cell.layers) for cell in tuned] == [(seed, layers) for seed in (0, 1) for layers in (1, 2, 3)]
    draws = tuning_draws(recipe.grid, seed=TUNING_SEED)
    for cell in tuned:
        assert cell.recipe.data.score_test
        assert cell.recipe.training.learning_rate == draws[best[cell.layers]]["training.learning_rate"]
        assert cell.others == {"control": "tuned"}
    # A depth whose trials all failed has nothing to run; the others go on.
    assert {cell.layers for cell in plan_tuned(recipe, FACTS, chosen_trials(tmp_path, runs[::3]))} == {1}
    assert plan_tuned(recipe, FACTS, {}) == []
    # While a search may go on, a place is settled by all of its trials only.
    assert len(chosen_trials(tmp_path, runs[:-1], needed=8)) == 2


@pytest.mark.parametrize(
    "grid",
    [
        {"widths": [10, 20, 30], "axes": {"model.hidden_size": [16, 24]}},
        {"controls": ["tuned"], "axes": {"training.learning_rate": [0.001, 0.002]}},
        {"controls": ["matched_compute"], "axes": {"training.update_share": [0.5, 1.0]}},
        {"controls": ["matched_compute"], "axes": {"training.patience": [1, 2]}},
        {"axes": {"model.join": ["plain", "plain"]}},
        {"axes": {"training.checkpoint_seconds": [100, 200]}},
    ],
)
def test_an_axis_that_another_part_of_the_grid_sets_is_refused(grid):
    with pytest.raises(RecipeError, match=f"{next(iter(grid['axes']))}=.* are the same run"):
        plan_cells(grid_of(**grid), FACTS)


def test_a_search_needs_a_size_with_validation_rows():
    recipe = grid_of(sizes=[100], controls=["tuned"])
    with pytest.raises(RecipeError, match="none of the sizes 100 has any"):
        plan_cells(recipe, FACTS)
    few = DataFacts(train_rows=200)
    with pytest.raises(RecipeError, match="sizes full has any"):
        plan_cells(grid_of(sizes=["full"], controls=["tuned"]), few)
    given = DataFacts(train_rows=200, given_validation=True)
    assert len(plan_cells(grid_of(sizes=["full"], controls=["tuned"]), given)) == 3 * 8
    assert plan_notes(grid_of(sizes=["full"], controls=["tuned"]), given) == []
    mixed = plan_notes(grid_of(sizes=[100, 300, "full"], controls=["fixed_width", "tuned"]), given)
    assert ["100" in note or "300" in note for note in mixed] == [True, True]


def test_every_axis_is_in_the_label_of_its_setting():
    cells = plan_cells(grid_of(seeds=2, axes={"threads": [1, 2], "model.join": ["plain", "dense"]}), FACTS)
    assert {setting_label(cell.coordinates) for cell in cells} == {
        f"fixed_width, threads={threads}, model.join={join}" for threads in (1, 2) for join in ("plain", "dense")
    }


def test_cells_of_two_controls_that_are_the_same_run_share_a_folder_and_no_others_do():
    controls = ["fixed_width", "matched_parameters", "matched_compute"]
    cells = plan_cells(grid_of(seeds=2, controls=controls, baselines=["bag", "one_directional"]), FACTS)
    by_path = defaultdict(list)
    for cell in cells:
        by_path[cell.path].append(cell)
    for twins in by_path.values():
        assert len({cell.recipe.fingerprint() for cell in twins}) == 1
    assert len({cell.recipe.fingerprint() for cell in cells}) == len(by_path)
    shared = {
        tuple(cell.others["control"] for cell in twins): twins[0].layers for twins in by_path.values() if len(twins) > 1
    }
    assert shared == {
        ("fixed_width", "matched_parameters_shallowest"): 1,
        ("fixed_width", "matched_parameters_deepest"): 3,
    }


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.sampled_from(["fixed_width", "matched_parameters", "matched_compute", "tuned"]), min_size=1, unique=True
    ),
    st.integers(1, 3),
    st.none() | st.integers(2, 3),
    st.booleans(),
)
def test_all_depths_sizes_controls_and_folds_of_a_seed_come_before_the_next_seed(controls, seeds, folds, axis):
    axes = {"model.join": ["plain", "residual"]} if axis else {}
    recipe = grid_of(seeds=seeds, folds=folds, controls=controls, baselines=["bag"], **axes)
    cells = [cell for cell in plan_cells(recipe, FACTS) if "trial" not in cell.others]
    order = [cell.seed for cell in cells]
    assert order == sorted(order)
    names = [name for name in control_names(recipe.grid) if name != "tuned"]
    each = 2 * (folds or 1) * (len(names) * 3 * (2 if axis else 1) + 1)
    assert [order.count(seed) for seed in range(seeds)] == [each] * seeds
    places = [repr(sorted(cell.coordinates.items())) for cell in cells]
    assert len(set(places)) == len(places)
    for cell in cells:
        assert (cell.recipe.data.fold, cell.recipe.data.folds) == (cell.others.get("fold"), folds)


def test_other_axes_are_set_in_the_recipe_and_named_in_path_and_label():
    cells = plan_cells(grid_of(axes={"model.join": ["plain", "residual"], "training.batch_size": [8, 16]}), FACTS)
    assert len(cells) == 2 * 3 * 4
    for cell in cells:
        assert cell.recipe.model.join == cell.others["model.join"]
        assert cell.recipe.training.batch_size == cell.others["training.batch_size"]
        assert f"model.join={cell.others['model.join']}" in cell.path.parts
    labels = {setting_label(cell.others) for cell in cells}
    assert "fixed_width, model.join=residual, training.batch_size=16" in labels
    assert len(labels) == 4


def test_matching_is_worked_out_for_each_point_of_the_other_axes():
    recipe = grid_of(controls=["matched_parameters"], match="shallowest", axes={"model.join": ["plain", "dense"]})
    widths = {(cell.others["model.join"], cell.layers): width_words(cell.recipe) for cell in plan_cells(recipe, FACTS)}
    assert widths["plain", 1] == widths["dense", 1] == "24"
    assert int(widths["dense", 3].split("-")[0]) < int(widths["plain", 3].split("-")[0])


def test_widths_given_by_depth_are_used():
    recipe = recipe_of(grid={"layers": [1, 2], "widths": [168, 120]})
    assert {cell.layers: width_words(cell.recipe) for cell in plan_cells(recipe, FACTS)} == {1: "168", 2: "120"}


def test_baselines_of_the_stack_are_cells_with_their_own_settings():
    cells = plan_cells(grid_of(baselines=["bag", "one_directional", "tfidf", "majority"]), FACTS)
    found = {cell.others["baseline"]: cell.recipe.model for cell in cells if "baseline" in cell.others}
    assert set(found) == {"bag", "one_directional"}
    assert (found["bag"].num_layers, found["bag"].pooling) == (0, "mean")
    assert (found["one_directional"].num_layers, found["one_directional"].bidirectional) == (1, False)


def test_a_depth_that_cannot_be_so_small_is_refused():
    recipe = recipe_of(
        model={"hidden_size": 1}, grid={"layers": [1, 40], "controls": ["matched_parameters"], "match": "shallowest"}
    )
    with pytest.raises(RecipeError, match="40 layers of one unit"):
        plan_cells(recipe, FACTS)
