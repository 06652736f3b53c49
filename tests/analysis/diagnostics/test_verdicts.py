"""What follows from figures: each threshold from both sides, and no advice that the figures do not carry."""

import numpy as np
import pytest

from textlstm.analysis.diagnostics import verdicts, verdicts_layers
from textlstm.analysis.diagnostics.inspected_layers import (
    AgreementSummary,
    DepthSummary,
    ExplainedText,
    ProbeSummary,
    ReducedSummary,
    WordsSummary,
)
from textlstm.analysis.diagnostics.inspected_signals import (
    DistanceSummary,
    GateSummary,
    RemedySummary,
    TrainingSummary,
)
from textlstm.analysis.diagnostics.reach import Reach
from textlstm.model import TextLSTMConfig
from textlstm.results import Estimate
from textlstm.training.watch import GradientRecord


def around(value, half=0.05):
    return Estimate(value=value, low=value - half, high=value + half)


def gate(**changes):
    plain = {
        "layer": 1,
        "direction": "forward",
        "forget": 0.8,
        "half_life": 3.0,
        "half_life_low": 2.0,
        "half_life_high": 5.0,
        "saturated": 0.0,
        "dead": 0.0,
    }
    return GateSummary(**{**plain, **changes})


def reach_of(lowest, distances=20):
    gains = np.full((1, 4, distances), 0.9)
    gains[0, 1] = lowest
    return Reach(("forward",), gains, np.zeros_like(gains), np.full(distances, 50), 6, 0)


def test_reach_on_too_few_texts_is_open_and_no_good_news():
    gains = np.full((1, 4, 9), np.nan)
    nothing = Reach(("forward",), gains, gains, np.full(9, 2), 6, 0)
    (said,), remedies = verdicts.on_reach(TextLSTMConfig(num_layers=3), nothing)
    assert (said.kind, remedies) == ("open", [])
    assert "was not measured: it takes 6 texts" in said.words


def test_reach_that_fades_is_to_be_changed_and_its_remedies_are_recipe_keys(tiny_recipe):
    said, remedies = verdicts.on_reach(TextLSTMConfig(num_layers=3), reach_of(np.full(20, 1e-3)))
    assert [one.kind for one in said] == ["act"]
    assert "--set model.join=residual" in said[0].remedy
    assert "--try-remedy" in said[0].remedy
    for remedy in remedies:
        tiny_recipe(dict(remedy.settings))  # raises for an unknown key
    fine, none = verdicts.on_reach(TextLSTMConfig(num_layers=3), reach_of(np.full(20, 0.5)))
    assert [one.kind for one in fine] == ["fine"]
    assert none == [] and fine[0].remedy == ""


def test_a_watched_training_tells_the_norm_to_clip_at():
    totals = np.linspace(1.5, 4.0, 100)
    record = GradientRecord(("layer 1",), np.arange(1, 101), totals[:, None], totals, 1.0)
    said, remedies = verdicts.on_reach(TextLSTMConfig(num_layers=3), reach_of(np.full(20, 0.5)), record)
    assert "100 % of the updates were clipped" in said[0].words
    (settings,) = [dict(remedy.settings) for remedy in remedies]
    assert settings["training.max_grad_norm"] == pytest.approx(np.quantile(totals, 0.9), rel=0.05)


@pytest.mark.parametrize(("share", "kinds"), [(0.5, []), (0.51, ["act"])])
def test_clipping_counts_from_half_of_the_updates(share, kinds):
    summary = TrainingSummary(epochs=[1, 2], norms=[1.0, 2.0], clipped=[share, share], limit=1.0)
    assert [one.kind for one in verdicts.on_training(summary)] == kinds


def test_dead_and_stuck_units_are_named_with_what_to_do():
    (dead,) = verdicts.on_gates([gate(dead=0.25), gate(layer=2)], [40, 40])
    assert dead.kind == "act"
    assert "a width of 30" in dead.remedy
    (stuck,) = verdicts.on_gates([gate(saturated=0.6)], [40])
    assert stuck.kind == "act" and "60.0 %" in stuck.words
    (fine,) = verdicts.on_gates([gate(dead=0.1, saturated=0.5), gate(half_life=None)], [40, 40])
    assert fine.kind == "fine" and "between 3.0 and 3.0 words" in fine.words
    assert "without end" in verdicts.on_gates([gate(half_life=None)], [40])[0].words
    assert verdicts.on_gates([], []) == []


@pytest.mark.parametrize(
    ("tests_memory", "effective", "censored", "kind"),
    [(True, 4, False, "act"), (True, 20, False, "fine"), (True, 31, True, "fine"), (False, 4, False, "fine")],
)
def test_a_short_distance_matters_only_where_it_is_memory(tests_memory, effective, censored, kind):
    found = DistanceSummary(
        counted_from="end",
        distances=[0, 4, 20, 31],
        moved=[around(0.5)] * 4,
        texts=[50] * 4,
        share=0.1,
        effective=effective,
        censored=censored,
        tests_memory=tests_memory,
        meaning="What distance means.",
    )
    (said,) = verdicts.on_distance(found)
    assert said.kind == kind
    assert ("at least" in said.words) == censored
    assert bool(said.remedy) == (kind == "act")


_MORE_SEEDS = "More seeds would tell: --try-remedy 6."


