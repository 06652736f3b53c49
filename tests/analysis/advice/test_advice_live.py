"""Whole studies on fake cells: the looks, the closed test split, interruptions, failures, the budget, the page."""

import json
import re

import pytest

from textlstm.analysis.advice.looks import LookRules
from textlstm.analysis.advice.record import Advice
from textlstm.errors import RecipeError, RunFolderError, TrainingError

LOOKS = LookRules().looks


def by_depth(gains):
    """Skill of 0.7 and what a depth gains."""
    return lambda cell: 0.7 + gains.get(cell.layers, 0.0)


def test_a_planted_gain_is_found_and_told_in_every_form(study):
    advice = study(by_depth({2: 0.12, 3: 0.12}))
    assert (advice.layers, advice.certainty) == (2, "found")
    assert 0 < advice.gain.low < advice.gain.value == pytest.approx(0.12, abs=0.05)
    assert advice.answer[0].startswith("Take 2 layers: +1")
    assert 0 < advice.expected_gain < advice.gain.value
    assert "--layers 2" in advice.command
    assert any("Now: 2 layers" in line for line in study.told)
    written = json.loads((study.folder / "advice.json").read_text("utf-8"))
    assert Advice.model_validate(written) == advice
    page = (study.folder / "advice.html").read_text("utf-8")
    for sentence in (advice.answer[0], advice.command):
        assert sentence.replace("'", "&#39;") in page


def test_nothing_to_gain_ends_early_and_says_so(study):
    advice = study(by_depth({2: -0.12, 3: -0.12}))
    assert (advice.layers, advice.certainty, advice.gain) == (1, "enough", None)
    assert "No deeper stack, up to 3, gains 1 point." in advice.answer[0]
    assert max(result.seeds for result in advice.depths) < LOOKS[-1]


@pytest.mark.parametrize("workers", [1, 12])  # of which the second try out the whole first look at once
@pytest.mark.parametrize("gain", [-0.12, 0.0, 0.03])
def test_depths_stop_at_looks_and_no_depth_has_seeds_that_the_shallowest_has_not(study, gain, workers):
    advice = study(by_depth({2: gain, 3: gain / 2}), workers=workers)
    seeds = [result.seeds for result in advice.depths]
    assert set(seeds) <= set(LOOKS)
    assert seeds[0] == max(seeds)
    assert len(study.fake.done) == len(set(study.fake.done))
    # Every look left a sentence, and every run of the comparison was answered by what it would say now.
    assert len(advice.log) == LOOKS.index(max(seeds)) + 1
    assert sum("Now: " in line for line in study.told) == sum(seeds)


@pytest.mark.parametrize("stop_at", [0, 4, 13])
def test_an_interrupted_study_ends_in_the_same_advice_without_running_anything_twice(study, tmp_path, stop_at):
    skill = by_depth({2: 0.04, 3: 0.02})
    whole = study(skill, rows=900)
    expected, study.folder, study.fake = list(study.fake.done), tmp_path / "cut", None
    with pytest.raises(KeyboardInterrupt):
        study(skill, rows=900, prepare=lambda fake: setattr(fake, "stop_at", stop_at))
    assert len(study.fake.done) == stop_at
    again = study(skill, rows=900)
    assert again.model_dump() == whole.model_dump()
    assert study.fake.done == expected


def test_a_folder_of_other_settings_is_refused(study):
    study(by_depth({}))
    with pytest.raises(RunFolderError, match="hidden_size"):
        study(by_depth({}), changes={"model.hidden_size": 4})


