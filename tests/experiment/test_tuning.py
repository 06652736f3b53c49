"""A search for settings: resumable to the letter, closed to the test split, within limits, and refused elsewhere."""

from types import SimpleNamespace

import pytest

from textlstm.errors import NonFiniteLossError, RecipeError, RunFolderError, TrainingError
from textlstm.experiment.tuning import tune
from textlstm.experiment.tuning_journal import Limits
from textlstm.experiment.tuning_record import TuneResult
from textlstm.recipe import validate
from textlstm.results import Epoch, Estimate
from textlstm.text.protocol import load_recipe_data
from textlstm.training import finetuning
from textlstm.training.progress import Report

SOURCE = "listops:max_depth=2,max_length=16,train=60,validation=30,test=20"
RECIPE = validate({"name": "tune", "data": {"source": SOURCE}, "training": {"epochs": 4}}, origin="test")
DATA = load_recipe_data(RECIPE)


def planted_loss(recipe):
    """Lowest at a learning rate of 0.004 and one layer."""
    return 0.2 + 40 * abs(recipe.training.learning_rate - 0.004) + 0.2 * (recipe.model.num_layers - 1)


@pytest.fixture
def fake(monkeypatch):
    """Trainings that cost nothing; what they were given is kept."""
    made = []

    def train(recipe, *, prepared, listener):
        made.append((recipe, prepared))
        loss = planted_loss(recipe)
        history = []
        for epoch in range(1, 5):
            record = dict.fromkeys(("train_loss", "learning_rate", "gradient_norm", "clipped"), 0.0)
            figures = {"validation_loss": loss, "validation_accuracy": 0.5, "validation_macro_f1": 0.5}
            history = [*history, Epoch(epoch=epoch, step=epoch, **record, **figures)]
            listener(Report(epoch, 4, epoch, history))
        values = {"log_loss": loss, "accuracy": max(0.0, 1 - loss), "macro_f1": 0.5}
        metrics = SimpleNamespace(**{name: Estimate(value=value) for name, value in values.items()})
        judged = "validation" if "validation" in prepared.encoded else "holdout"
        return SimpleNamespace(run=SimpleNamespace(metrics={judged: metrics}))

    monkeypatch.setattr(finetuning, "train", train)
    return made


def sequence(result):
    return [(trial.outcome, trial.settings, trial.loss) for trial in result.trials]


def test_an_interrupted_search_ends_as_an_undisturbed_one(fake, tmp_path, monkeypatch):
    whole = tune(RECIPE, DATA, tmp_path / "whole", limits=Limits(trials=14))
    tune(RECIPE, DATA, tmp_path / "cut", limits=Limits(trials=9))
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):

        def interrupted(*_, **__):
            raise KeyboardInterrupt

        patched.setattr(finetuning, "train", interrupted)
        tune(RECIPE, DATA, tmp_path / "cut", limits=Limits(trials=14))
    resumed = tune(RECIPE, DATA, tmp_path / "cut", limits=Limits(trials=14))
    assert sequence(resumed) == sequence(whole)
    assert resumed.settings == whole.settings
    assert TuneResult.model_validate_json((tmp_path / "cut" / "tune.json").read_text()) == resumed
    assert len(fake) == 2 * 14  # what is there is not trained again


def test_the_test_split_is_closed_and_the_best_is_the_best(fake, tmp_path):
    said = []
    result = tune(RECIPE, DATA, tmp_path, limits=Limits(trials=20), tell=said.append)
    for recipe, prepared in fake:
        assert not recipe.data.score_test
        assert "test" not in prepared.encoded and "test" not in prepared.data.splits
    finished = [trial for trial in result.trials if trial.outcome == "finished"]
    assert result.winner.loss == min(trial.loss for trial in finished)
    assert {trial.outcome for trial in result.trials} == {"finished", "pruned"}
    # Nothing that was pruned would have been the best.
    pruned = [RECIPE.override(trial.settings) for trial in result.trials if trial.outcome == "pruned"]
    assert all(planted_loss(recipe) > result.winner.loss for recipe in pruned)
    assert "log loss on 30 validation rows; the test split stays closed" in said[0]
    assert len(said) == 1 + 20


def test_what_is_given_stays_and_one_layer_has_nothing_between_layers(fake, tmp_path):
    fixed = {"model.hidden_size": 7, "model.pooling": "mean"}
    result = tune(RECIPE.override(fixed), DATA, tmp_path, fixed=fixed, limits=Limits(trials=10, max_layers=2))
    assert {recipe.model.hidden_size for recipe, _ in fake} == {7}
    assert {recipe.model.pooling for recipe, _ in fake} == {"mean"}
    depths = set()
    for trial in result.trials:
        assert not set(fixed) & set(trial.settings)
        depths.add(trial.settings["model.num_layers"])
        assert ("model.layer_dropout" in trial.settings) == (trial.settings["model.num_layers"] > 1)
    assert depths == {1, 2}


@pytest.mark.slow
def test_nothing_beyond_the_size_is_trained(fake, tmp_path):
    result = tune(RECIPE, DATA, tmp_path, limits=Limits(trials=6, max_mb=0.3))
    assert result.beyond_limits > 0 and len(result.trials) == 6
    assert all(trial.size_mb <= 0.3 for trial in result.trials)
    with pytest.raises(RecipeError, match=r"beyond the limits, the last with .* MiB \(--max-mb 0.0001\)"):
        tune(RECIPE, DATA, tmp_path / "none", limits=Limits(trials=6, max_mb=1e-4))


