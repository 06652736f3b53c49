"""What follows from a study: from how many examples a layer pays, and the command that trains what is advised."""

import shlex

import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.analysis.advice.beside import Alternative, shown_better
from textlstm.analysis.advice.commands import teacher_words, train_command
from textlstm.analysis.advice.decision import decide
from textlstm.analysis.advice.examples import FARTHEST, starts_to_pay
from textlstm.analysis.advice.looks import LookRules
from textlstm.analysis.advice.methods import encoder_name
from textlstm.analysis.advice.words import answer_words, delta_words, now_words
from textlstm.analysis.wording import points
from textlstm.cli import app
from textlstm.cli_options import recipe_for
from textlstm.results import Estimate

SIZES = np.array([500, 1000, 2000])


def rising(slope, level, seeds=5, noise=1e-4):
    """Gains that rise by a slope with each doubling and end at a level."""
    steps = np.log2(SIZES / SIZES[-1])
    return level + slope * steps[:, None] + np.random.default_rng(0).normal(0, noise, (3, seeds))


@given(st.floats(0.005, 0.03), st.floats(-0.03, 0.03))
@settings(max_examples=50, deadline=None)
def test_where_a_planted_line_crosses_delta_is_found_within_reach(slope, level):
    rows, sentence, between = starts_to_pay(SIZES, rising(slope, level), delta=0.01, overlap=1 / 3, deep=2)
    true = SIZES[-1] * 2 ** ((0.01 - level) / slope)
    if true < 0.9 * FARTHEST * SIZES[-1]:
        assert rows == pytest.approx(max(true, SIZES[0]), rel=0.1)
        assert "from about" in sentence
        if true > 1.1 * SIZES[0]:
            assert between[0] == pytest.approx(true, rel=0.15) == between[1]
    elif true > 1.1 * FARTHEST * SIZES[-1]:
        assert rows is None
        assert f"not before {int(FARTHEST * SIZES[-1]):,} examples" in sentence


@pytest.mark.parametrize("slope", [0.0, -0.01])
def test_a_gain_that_does_not_grow_is_not_followed(slope):
    rows, sentence, _ = starts_to_pay(SIZES, rising(slope, 0.005, noise=0.01), delta=0.01, overlap=1 / 3, deep=2)
    assert rows is None
    assert sentence.startswith("not identified")


def test_the_set_of_sizes_holds_the_crossing_as_often_as_it_says():
    rng = np.random.default_rng(3)
    true, slope = 1500, 0.02
    held = named = 0
    for _ in range(400):
        gains = 0.01 + slope * np.log2(SIZES / true)[:, None] + rng.normal(0, 0.006, (3, 5))
        rows, sentence, (low, high) = starts_to_pay(SIZES, gains, delta=0.01, overlap=0.0, deep=2)
        named += rows is not None
        held += rows is not None and (low or 0) <= true <= (high or np.inf)
        assert rows is None or "95 %" in sentence
    assert named > 350 and held / named > 0.95 - 2 * (0.05 * 0.95 / named) ** 0.5


def test_a_gain_that_is_shown_at_all_sizes_begins_below_the_smallest():
    gains = np.array([0.05, 0.06, 0.07])[:, None] + np.linspace(-0.001, 0.001, 5)
    rows, sentence, between = starts_to_pay(SIZES, gains, delta=0.01, overlap=0.0, deep=2)
    assert (rows, between) == (SIZES[0], (None, SIZES[0]))
    assert f"(95 %: {SIZES[0]} or fewer)" in sentence


def test_a_trend_in_noise_is_seldom_taken_for_one():
    rng = np.random.default_rng(1)
    found = sum(
        starts_to_pay(SIZES, rng.normal(0, 0.02, (3, 3)), delta=0.01, overlap=1 / 3, deep=2)[0] is not None
        for _ in range(1000)
    )
    assert found < 70


@pytest.mark.parametrize(
    ("asked", "final"),
    [
        ({}, {}),
        ({"training.epochs": 3, "training.min_updates": 0}, {"model.num_layers": 2}),
        ({"data.label_names": ["it's", "no"], "tokenizer.kind": "bpe"}, {"model.num_layers": 3, "model.join": "dense"}),
        ({"data.label_separator": ";", "model.input_dropout": 0.2}, {"model.hidden_size": 256}),
        ({}, {"model.embedding_dropout": 0.15, "model.output_dropout": 0.25}),
    ],
)  # fmt: skip
def test_the_command_trains_the_advised_recipe(asked, final):
    base = recipe_for("some data.csv", {}, name="advise-some").override(asked)
    wanted = base.override(final)
    words = shlex.split(train_command(wanted, base))
    assert words[:2] == ["textlstm", "train"]
    command = typer.main.get_command(app).get_command(None, "train")
    given = command.make_context("train", words[2:]).params
    assert recipe_for(given["data"], given, name="advise-some").fingerprint() == wanted.fingerprint()
    assert given["out"].as_posix().startswith("models/some-")


