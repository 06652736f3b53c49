"""The engine: what it says of planted scores, where it sends the next seeds, and how often it is wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from textlstm.analysis.advice.decision import close_chance, decide, next_step
from textlstm.analysis.advice.looks import LookRules, Prior, compare_depths, seeds_to_tell
from textlstm.analysis.advice.words import answer_words
from textlstm.stats.sequential import nominal_levels

RULES = LookRules(overlap=0.05)


def study(scores, rules=RULES):
    """Play a study on scores that are all there; gives the standing and the seeds used a depth."""
    taken = dict.fromkeys(scores, 0)
    standing = decide({depth: [] for depth in scores}, rules)
    while (step := next_step(standing, rules)) is not None:
        for depth in step.depths:
            assert taken[depth] <= step.seeds <= rules.looks[-1]
            taken[depth] = max(taken[depth], step.seeds)
        seen = {depth: own[: taken[depth]] for depth, own in scores.items()}
        standing = decide(seen, rules, given_up=standing.given_up)
    return standing, taken


def drawn(rng, gains, spread=0.01):
    """Scores of 12 seeds by depth, of which the first is at 0.8."""
    return {depth: 0.8 + gain + rng.normal(0, spread / 2**0.5, 12) for depth, gain in enumerate((0.0, *gains), start=1)}


def test_before_the_first_look_it_would_take_one_layer_and_asks_for_all_depths():
    standing = decide({1: [0.8], 2: [0.9], 3: []}, RULES)
    assert (standing.depth, standing.certainty, standing.comparisons) == (1, "undecided", {})
    assert next_step(standing, RULES) == next_step(decide({1: [], 2: [], 3: []}, RULES), RULES)
    assert next_step(standing, RULES).depths == (1, 2, 3)
    assert next_step(standing, RULES).seeds == 3


def test_a_large_gain_is_found_and_no_gain_costs_little():
    rng = np.random.default_rng(0)
    found, taken = study(drawn(rng, (0.05, 0.0)))
    assert (found.depth, found.certainty) == (2, "found")
    assert found.gain is not None
    assert 0 < found.gain.low < found.gain.gain == pytest.approx(0.05, abs=0.02)
    worse, taken = study(drawn(rng, (-0.05, -0.08)))
    assert worse.depth == 1
    assert sum(taken.values()) <= 18


@pytest.mark.parametrize(("rows", "certainty"), [(10, "undecided"), (1000, "enough")])
def test_seeds_that_all_score_alike_show_no_more_than_their_rows(rows, certainty):
    standing = decide({1: [0.9] * 3, 2: [0.9] * 3}, LookRules(grain=1 / rows))
    assert (standing.depth, standing.certainty) == (1, certainty)


@pytest.mark.parametrize(("rows", "gain"), [(40, 0.03), (100, 0.02)])
def test_a_few_easy_rows_do_not_hide_a_gain(rows, gain):
    """Each seed keeps a quarter of the rows out, and most of them say the same of both depths."""
    rng, rules, held = np.random.default_rng(0), LookRules(grain=4 / rows), rows // 4
    found = 0
    for _ in range(100):
        hard = rng.random(rows)
        scores = {1: [], 2: []}
        for _ in range(12):
            kept = hard[rng.permutation(rows)[:held]] + rng.normal(0, 0.05, held)
            scores[1].append((kept < 0.92).mean())
            scores[2].append((kept < 0.92 + gain).mean())
        found += study(scores, rules)[0].certainty == "enough"
    assert found <= 5


def test_a_depth_that_was_found_not_worth_a_layer_is_no_best_guess():
    rules, base = LookRules(delta=0.05), np.resize([-0.0208, 0.0208], 12)
    scores = {1: np.zeros(12), 2: 0.035 + base, 3: 0.029 + base}
    standing = decide(scores, rules, overlaps={2: 0.0, 3: 1 / 3})
    assert {depth: one.state for depth, one in standing.comparisons.items()} == {2: "not worth a layer", 3: "open"}
    assert standing.comparisons[2].expected > rules.worth * rules.delta
    assert (standing.depth, standing.certainty) == (1, "undecided")
    assert not any("100 %" in sentence for sentence in answer_words(standing, rules, out_of_time=False))


def test_a_clear_loss_at_all_depths_is_found_to_be_enough_once_enough_seeds_are_there():
    scores = {depth: own[:8] for depth, own in drawn(np.random.default_rng(1), (-0.05, -0.06)).items()}
    standing = decide(scores, RULES)
    assert (standing.depth, standing.certainty) == (1, "enough")
    assert all(one.high < RULES.delta for one in standing.comparisons.values())
    assert close_chance(standing, RULES) > 0.99


@given(st.integers(0, 1000), st.floats(-0.3, 0.1))
@settings(max_examples=30, deadline=None)
def test_only_differences_count(seed, shift):
    scores = drawn(np.random.default_rng(seed), (0.01, 0.02), 0.02)
    one, moved = study(scores)[0], study({depth: own + shift for depth, own in scores.items()})[0]
    assert (one.depth, one.certainty, one.seeds) == (moved.depth, moved.certainty, moved.seeds)


@given(st.integers(0, 1000), st.floats(-0.03, 0.03), st.floats(0.001, 0.05))
@settings(max_examples=30, deadline=None)
def test_the_prior_moves_the_guess_and_no_bound(seed, gain, spread):
    scores = {depth: own[:5] for depth, own in drawn(np.random.default_rng(seed), (0.0, 0.0), 0.03).items()}
    plain = compare_depths(scores, RULES)
    other = compare_depths(scores, LookRules(overlap=0.05, prior=Prior(gain, spread)))
    for depth, one in other.items():
        assert (one.low, one.high, one.state) == (plain[depth].low, plain[depth].high, plain[depth].state)
        ends = sorted((one.gain, gain * (depth - 1)))
        assert ends[0] - 1e-12 <= one.expected <= ends[1] + 1e-12


def test_a_stopped_comparison_stays_stopped():
    scores = {depth: own[:3] for depth, own in drawn(np.random.default_rng(3), (-0.005, -0.06), 0.01).items()}
    first = decide(scores, RULES)
    assert 3 in first.given_up  # certain to be worse: nothing to learn, as long as 2 layers keep "enough" open
    assert next_step(first, RULES) is None or 3 not in next_step(first, RULES).depths
    again = decide({**scores, 3: scores[3] + 0.2}, RULES, given_up=first.given_up)
    assert 3 not in again.active


def test_splits_with_more_in_common_widen_the_bounds():
    scores = {depth: own[:8] for depth, own in drawn(np.random.default_rng(4), (0.02,), 0.02).items()}
    reach = [
        (one := compare_depths(scores, LookRules(), overlaps={2: overlap})[2]).high - one.low
        for overlap in (0.0, 0.1, 1 / 3)
    ]
    assert reach[0] < reach[1] < reach[2]
    capped = compare_depths(scores, LookRules(), overlaps={2: 5.0})[2]
    assert capped.high - capped.low == pytest.approx(reach[2])


@pytest.mark.parametrize("gain", [0.0045, 0.005, 0.0055])
def test_as_many_seeds_as_are_named_would_likely_tell_and_fewer_would_not(gain):
    rules, spread = LookRules(), 0.012
    base = np.resize([-1.0, 1.0], 12)
    scores = {1: np.zeros(12), 2: gain + spread * base / base.std(ddof=1)}
    one = compare_depths(scores, rules, overlaps={2: 0.0})[2]
    assert (one.state, one.floor) == ("open", 0.0)
    seeds = seeds_to_tell(one, rules, alpha=0.05)

    quantile = -ndtri(nominal_levels(rules.looks, most=12, alpha=0.05)[-1])

    def told(count):
        """Whether four in five additions to the twelve would bring a bound past its border."""
        reach, moves = quantile * spread / count**0.5, ndtri(0.8) * spread * (1 / count * (1 - 12 / count)) ** 0.5
        return gain - moves - reach > 0 or gain + moves + reach < rules.delta

    assert seeds > 12 and told(seeds) and not told(seeds - 1)
    said = answer_words(decide(scores, rules, overlaps={2: 0.0}), rules, out_of_time=False)
    assert f"About {seeds} seeds would likely tell" in said[-1]
    shared = compare_depths(scores, rules, overlaps={2: 1 / 3})[2]
    assert shared.floor == pytest.approx(spread / 3**0.5)
    assert seeds_to_tell(shared, rules, alpha=0.05) is None  # the rows that seeds share are all the doubt there is


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.012, 0.03])
def test_whole_studies_keep_the_error_and_cover_and_find_what_is_there(spread):
    rng, studies = np.random.default_rng(5), 2000
    rules = LookRules(overlap=0.0)
    found = covered = 0
    for _ in range(studies):
        standing, _ = study(drawn(rng, (0.0, 0.0, 0.0), spread), rules)
        found += standing.certainty == "found"
        covered += all(one.shown[0] <= 0 <= one.shown[1] for one in standing.comparisons.values())
    hits = sum(study(drawn(rng, (0.03, 0.03), 0.015), rules)[0].certainty == "found" for _ in range(300))
    print(
        f"spread {spread}: false {100 * found / studies:.1f} %, covered {100 * covered / studies:.1f} %,"
        f" found {hits / 3:.0f} %"
    )
    assert found / studies < 0.05 + 2 * (0.05 * 0.95 / studies) ** 0.5
    assert covered / studies > 0.93
    assert hits >= 270