def test_nothing_beyond_the_latency_is_trained(fake, tmp_path, monkeypatch):
    from textlstm.inference import latency

    def fake_latency(configs, **_):
        return {"it": latency.Latency({1: (float(configs["it"].num_layers), 9.0)}, 1.0)}

    monkeypatch.setattr(latency, "measure_latency", fake_latency)
    result = tune(RECIPE, DATA, tmp_path, limits=Limits(trials=6, max_ms=1.5))
    assert {trial.settings["model.num_layers"] for trial in result.trials} == {1}
    assert {trial.latency_ms for trial in result.trials} == {1.0}


def test_time_ends_a_search_between_trials(fake, tmp_path):
    first = tune(RECIPE, DATA, tmp_path, limits=Limits(trials=3))
    ended = tune(RECIPE, DATA, tmp_path, limits=Limits(trials=9, seconds=0.0))
    assert sequence(ended) == sequence(first)


def test_a_search_with_other_settings_or_data_is_refused(fake, tmp_path):
    tune(RECIPE, DATA, tmp_path, limits=Limits(trials=2))
    with pytest.raises(RunFolderError, match=r"training\.epochs was 4, is 5"):
        tune(RECIPE.override({"training.epochs": 5}), DATA, tmp_path)
    with pytest.raises(RunFolderError, match="--max-layers were 3, are 2"):
        tune(RECIPE, DATA, tmp_path, limits=Limits(max_layers=2))
    with pytest.raises(RunFolderError, match="the data is another"):
        tune(RECIPE, load_recipe_data(RECIPE, source=SOURCE.replace("60", "61")), tmp_path)


def test_few_labels_are_judged_by_rows_that_are_kept_out(fake, tmp_path):
    result = tune(RECIPE.override({"data.size": 40}), DATA, tmp_path, limits=Limits(trials=2))
    assert (result.judged_by, result.rows) == ("log loss on holdout rows", 10)
    assert all(recipe.data.holdout == 0.25 for recipe, _ in fake)


def test_failed_trials_are_told_and_a_search_of_nothing_else_has_no_result(tmp_path, monkeypatch):
    def diverges(*_, **__):
        raise NonFiniteLossError("The loss became NaN.")

    monkeypatch.setattr(finetuning, "train", diverges)
    said = []
    with pytest.raises(TrainingError, match="the first failed: The loss became NaN"):
        tune(RECIPE, DATA, tmp_path, limits=Limits(trials=2), tell=said.append)
    assert sum(line.startswith("[") and "failed" in line for line in said) == 2


def test_two_real_trials(tmp_path):
    fixed = {"model.hidden_size": 2, "model.embedding_size": 2, "training.epochs": 2, "training.min_updates": 0}
    result = tune(RECIPE.override(fixed), DATA, tmp_path, fixed=fixed, limits=Limits(trials=2, max_layers=1))
    assert [trial.outcome for trial in result.trials] == ["finished"] * 2
    assert 0 < result.winner.log_loss < 5


def test_a_limit_that_nothing_meets_ends_the_search(fake, tmp_path, monkeypatch):
    monkeypatch.setattr("textlstm.experiment.tuning._OVER_LIMIT", 4)
    with pytest.raises(RecipeError, match=r"4 suggestions in a row were beyond the limits, the last with .*--max-mb"):
        tune(RECIPE, DATA, tmp_path, limits=Limits(trials=2, max_mb=1e-4))
    assert fake == []


def test_rows_that_the_user_keeps_out_are_those_that_judge(fake, tmp_path):
    own = RECIPE.override({"data.size": 40, "data.holdout": 0.5})
    result = tune(own, DATA, tmp_path, limits=Limits(trials=1))
    assert (result.judged_by, result.rows) == ("log loss on holdout rows", 20)


def test_accuracy_is_raised_where_it_chooses(fake, tmp_path):
    result = tune(RECIPE.override({"training.choose_by": "accuracy"}), DATA, tmp_path, limits=Limits(trials=4))
    assert result.judged_by == "accuracy on validation rows"
    finished = [trial for trial in result.trials if trial.outcome == "finished"]
    assert result.winner.accuracy == max(trial.accuracy for trial in finished)


def test_a_search_of_which_everything_is_given_is_refused(fake, tmp_path):
    first = tune(RECIPE, DATA, tmp_path / "a", limits=Limits(trials=1, max_layers=1))
    given_all = {**first.trials[0].settings, "model.num_layers": 1}
    with pytest.raises(RecipeError, match="A search varies what is not given, and every setting is given"):
        tune(RECIPE.override(given_all), DATA, tmp_path / "b", fixed=given_all, limits=Limits(trials=1, max_layers=1))


@pytest.mark.parametrize(("name", "option"), [("max_mb", "--max-mb"), ("max_ms", "--max-ms")])
@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_that_says_nothing_is_refused(name, option, limit):
    with pytest.raises(RecipeError, match=f"{option} takes a number above 0"):
        Limits(**{name: limit})