def test_an_encoder_that_is_better_comes_with_the_command_that_learns_from_it():
    asked = recipe_for("some data.csv", {}, name="advise-some").override({"tokenizer.max_length": 64})
    final = asked.override({"model.num_layers": 2})
    better = Alternative(encoder_name("org/encoder"), 0.9, Estimate(value=0.05, low=0.02, high=0.08), 3, 1.0)
    (said,) = teacher_words([better], 0.01, "org/encoder", final, asked)
    words = shlex.split(said.partition(": ")[2])
    given = typer.main.get_command(app).get_command(None, "distill").make_context("distill", words[2:]).params
    made = recipe_for(given["data"], given, name="advise-some")
    assert made.distillation.teacher == ["org/encoder"]
    assert (made.model.num_layers, made.tokenizer.max_length) == (2, 64)
    assert given["out"].as_posix() == "models/some-2-layers-taught"
    unsure = Alternative(better.name, 0.9, Estimate(value=0.05, low=-0.02, high=0.12), 3, 1.0)
    assert teacher_words([unsure], 0.01, "org/encoder", final, asked) == []
    assert teacher_words([better], 0.01, None, final, asked) == []


def test_only_what_is_shown_and_large_enough_counts_as_better():
    def one(name, value, low):
        return Alternative(name, 0.8, Estimate(value=value, low=low, high=value + 0.1), 3, 1.0)

    measured = [one("small", 0.005, 0.001), one("unsure", 0.05, -0.01), one("a", 0.02, 0.01), one("b", 0.03, 0.01)]
    found = shown_better(measured, 0.01)
    assert [other.name for other in found] == ["b", "a"]


def gains(*values, spread=0.005, seeds=12):
    rng = np.random.default_rng(0)
    deeper = {depth: 0.8 + gain + rng.normal(0, spread, seeds) for depth, gain in enumerate(values, 2)}
    return {1: rng.normal(0.8, 1e-6, seeds), **deeper}


@pytest.mark.parametrize(
    ("scores", "certainty", "words"),
    [
        (gains(0.05), "found", "Take 2 layers: +5.0 points"),
        (gains(-0.05, -0.05), "enough", "Take 1 layer: it is enough. No deeper stack, up to 3, gains 1 point."),
        (gains(0.0, spread=0.05), "undecided", "this is a best guess, not a finding."),
    ],
)
def test_the_words_follow_the_standing(scores, certainty, words):
    rules = LookRules(overlap=0.0)
    standing = decide(scores, rules)
    assert standing.certainty == certainty
    answer = answer_words(standing, rules, out_of_time=False)
    assert words in answer[0]
    if certainty != "found":
        assert answer[1].startswith("Measured over 1 layer: 2 layers ")
    assert now_words(standing).startswith(answer[0].removeprefix("Take ").split(":")[0].split(";")[0])
    if certainty == "undecided":
        assert "--budget" in " ".join(answer_words(standing, rules, out_of_time=True))


@pytest.mark.parametrize(("gain", "spread"), [(0.05, 0.012), (0.02, 0.02)])
def test_a_depth_that_stands_highest_is_expected_to_gain_less_than_it_scored(gain, spread):
    rules = LookRules(overlap=0.0)
    standing = decide(gains(gain, spread=spread), rules)
    assert standing.depth == 2
    one = standing.gain
    said = answer_words(standing, rules, out_of_time=False)
    assert rules.worth * rules.delta < one.expected < one.gain
    assert any("by what is usual, " + points(one.expected) in sentence for sentence in said)
    shallow = answer_words(decide(gains(-0.05), rules), rules, out_of_time=False)
    assert not any("stood highest" in sentence for sentence in shallow)


def test_an_interval_of_one_look_that_finds_nothing_over_all_of_them_says_so():
    rules = LookRules(overlap=0.0)
    early = decide(gains(0.04, spread=0.008, seeds=3), rules)
    one = early.comparisons[2]
    assert one.state == "open" and one.low < 0 < one.span[0]
    assert "of this look alone" in now_words(early)
    assert any("of the last look alone" in sentence for sentence in answer_words(early, rules, out_of_time=True))
    found = decide(gains(0.05), rules)
    assert found.certainty == "found" and "look alone" not in now_words(found)
    plain = decide(gains(0.0, spread=0.05), rules)
    assert "look alone" not in now_words(plain) + " ".join(answer_words(plain, rules, out_of_time=False))


def test_a_gain_that_is_real_but_not_worth_a_layer_leaves_one_layer():
    scores = gains(0.004, spread=0.001)
    standing = decide(scores, LookRules(overlap=0.0))
    assert standing.comparisons[2].low > 0
    assert (standing.depth, standing.certainty) == (1, "enough")


@pytest.mark.parametrize(("delta", "words"), [(0.01, "1 point"), (0.005, "0.5 points"), (0.02, "2 points")])
def test_delta_has_its_plural(delta, words):
    assert delta_words(delta) == words