@pytest.mark.parametrize("content", ['{"tfidf": {"of": ', "[1]", '{"tfidf": {}}'])
def test_damaged_scores_of_methods_are_told_in_a_sentence(study, content):
    study(by_depth({2: -0.12, 3: -0.12}))
    (study.folder / "methods.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"methods\.json should hold scores .* remove it"):
        study(by_depth({2: -0.12, 3: -0.12}))


def test_seeds_whose_run_fails_are_replaced_at_all_depths(study):
    def break_one(fake):
        fake.broken = lambda cell: (cell.layers, cell.seed) == (2, 1)

    advice = study(by_depth({2: 0.12, 3: 0.0}), prepare=break_one)
    assert (advice.layers, advice.certainty) == (2, "found")
    assert all(result.seeds in LOOKS for result in advice.depths)
    assert any("seed 1 failed" in line and "not a number" in line for line in study.told)


def test_a_depth_that_cannot_be_trained_is_left_out_and_told(study):
    def break_three(fake):
        fake.broken = lambda cell: cell.layers == 3

    advice = study(by_depth({2: 0.12}), prepare=break_three)
    assert [result.layers for result in advice.depths] == [1, 2]
    assert any("3 layers could not be trained" in line for line in study.told)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda cell: cell.layers == 1, "first run failed, and so would the others: .*not a number"),
        (lambda cell: cell.layers > 1, "nothing to compare"),
        (lambda cell: cell.seed > 0, "before there were 3 seeds of two depths to compare"),
    ],
)
def test_too_many_failures_end_in_one_sentence(study, broken, words):
    def break_it(fake):
        fake.broken = broken

    with pytest.raises(TrainingError, match=words):
        study(by_depth({}), prepare=break_it)


def test_a_machine_slower_than_planned_gets_a_smaller_study_or_a_refusal_that_counts_what_is_done(study):
    advice = study(by_depth({2: 0.1, 3: 0.1, 4: 0.1}), seconds=10.0, budget=100.0, max_layers=4)
    assert [result.layers for result in advice.depths] == [1, 2]
    assert any("times the planned time" in line for line in study.told)  # 1 layer shows the machine's pace
    assert any("No more than 2 layers" in note for note in advice.notes)
    study.folder /= "slower"
    with pytest.raises(RecipeError, match=r"takes about .* here, and the budget is .*; give --budget (\d+)m"):
        study(by_depth({}), seconds=300.0, budget=140.0, max_layers=4)


def test_the_budget_ends_the_looks_and_a_larger_one_goes_on(study):
    skill = by_depth({2: 0.02, 3: 0.01})
    short = study(skill, seconds=10.0, budget=200.0)
    spent = len(study.fake.done)
    assert {result.seeds for result in short.depths} == {LOOKS[0]}
    assert "a larger --budget goes on from here" in " ".join(short.answer)
    assert short.seconds < 200
    longer = study(skill, seconds=10.0, budget=3600.0)
    assert max(result.seeds for result in longer.depths) > LOOKS[0]
    assert len(study.fake.done) == len(set(study.fake.done)) > spent


def test_what_is_shown_to_be_better_is_in_the_advice_and_in_its_command(study):
    def skill(cell):
        return 0.6 + (0.15 if cell.recipe.model.hidden_size == 16 else 0.0) - 0.05 * (cell.layers > 1)

    advice = study(skill)
    assert (advice.layers, advice.hidden_size, advice.changed) == (1, 16, "16 units a layer in place of 8")
    assert "--hidden 16" in advice.command
    assert any("Shown to help" in sentence and "16 units" in sentence for sentence in advice.answer)


def test_a_deeper_advice_tries_another_join_and_half_the_dropout(study):
    advice = study(by_depth({2: 0.12}), max_layers=2)
    names = [one.name for one in advice.alternatives]
    assert names[0].startswith("bag")
    assert {"residual join", "half the dropout", "TF-IDF with logistic regression"} <= set(names)
    assert advice.changed == ""
    assert "--join plain" in advice.command


def test_the_gain_that_grows_with_the_examples_is_followed_to_where_it_pays(study):
    rows = {225: -0.04, 450: 0.0, 900: 0.04}

    def skill(cell):
        size = cell.recipe.data.size
        return 0.7 + (rows[900 if size == "full" else size] if cell.layers > 1 else 0.0)

    advice = study(skill, rows=900, max_layers=2)
    assert advice.examples.sizes == (225, 450, 900)
    assert 450 < advice.examples.pays_from < 900
    start = "2 layers start to pay over 1 layer: " if advice.layers == 2 else "One more layer would start to pay: "
    assert "from about" in next(sentence for sentence in advice.answer if sentence.startswith(start))
    assert advice.examples.pays_between[0] is None or advice.examples.pays_between[0] <= advice.examples.pays_from


def test_the_page_escapes_what_users_name_and_asks_for_nothing_outside(study):
    data_changes = {"data.source": "<script>alert(1)</script>"}
    study(by_depth({}), changes=data_changes)
    page = (study.folder / "advice.html").read_text("utf-8")
    assert "<script>alert(1)" not in page
    assert not re.search(r"""(?:src|href)=["']https?://""", page)
