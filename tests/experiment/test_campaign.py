"""A recipe from its data to a full folder: what is refused before training, and what must not cost the report."""

import threading
import time
from dataclasses import fields, replace

import numpy as np
import pytest

from textlstm.errors import DataError, ModelError, RecipeError, RunFolderError
from textlstm.experiment import campaign as campaigns
from textlstm.experiment.baselines import BASELINES_FOLDER, read_baselines
from textlstm.experiment.campaign import Campaign, Listener, conduct, prepare_campaign, refuse_other_runs, run_recipe
from textlstm.experiment.dry_run import describe_plan, explain_plan
from textlstm.experiment.executors import serial
from textlstm.experiment.grid import plan_cells
from textlstm.experiment.kept_texts import TEXTS_FILE, read_test_texts
from textlstm.experiment.locks import CellLocks
from textlstm.experiment.openings import count_openings
from textlstm.experiment.plan import data_facts, read_plan
from textlstm.experiment.tuned import TUNED_FILE
from textlstm.results import Estimate, write_run
from textlstm.text.datasets import load_data

TUNED = {
    "grid.layers": [1, 2],
    "grid.sizes": ["full"],
    "grid.controls": ["fixed_width", "tuned"],
    "grid.tuning.trials": 3,
}


def campaign_of(recipe, data):
    facts = data_facts(data, recipe)
    return Campaign(recipe, data, facts, plan_cells(recipe, facts), [])


@pytest.fixture
def told():
    return []


@pytest.fixture
def go(monkeypatch, told, make_run, make_predictions, tiny_data):
    """Conducts a campaign with cells that take no training; `losses` has the figures of trials, None for a failure."""

    class Quick:
        def __init__(self, data, root):
            self.data = data

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def __call__(self, cell, folder):
            loss = self.losses.get(cell.others.get("trial"), 0.5)
            if loss is None:
                raise RecipeError("this trial fails")
            run = make_run(cell.recipe, fingerprint=self.data.fingerprint)
            figures = run.metrics["train"].model_copy(update={"log_loss": Estimate(value=loss)})
            metrics = {**run.metrics, "validation": figures}
            run = run.model_copy(update={"cell": cell.coordinates, "metrics": metrics})
            write_run(folder, run, make_predictions(), cell.recipe.to_yaml())
            return run

    monkeypatch.setattr(campaigns, "TrainCell", Quick)
    monkeypatch.setattr(campaigns, "measure_costs", lambda folder: None)
    words = {field.name: lambda *_: None for field in fields(Listener)}

    def conduct_it(recipe, folder, losses=None, data=tiny_data):
        Quick.losses = losses or {}
        listener = Listener(**{**words, "say": told.append})
        return conduct(campaign_of(recipe, data), folder, executor=serial, command="x", listener=listener)

    return conduct_it


def tuned_rates(sweep):
    return {
        run.settings["training"]["learning_rate"]
        for run in sweep.runs
        if run.cell.get("control") == "tuned" and "trial" not in run.cell
    }


def test_a_choice_stays_when_a_trial_that_failed_is_finished_later_and_would_be_better(tmp_path, go, tiny_recipe):
    recipe = tiny_recipe(TUNED)
    first = go(recipe, tmp_path, {0: 0.4, 1: 0.3, 2: None})
    assert len(tuned_rates(first)) == 1
    assert len(first.failures) == 2
    cells = [cell.path for cell in read_plan(tmp_path).cells]
    again = go(recipe, tmp_path, {2: 0.1})
    assert not again.failures
    assert tuned_rates(again) == tuned_rates(first)
    assert [cell.path for cell in read_plan(tmp_path).cells] == cells
    (tmp_path / TUNED_FILE).write_text("[]")
    with pytest.raises(RunFolderError, match=r"tuned\.json should hold the choice"):
        go(recipe, tmp_path)


def test_the_plan_does_not_shrink_while_a_finished_search_is_gone_through_again(tmp_path, go, tiny_recipe, monkeypatch):
    recipe = tiny_recipe(TUNED)
    go(recipe, tmp_path)
    seen = []
    write = campaigns.write_plan
    monkeypatch.setattr(
        campaigns, "write_plan", lambda folder, plan: (seen.append(len(plan.cells)), write(folder, plan))
    )
    go(recipe, tmp_path)
    assert seen == [2 + 6 + 2] * 2  # fixed width, trials, tuned


