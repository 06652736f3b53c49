"""From a folder of runs to the whole outcome: what is planted is found, and what is absent is not invented."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textlstm.analysis.comparison import compare_runs, write_comparison
from textlstm.analysis.summary import Comparison, read_summary
from textlstm.errors import RunFolderError
from textlstm.experiment.failures import Failure, write_failure
from textlstm.experiment.kept_texts import keep_test_texts
from textlstm.text.datasets import TextData
from textlstm.text.splits import Split

AXES = {"grid.layers": [1, 2, 3], "grid.sizes": [50, 100, 200], "grid.seeds": 6}


def by_depth(**skills):
    return lambda cell: skills[f"layers_{cell.layers}"]


def test_a_planted_gain_is_found_and_its_size_is_inside_the_interval(fake_grid):
    folder = fake_grid(AXES, skill=by_depth(layers_1=0.6, layers_2=0.75, layers_3=0.75), rows=600)
    found = compare_runs(folder)
    assert found.decision.kind in ("enough", "better")
    assert found.decision.layers == 2
    gain = next(d for d in found.differences if (d.size, d.shallow, d.deep) == (200, 1, 2))
    assert gain.family == "confirmatory"
    assert 0 < gain.accuracy.low < 0.145 < gain.accuracy.high < 0.3
    assert gain.log_loss.high < 0
    assert found.answer[-2].startswith(found.decision.words)
    assert "about fixed width and 200 labels" in found.answer[-2]
    assert "not corrected for that choice" in found.answer[-1]
    assert {(shallow, deep) for shallow, deep, *_ in found.decision.bounds} == {(1, 2), (1, 3), (2, 3)}


def test_equal_depths_are_not_told_apart(fake_grid):
    found = compare_runs(fake_grid(AXES, skill=lambda cell: 0.7, rows=600))
    assert not (found.decision.kind == "better")
    assert all(d.accuracy.value == 0 for d in found.differences)  # the same luck at every depth
    assert {d.holm for d in found.differences} == {None}  # without any spread there is nothing to test


def test_families_are_apart(fake_grid):
    found = compare_runs(
        fake_grid({**AXES, "grid.controls": ["fixed_width", "matched_parameters"]}, skill=lambda c: 0.7)
    )
    by_family = {name: [d for d in found.differences if d.family == name] for name in ("confirmatory", "holm")}
    assert {(d.setting, d.size) for d in by_family["confirmatory"]} == {("fixed_width", 200)}
    assert len(by_family["confirmatory"]) == 3
    assert all(d.shallow == 1 for d in by_family["holm"])
    assert all(d.holm is None for d in found.differences if d.family != "holm")
    assert list(found.settings) == ["fixed_width", "matched_parameters_shallowest", "matched_parameters_deepest"]


def test_means_and_their_intervals_are_over_seeds_and_texts(fake_grid):
    found = compare_runs(fake_grid(AXES, skill=by_depth(layers_1=0.6, layers_2=0.7, layers_3=0.8)))
    for cell in found.cells:
        assert cell.accuracy.value == pytest.approx(np.mean(cell.by_seed))
        assert 0 <= cell.accuracy.low < cell.accuracy.value < cell.accuracy.high <= 1
        assert cell.seeds == len(cell.by_seed) == 6
    assert [cell.layers for cell in found.cells[:3]] == [1, 2, 3]


def test_two_seeds_have_no_interval_and_three_no_verdict(fake_grid):
    found = compare_runs(fake_grid({**AXES, "grid.seeds": 2}, skill=lambda cell: 0.7))
    assert all(cell.accuracy.low is None for cell in found.cells)
    assert found.decision.kind == "preview"
    assert found.decision.layers is None


def test_depths_that_answered_all_texts_alike_are_not_said_to_be_equal(fake_grid):
    """300 texts without a difference leave room for one in 82: 1 - 0.025 ** (1 / 300) (the rule of three)."""
    found = compare_runs(fake_grid(AXES, skill=lambda cell: 1 - 1e-9, rows=300))
    for gain in found.differences:
        assert gain.accuracy.value == 0
        assert (gain.accuracy.low, gain.accuracy.high) == pytest.approx((-0.0122, 0.0122), abs=1e-4)


def test_a_depth_that_did_not_learn_stops_the_verdict(fake_grid):
    def loss(cell):
        return 0.69 if cell.layers == 3 and cell.seed > 1 else 0.1  # naming frequencies is 0.693

    found = compare_runs(fake_grid(AXES, skill=by_depth(layers_1=0.6, layers_2=0.75, layers_3=0.55), loss=loss))
    assert found.decision.kind == "not_trained"
    assert {cell.layers: cell.converged for cell in found.cells} == {1: 1.0, 2: 1.0, 3: pytest.approx(1 / 3)}


def test_the_declared_control_has_the_verdict_whatever_is_finished(fake_grid):
    axes = {**AXES, "grid.controls": ["matched_parameters", "fixed_width"], "grid.match": "shallowest"}
    missing = {Path(f"control=matched_parameters_shallowest/layers=3/size=200/seed={seed}") for seed in range(6)}
    found = compare_runs(fake_grid(axes, skill=lambda cell: 0.7, leave_out=missing))
    assert (found.decision.setting, found.decision.size) == ("matched_parameters_shallowest", 200)
    assert found.decision.kind == "preview"
    assert "no run is finished at 3 layers with 200 labels" in found.decision.words
    assert any("interim: " in label for label in found.decision.labels)
    assert next(iter(found.settings)) == "matched_parameters_shallowest"


def test_runs_that_diverged_did_not_converge(fake_grid):
    missing = {Path(f"layers=3/size=200/seed={seed}") for seed in range(3)}
    folder = fake_grid({**AXES, "grid.seeds": 8}, skill=lambda cell: 0.7, leave_out=missing)
    for path in missing:
        write_failure(folder / path, Failure(kind="non_finite_loss", reason="loss became nan.", attempts=2))
    found = compare_runs(folder)
    assert found.decision.kind == "not_trained"
    assert "seeds 0, 1, 2 left out: not finished at every depth" in found.decision.labels


def test_a_folder_with_holes_is_compared_on_what_all_depths_have(fake_grid):
    missing = {Path("layers=2/size=100/seed=3"), Path("layers=1/size=200/seed=0")}
    folder = fake_grid(AXES, skill=lambda cell: 0.7, leave_out=missing)
    write_failure(folder / "layers=2/size=100/seed=3", Failure(kind="error", reason="the disk was full.", attempts=2))
    found = compare_runs(folder)
    assert found.planned - found.finished == 2
    assert [(failure.cell["seed"], failure.reason) for failure in found.failures] == [(3, "the disk was full.")]
    seeds = {(d.size, d.shallow, d.deep): d.seeds for d in found.differences}
    assert seeds[100, 1, 2] == seeds[200, 1, 2] == 5
    assert seeds[200, 2, 3] == 6


def test_one_depth_and_one_size_have_neither_verdict_nor_curves(fake_grid):
    found = compare_runs(fake_grid({"grid.seeds": 3}, skill=lambda cell: 0.7))
    assert (found.decision, found.curves, found.crossings, found.differences) == (None, [], [], [])
    assert "1 layer:" in found.answer[0]


def test_folds_are_put_together(fake_grid):
    axes = {"grid.layers": [1, 2], "grid.seeds": 4, "grid.folds": 3}
    found = compare_runs(fake_grid(axes, skill=by_depth(layers_1=0.6, layers_2=0.85), rows=300))
    assert found.test_rows == 900
    assert found.cells[0].seeds == 4
    gain = found.differences[0]
    assert gain.accuracy.low > 0
    assert found.decision.layers == 2
    assert "Nadeau" in found.method["Cross-validation"]


def test_a_baseline_cell_that_beats_the_stack_comes_first(fake_grid):
    def skill(cell):
        return 0.9 if "baseline" in cell.others else 0.6

    found = compare_runs(fake_grid({**AXES, "grid.baselines": ["bag"]}, skill=skill))
    assert found.answer[0].startswith("A plain method beats every stack here: mean of word embeddings")
    assert len(found.answer) == 3
    bag = next(b for b in found.baselines if b.size == 200)
    assert bag.gain_of_stack.high < 0
    assert not any(cell.layers == 0 for cell in found.cells)


def test_a_baseline_beats_no_stack_that_scores_higher_than_it_in_another_setting(fake_grid):
    def skill(cell):
        if "baseline" in cell.others:
            return 0.75
        return 0.9 if cell.others["model.join"] == "dense" else 0.6

    axes = {**AXES, "grid.baselines": ["bag"], "grid.model.join": ["plain", "dense"]}
    found = compare_runs(fake_grid(axes, skill=skill))
    assert found.answer[0].startswith("A plain method beats every stack of fixed width, model.join=plain: mean of word")


def test_hard_texts_are_those_that_most_runs_get_wrong(fake_grid):
    folder = fake_grid(AXES, skill=lambda cell: 0.8)
    assert all(text.text == "" for text in compare_runs(folder).hard_texts)  # none were kept
    texts = pa.array([f"text {row}" for row in range(200)], pa.large_string())
    keep_test_texts(folder, TextData({"test": Split(texts, None, np.arange(200))}, [], False, "", "", []))
    found = compare_runs(folder)
    means = [np.mean(list(text.wrong.values())) for text in found.hard_texts]
    assert means == sorted(means, reverse=True)
    assert means[0] > 0.3
    assert all(text.label != text.predicted for text in found.hard_texts)
    assert all(text.text == f"text {text.row}" for text in found.hard_texts)


def test_runs_on_other_rows_are_refused(fake_grid, make_run, tiny_recipe):
    from textlstm.results import predictions_table, write_run

    folder = fake_grid(AXES, skill=lambda cell: 0.8)
    recipe = tiny_recipe({"data.size": 50, "seed": 0})
    table = predictions_table(np.arange(7), np.ones(7, dtype=int), np.full((7, 2), 0.5))
    write_run(folder / "layers=1/size=50/seed=0", make_run(recipe), {"test": table}, recipe.to_yaml())
    with pytest.raises(RunFolderError, match="scored on the same test rows"):
        compare_runs(folder)


def test_the_files_hold_what_was_found(fake_grid):
    folder = fake_grid(AXES, skill=lambda cell: 0.7)
    comparison = write_comparison(folder)
    assert read_summary(folder) == comparison
    assert Comparison.model_validate(json.loads((folder / "summary.json").read_text())) == comparison
    table = pq.read_table(folder / "results.parquet")
    assert len(table) == 54
    assert {"layers", "seed", "control", "train_log_loss", "test_ece", "parameters"} <= set(table.column_names)
    assert len((folder / "results.csv").read_text().splitlines()) == 55


def test_a_folder_without_a_plan_or_without_runs_is_refused(tmp_path, fake_grid, tiny_recipe):
    with pytest.raises(RunFolderError, match=r"has plan\.json, and .* has none"):
        compare_runs(tmp_path)
    folder = fake_grid({}, skill=lambda cell: 0.7, leave_out={Path("layers=1/size=full/seed=0")})
    with pytest.raises(RunFolderError, match="none that is finished"):
        compare_runs(folder)