@pytest.mark.parametrize(("half", "kind"), [(1.0, "act"), (3.0, "open")])
def test_a_remedy_is_recommended_only_where_the_score_surely_rose(half, kind):
    summary = RemedySummary(
        settings=["model.join=residual"],
        reach_start=around(0.5),
        reach_end=around(1.0),
        score=around(2.0, half),
        split="test",
        seeds=3,
    )
    said = verdicts.on_remedy(summary)
    assert said.kind == kind
    assert "by +2.00" in said.words and "factor of 10" in said.words
    assert said.remedy == ("Train with --set model.join=residual." if kind == "act" else _MORE_SEEDS)
    worse = verdicts.on_remedy(summary.model_copy(update={"score": around(-2.0, 1.0)}))
    assert worse.kind == "fine" and not worse.remedy


def label_probe(*scores):
    return ProbeSummary(
        fact="label",
        abstract=True,
        about="text",
        measure="accuracy",
        baseline=0.5,
        samples=100,
        trained=[around(score) for score in scores],
        control=[around(0.5)] * len(scores),
        untrained=[around(0.5)] * len(scores),
        center=around(1.0),
        untrained_center=around(1.0),
    )


def test_the_lowest_level_within_the_interval_of_the_best_is_named():
    (said,) = verdicts_layers.on_probes([label_probe(0.6, 0.87, 0.9)], None)
    assert "off layer 2: 90.0 % [85.0, 95.0]" in said.words
    assert "already in layer 1 (87.0 %)" in said.words
    (alone,) = verdicts_layers.on_probes([label_probe(0.6, 0.7, 0.9)], None)
    assert "already" not in alone.words


def test_a_label_that_is_read_no_better_than_guessed_is_not_said_to_be_read():
    (said,) = verdicts_layers.on_probes([label_probe(0.52, 0.54, 0.5)], None)  # within 5 points, where half is guessed
    assert said.kind == "open"
    assert said.words.startswith("No level is shown to hold the label")
    assert "off layer 1" in said.words and "the most frequent label makes up 50.0 %" in said.words


@pytest.mark.parametrize(
    ("value", "kind", "words"), [(0.3, "fine", "above"), (-0.3, "fine", "below"), (0.02, "open", "No order")]
)
def test_an_order_of_facts_is_claimed_only_beyond_the_untrained_stack(value, kind, words):
    (said,) = verdicts_layers.on_probes([], around(value))
    assert said.kind == kind and words in said.words


def reduced(layers, change=None, bound=None, needless=False):
    return ReducedSummary(
        layers=layers,
        score=around(0.8),
        difference=None if change is None else around(change, 0.01),
        bound=bound,
        needless=needless,
    )


def depth_of(first, second, *without):
    return DepthSummary(
        prefixes=[reduced([], -0.2, -0.25), first, second, reduced([1, 2, 3])],
        without=list(without),
        own_score=around(0.8),
        delta=0.01,
        fitted=500,
        scored=400,
    )


def test_layers_are_dropped_only_where_the_statistics_say_so():
    (said,) = verdicts_layers.on_depth(depth_of(reduced([1], 0.0, -0.02), reduced([1, 2], 0.0, -0.005, True)))
    assert said.kind == "act"
    assert said.words.startswith("Layer 3 can be dropped") and "at most 0.5 points" in said.words
    assert "--layers 2" in said.remedy
    both = verdicts_layers.on_depth(depth_of(reduced([1], 0.0, -0.004, True), reduced([1, 2], 0.0, -0.005, True)))
    assert both[0].words.startswith("Layers 2 to 3 can be dropped: a new head on layer 1 is")


def test_the_same_figures_without_the_test_drop_nothing():
    open_ = verdicts_layers.on_depth(depth_of(reduced([1], 0.02, -0.02), reduced([1, 2], 0.005, -0.02)))
    assert [one.kind for one in open_] == ["open"]
    assert "can be dropped for less than 1.0 point is not shown" in open_[0].words
    (worth,) = verdicts_layers.on_depth(depth_of(reduced([1], -0.1, -0.2), reduced([1, 2], -0.05, -0.07)))
    assert worth.kind == "fine" and "Layer 3 earns its place" in worth.words


def test_a_layer_below_is_named_apart_where_more_is_left_than_by_dropping_from_the_top():
    needless = reduced([1, 3], 0.0, -0.003, True)
    said = verdicts_layers.on_depth(depth_of(reduced([1], -0.1, -0.2), reduced([1, 2], -0.05, -0.07), needless))
    assert "Layer 2 can be left out by itself" in said[1].words
    dropped = verdicts_layers.on_depth(depth_of(reduced([1], 0.0, -0.004, True), reduced([1, 2]), needless))
    assert len(dropped) == 1  # to keep one layer is better than to keep two


def explained(gap):
    return ExplainedText(
        row=0,
        text="a",
        label="x",
        true_label=None,
        probability=0.9,
        score=1.0,
        baseline=0.0,
        gap=gap,
        other=0.0,
        words=[],
        steps=32,
    )


def test_rough_attributions_are_marked_and_agreement_is_no_fault():
    agreement = AgreementSummary(
        names=["embeddings", "layer 1"], correlation=[[1, 0.2], [0.2, 1]], first_to_last=around(0.2, 0.1), texts=9
    )
    rough, agree = verdicts_layers.on_words(WordsSummary(texts=[explained(0.2), explained(0.01)], agreement=agreement))
    assert rough.kind == "open" and "1 of 2 texts" in rough.words
    assert agree.kind == "fine" and "moved away" in agree.words
    close = agreement.model_copy(update={"first_to_last": around(0.8)})
    (alike,) = verdicts_layers.on_words(WordsSummary(texts=[explained(0.0)], agreement=close))
    assert "moved away" not in alike.words