def test_a_dry_run_on_a_finished_search_says_that_nothing_follows(tmp_path, go, tiny_recipe, tiny_data):
    recipe = tiny_recipe(TUNED)
    one = campaign_of(recipe, tiny_data)
    assert describe_plan(recipe, one.cells, one.facts, folder=tmp_path).after_search == 2
    go(recipe, tmp_path)
    report = describe_plan(recipe, one.cells, one.facts, folder=tmp_path, data_fingerprint=tiny_data.fingerprint)
    assert (report.after_search, report.runs, report.finished, report.minutes) == (0, 10, 10, 0)
    assert "more follow" not in explain_plan(report)


@pytest.mark.parametrize("error", [MemoryError(), OSError("no room"), DataError("no rows")])
def test_baselines_and_costs_that_fail_cost_their_own_figures_only(tmp_path, go, told, tiny_recipe, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(campaigns, "run_baselines", fail)
    monkeypatch.setattr(campaigns, "measure_costs", fail)
    assert len(go(tiny_recipe({"grid.seeds": 2}), tmp_path).runs) == 2
    assert [words.partition(":")[0] for words in told] == [
        "The baselines are not complete",
        "Latency and disk use were not measured",
    ]


def test_two_drivers_fit_each_baseline_once(tmp_path, go, tiny_recipe, told, monkeypatch):
    monkeypatch.setattr(campaigns, "_POLL_SECONDS", 0.01)
    recipe = tiny_recipe({"grid.seeds": 3, "grid.baselines": ["majority", "tfidf"]})
    barrier, fit = threading.Barrier(2), campaigns.run_baselines
    monkeypatch.setattr(campaigns, "refuse_other_baselines", lambda *_: None)
    monkeypatch.setattr(campaigns, "keep_test_texts", lambda *_: barrier.wait())
    monkeypatch.setattr(campaigns, "run_baselines", fit)
    drivers = [threading.Thread(target=go, args=(recipe, tmp_path)) for _ in range(2)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    assert len(read_baselines(tmp_path)) == 6
    # The rows of `full` are one set for majority and one for tfidf where validation is given.
    assert count_openings(tmp_path) == 2
    assert not any("not complete" in words for words in told)


def test_an_encoder_that_is_not_there_and_other_baselines_are_told_before_training(
    tmp_path, go, tiny_recipe, tiny_data
):
    absent = tiny_recipe({"grid.encoder": str(tmp_path)})
    with pytest.raises(ModelError, match="safetensors weights"):
        refuse_other_runs(campaign_of(absent, tiny_data), tmp_path)
    go(tiny_recipe({"grid.baselines": ["tfidf"]}), tmp_path)
    other = tiny_recipe({"grid.baselines": ["tfidf"], "training.class_weights": "balanced", "seed": 1})
    again = tiny_recipe({"grid.baselines": ["tfidf"], "training.class_weights": "balanced"})
    refuse_other_runs(campaign_of(other, tiny_data), tmp_path)  # other places
    with pytest.raises(RunFolderError, match="class_weights"):
        refuse_other_runs(campaign_of(again, tiny_data), tmp_path)


def test_texts_are_there_from_the_start_and_follow_the_data(tmp_path, go, tiny_recipe, tiny_data, planted):
    recipe = tiny_recipe({"grid.layers": [1]})
    failing = {None: None}
    go(recipe, tmp_path, failing)
    texts = tiny_data.splits["test"].text_list()
    assert read_test_texts(tmp_path, {0, 7}) == {0: texts[0], 7: texts[7]}
    before = (tmp_path / TEXTS_FILE).stat().st_mtime_ns
    go(recipe, tmp_path, failing)
    assert (tmp_path / TEXTS_FILE).stat().st_mtime_ns == before
    other = load_data(planted(60, 0), test=planted(30, 9))
    go(recipe, tmp_path, failing, data=other)
    assert read_test_texts(tmp_path, {7}) == {7: other.splits["test"].text_list()[7]}


def write_rows(path, rows):
    lines = [f"a text of number {row},{'yes' if row % 2 else 'no'}" for row in range(rows)]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return str(path)


def test_what_a_grid_cannot_score_is_refused_in_one_sentence(tmp_path, tiny_recipe, monkeypatch):
    source = {"data.source": write_rows(tmp_path / "train.csv", 40)}
    with pytest.raises(RecipeError, match=r"data\.score_test is false"):
        prepare_campaign(tiny_recipe({**source, "data.score_test": False}))
    with pytest.raises(DataError, match="2 or more labeled test rows"):
        prepare_campaign(tiny_recipe({**source, "data.test": write_rows(tmp_path / "test.csv", 1)}))
    tested = {**source, "data.test": write_rows(tmp_path / "test.csv", 9)}
    with pytest.raises(DataError, match=r"has one of its own with labels; leave grid\.folds out"):
        prepare_campaign(tiny_recipe({**tested, "grid.folds": 2}))
    with pytest.raises(DataError, match="30 rows was asked for, and 20 are left for training in each of the 2 folds"):
        prepare_campaign(tiny_recipe({**source, "grid.folds": 2, "grid.sizes": [30]}))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="torchrun has started 2"):
        prepare_campaign(tiny_recipe(source))
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert len(prepare_campaign(tiny_recipe(source)).data.splits["test"]) == 8


def test_sizes_that_a_search_cannot_have_are_named(tmp_path, tiny_recipe, go, told):
    source = write_rows(tmp_path / "train.csv", 800)
    made = prepare_campaign(
        tiny_recipe({"data.source": source, "grid.sizes": [100, 500], "grid.controls": ["tuned", "fixed_width"]})
    )
    assert {cell.size for cell in made.cells if "trial" in cell.others} == {500}
    (note,) = made.notes
    assert "100 labels" in note
    report = describe_plan(made.recipe, made.cells, made.facts)
    assert note in explain_plan(report)
    assert np.isfinite(report.minutes)


def test_a_recipe_is_run_from_python_and_goes_on_with_what_is_finished(tmp_path, tiny_recipe, monkeypatch):
    monkeypatch.setattr("textlstm.experiment.costs._REPEATS", 2)
    grid = {"grid.layers": [1, 2], "grid.sizes": [20], "grid.baselines": ["majority"], "training.epochs": 1}
    recipe = tiny_recipe({"data.source": write_rows(tmp_path / "train.csv", 40), **grid})
    (tmp_path / "mine.yaml").write_text(recipe.to_yaml())
    runs = tmp_path / "runs"
    swept = run_recipe(tmp_path / "mine.yaml", runs, workers=0)
    assert [run.cell["layers"] for run in swept.runs] == [1, 2] and swept.failures == []
    assert read_plan(runs).command == f"textlstm run {tmp_path / 'mine.yaml'} --out {runs}"
    assert read_plan(runs).as_recipe() == recipe
    assert (runs / "cost.json").exists()
    written = {path: path.stat().st_mtime_ns for path in runs.rglob("result.json")}
    again = run_recipe(recipe, str(runs))  # as many workers as fit; none has anything to do
    assert again.runs == swept.runs
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("result.json")} == written


