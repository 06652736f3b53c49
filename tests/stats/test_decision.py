"""The decision rule: exhaustive, in its order, symmetric, and worded from its own table."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from textlstm.stats.decision import decide, false_findings
from textlstm.stats.paired import Difference
from textlstm.stats.planning import MOST_TIMES, forecast, movement, plan_more
from textlstm.stats.rules import RULES, rule_table

KINDS = {"not_trained", "preview", "enough", "better", "undecided_seeds", "undecided_texts"}


def simulated(seed, gains, seeds=8, texts=400, *, noise=0.01):
    """Right and wrong answers of depths 1, 2, ... whose chances differ by the gains."""
    rng = np.random.default_rng(seed)
    chance = rng.uniform(0.5, 1, size=texts) - 0.1
    common = noise * rng.normal(size=(seeds, 1))
    return {
        d: (
            rng.random((seeds, texts))
            < chance + gain + common + noise * rng.normal(size=(seeds, 1)) + 0.2 * rng.normal(size=texts)
        ).astype(float)
        for d, gain in enumerate(gains, 1)
    }


grids = st.builds(
    simulated,
    st.integers(0, 10_000),
    st.lists(st.sampled_from([-0.2, 0, 0.01, 0.2]), min_size=2, max_size=4),
    st.integers(1, 8),
    st.integers(2, 300),
    noise=st.sampled_from([0, 0.01, 0.2]),
)
constant_scores = st.builds(
    lambda depths, seeds, texts, value: {d: np.full((seeds, texts), value(d)) for d in range(1, depths + 1)},
    st.integers(2, 4),
    st.integers(1, 6),
    st.integers(2, 400),
    st.sampled_from([lambda d: 0.0, lambda d: d % 2, lambda d: d / 10]),
)


@given(
    grids | constant_scores,
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from([0.001, 0.005, 0.01, 0.5]),
    st.sampled_from([0.01, 0.05, 0.2]),
)
@settings(deadline=None, max_examples=150)
def test_every_input_leads_to_one_verdict_in_plain_words(scores, converged, capped, delta, alpha):
    runs = {d: np.arange(len(s)) < round(converged * len(s)) for d, s in scores.items()}
    decision = decide(scores, delta=delta, alpha=alpha, converged=runs, capped_share=capped)
    assert decision.kind in KINDS and decision.words.endswith(".")
    assert "nan" not in decision.words and "inf" not in decision.words and "None" not in decision.words
    assert (decision.depth in scores) == (decision.kind in ("enough", "better"))
    undecided = decision.kind.startswith("undecided")
    assert (decision.more_seeds is not None or decision.more_texts is not None) == undecided
    assert all(more is None or more >= 1 for more in (decision.more_seeds, decision.more_texts))
    assert decision.resolution >= 0

    # The rule by hand, in its order.
    bounds, seeds = decision.bounds, min(map(len, scores.values()))
    enough = [d for d in scores if all(bounds[d, k].high < delta for k in scores if k != d)]
    better = [d for d in scores if d > 1 and all(bounds[j, d].low > 0 for j in scores if j < d)]
    if min(share.mean() for share in runs.values()) < 0.7 or capped > 0.2:
        assert decision.kind == "not_trained"
    elif seeds <= 3:
        assert decision.kind == "preview"
    elif enough:
        assert (decision.kind, decision.depth) == ("enough", enough[0])
    elif better:
        assert (decision.kind, decision.depth) == ("better", better[-1])
        assert decision.better_than == tuple(range(1, better[-1]))
    else:
        assert undecided


@given(grids, st.integers(0, 100), st.integers(-2, 2))
@settings(deadline=None, max_examples=60)
def test_order_and_a_constant_change_nothing(scores, seed, constant):
    rng = np.random.default_rng(seed)
    seeds, texts = scores[1].shape
    rows, columns = rng.permutation(seeds), rng.permutation(texts)
    first = decide(scores)
    for other in (
        decide({d: s[rows][:, columns] for d, s in scores.items()}),
        decide({d: s + constant for d, s in scores.items()}),
        decide(dict(reversed(scores.items()))),
    ):
        assert (other.kind, other.depth, other.words, other.labels) == (
            first.kind,
            first.depth,
            first.words,
            first.labels,
        )
        assert (other.more_seeds, other.more_texts) == (first.more_seeds, first.more_texts)


def test_the_smallest_depth_that_is_enough_wins():
    decision = decide(simulated(0, [-0.3, 0, 0, 0], texts=6000), delta=0.03)
    assert (decision.kind, decision.depth, decision.better_than) == ("enough", 2, (1,))
    assert decision.words.startswith("2 layers are enough: no other depth is better by 3 points or more (at most by")
    assert decision.words.endswith("Every shallower depth scores lower.")
    decision = decide(simulated(0, [0, 0, 0], texts=6000), delta=0.03)
    assert (decision.kind, decision.depth, decision.better_than) == ("enough", 1, ())
    assert decision.words.startswith("1 layer is enough")


def test_some_shallower_depths_are_said_to_score_lower():
    """Depth 3 is about as good as depth 2 and drawn a little higher: depth 1 is worse, and depth 2 is open."""
    decision = decide(simulated(2, [-0.3, 0, 0.01]))
    assert (decision.kind, decision.depth, decision.better_than) == ("enough", 3, (1,)), decision.words
    assert decision.words.endswith("1 layer scores lower; whether 2 layers would do is open.")


def test_better_without_being_enough():
    """Depth 2 beats depth 1; whether depth 3 beats depth 2 by a point is not resolved."""
    decision = decide(simulated(3, [-0.3, 0, 0.01], texts=400))
    assert (decision.kind, decision.depth, decision.better_than) == ("better", 2, (1,))
    assert decision.words.startswith("2 layers are better than every shallower depth, by ")
    assert decision.words.endswith("Whether still more layers help is open.")


def test_what_dominates_the_variance_is_asked_for():
    few_texts = [decide(simulated(seed, [0, 0], texts=200, noise=0.0, seeds=20)) for seed in range(10)]
    texts = next(decision for decision in few_texts if decision.kind.startswith("undecided"))
    assert (texts.kind, texts.more_seeds) == ("undecided_texts", None)
    assert f"about {texts.more_texts:,} more test texts" in texts.words and "resolves only ±" in texts.words
    few_seeds = [decide(simulated(seed, [0, 0], texts=20_000, noise=0.08, seeds=5)) for seed in range(10)]
    seeds = next(decision for decision in few_seeds if decision.kind.startswith("undecided"))
    assert (seeds.kind, seeds.more_texts) == ("undecided_seeds", None)
    assert f"about {seeds.more_seeds:,} more seed" in seeds.words


def test_the_plan_is_the_smallest_that_does():
    """Of two depths the one that scores higher needs its bound within delta plus the difference, four times in five."""
    asked = 0
    for seed in range(30):
        plan = decide(simulated(seed, [0, 0], seeds=6, texts=2000, noise=0.05))
        if plan.kind != "undecided_seeds" or plan.more_texts or plan.more_seeds > 20:
            continue
        pair = plan.differences[1, 2]
        seeds = np.array([6 + plan.more_seeds - 1, 6 + plan.more_seeds])
        luck = ndtri(0.8) * movement(pair, seeds=seeds, examples=2000)
        few, enough = forecast(pair, 0.05, seeds=seeds, examples=2000) + luck
        assert enough <= 0.01 + abs(pair.value) <= 1.01 * few
        asked += 1
    assert asked >= 10


@pytest.mark.parametrize("texts", [400, 20_000])
def test_what_is_planned_tells_four_times_in_five(texts):
    """New seeds are drawn from the present ones, whose mean is then the truth that the plan takes it for."""
    rng, told, asked = np.random.default_rng(0), [], 0
    for seed in range(60):
        scores = simulated(seed, [0, 0], seeds=15, texts=texts, noise=0.08)
        plan = decide(scores)
        if plan.kind != "undecided_seeds" or plan.more_texts or plan.more_seeds > 100:
            continue
        asked += 1
        for _ in range(20):
            rows = np.concatenate([np.arange(15), rng.integers(0, 15, plan.more_seeds)])
            told.append(decide({depth: right[rows] for depth, right in scores.items()}).kind in ("enough", "better"))
    assert asked >= 10 and 0.7 < np.mean(told) < 0.9


def test_three_seeds_are_a_preview_and_untrained_runs_come_first():
    scores = simulated(0, [0, 0.3], seeds=3)
    assert decide(scores).kind == "preview"
    untrained = decide(scores, converged={1: [True] * 3, 2: [True, False, False]}, capped_share=0.5)
    assert untrained.kind == "not_trained"
    assert "33 % of the seeds at 2 layers converged" in untrained.words and "50 % of the runs" in untrained.words
    exactly = decide(simulated(0, [0, 0.3], seeds=10), converged={2: [True] * 7 + [False] * 3}, capped_share=0.2)
    assert exactly.kind != "not_trained"


def test_identical_models_need_enough_texts():
    """300 texts alike leave a difference of 1 point open, 500 do not."""
    same = np.random.default_rng(0).integers(0, 2, size=(5, 500)).astype(float)
    assert decide({1: same, 2: same}).kind == "enough"
    short = decide({1: same[:, :250], 2: same[:, :250]})
    assert short.kind == "undecided_texts" and 40 <= short.more_texts <= 60


def test_labels_tell_what_the_verdict_rests_on():
    scores = simulated(0, [0, 0])
    assert decide(scores).labels == ()
    assert decide(scores, tuned=False).labels == ("learning rate not tuned per depth",)
    assert "needs 20 seeds or more, and these are 8" in decide(scores, delta=0.005).labels[0]
    assert decide(simulated(0, [0, 0], seeds=20), delta=0.005).labels == ()
    assert "7 to 8 seeds" in decide({1: scores[1], 2: scores[2][:-1]}).labels[0]
    assert "for this training pool" in decide(scores).estimand


def test_cross_validation_is_decided_by_the_same_rule():
    folds = [simulated(seed, [0, 0.3], seeds=5, texts=200) for seed in range(10)]
    by_depth = {d: [fold[d] for fold in folds] for d in (1, 2)}
    decision = decide(by_depth)
    assert (decision.kind, decision.depth, decision.better_than) == ("enough", 2, (1,))
    assert decision.differences[1, 2].folds == 10
    assert decide({d: [fold[:3] for fold in runs] for d, runs in by_depth.items()}).kind == "preview"
    close = {d: [fold[1] if d == 1 else np.roll(fold[1], 1, axis=0) for fold in folds] for d in (1, 2)}
    assert decide(close, delta=0.0001).kind in ("undecided_seeds", "undecided_texts", "enough")


def test_the_table_names_every_verdict():
    assert {rule.kind for rule in RULES} == KINDS
    lines = rule_table().splitlines()
    assert len(lines) == 2 + len(RULES)
    for rule, line in zip(RULES, lines[2:], strict=True):
        assert rule.verdict in line and rule.when in line


def test_plans_out_of_reach_end_somewhere():
    hopeless = Difference(0.009, -9, 9, 3.0, 4.0, 5, 10, 0.5, 0.5, 0.0, 0.0, True, 2.0, 1.0, 9)
    pairs = {(1, 2): hopeless, (2, 1): hopeless.reversed()}
    plan = plan_more(pairs, [1, 2], delta=0.0091, alpha=0.05)
    assert plan.more_seeds is not None and plan.more_texts is not None
    assert plan.more_seeds <= 5 * MOST_TIMES and plan.more_texts <= 10 * MOST_TIMES
    assert math.isfinite(plan.resolution)


def test_a_a_comparison_finds_little():
    """Fake depths from one simulated cell: at most 5 % and two Monte-Carlo standard errors."""
    cell = simulated(5, [0], seeds=40, texts=500, noise=0.03)[1]
    share = false_findings(cell, depths=4, seeds_each=10, draws=200)
    assert share <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    assert share == false_findings(cell, depths=4, seeds_each=10, draws=200)
    with pytest.raises(ValueError, match="need 40 runs"):
        false_findings(cell[:30], depths=4, seeds_each=10)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: decide({1: s[1]}), "two depths or more"),
        (lambda s: decide(s, delta=0), "delta is above 0"),
        (lambda s: decide(s, alpha=0.7), "alpha between 0 and 0.5"),
        (lambda s: decide({d: runs[:, :1] for d, runs in s.items()}), "two test texts or more"),
        (lambda s: decide({1: s[1], 2: s[2][:, 1:]}), "over the same examples"),
    ],
)
def test_senseless_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(simulated(0, [0, 0]))