def test_baselines_that_another_driver_is_at_are_waited_for(tmp_path, go, told, tiny_recipe, monkeypatch):
    monkeypatch.setattr(campaigns, "_POLL_SECONDS", 0.02)
    recipe = tiny_recipe({"grid.baselines": ["majority"]})
    with CellLocks() as other:
        other.take(tmp_path / BASELINES_FOLDER)
        thread = threading.Thread(target=go, args=(recipe, tmp_path))
        thread.start()
        while not told and thread.is_alive():
            time.sleep(0.01)
        time.sleep(0.1)  # some more looks
        assert not read_baselines(tmp_path)
    thread.join(60)
    assert told == ["Waiting for the baselines and costs, which another process is at."]
    assert len(read_baselines(tmp_path)) == 1


def test_what_a_plan_leaves_out_is_said_before_anything_is_run(tmp_path, tiny_recipe, tiny_data, told):
    made = replace(campaign_of(tiny_recipe(), tiny_data), notes=["Something is left out."], cells=[])
    words = {field.name: lambda *_: None for field in fields(Listener)}
    listener = Listener(**{**words, "say": told.append})
    assert conduct(made, tmp_path, executor=serial, command="x", listener=listener).runs == []
    assert told == ["Something is left out."]


def test_of_texts_that_were_not_kept_there_are_none(tmp_path):
    assert read_test_texts(tmp_path, {0}) == {}
