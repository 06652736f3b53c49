"""Plans in words: what would do, and what would not even then."""

import numpy as np
import pytest
from scipy.special import ndtri

from textlstm.stats.paired import Difference, paired_difference
from textlstm.stats.planning import MOST_TIMES, Plan, forecast, movement, plan_more


def test_what_would_not_do_is_said_to_be_more():
    hopeless = Difference(0.009, -9, 9, 3.0, 4.0, 5, 10, 0.5, 0.5, 0.0, 0.0, True, 2.0, 1.0, 9)
    plan = plan_more({(1, 2): hopeless, (2, 1): hopeless.reversed()}, [1, 2], delta=0.0091, alpha=0.05)
    assert not plan.suffices
    assert (
        plan.needed
        == f"more than {5 * MOST_TIMES:,} more seeds a depth and more than {10 * MOST_TIMES:,} more test texts"
    )


@pytest.mark.parametrize(
    ("seeds", "texts", "words"),
    [
        (1, None, "about 1 more seed a depth"),
        (12, None, "about 12 more seeds a depth"),
        (None, 1200, "about 1,200 more test texts"),
        (3, 400, "about 3 more seeds a depth and about 400 more test texts"),
    ],
)
def test_what_would_do_is_named(seeds, texts, words):
    assert Plan(seeds is not None, seeds, texts, 0.01).needed == words


@pytest.mark.parametrize("seed", range(8))
def test_a_plan_near_the_border_knows_of_few_degrees_of_freedom(seed):
    """Where one depth varies more than the other, its bound is wider than shares alone foretell."""
    rng = np.random.default_rng(seed)
    shallow, deep = (rng.normal(size=(8, 400)) / 9 + noise * rng.normal(size=(8, 1)) for noise in (0.05, 1.0))
    pair = paired_difference(shallow, deep - deep.mean() + shallow.mean(), pairing="unpaired")
    room = 0.97 * (pair.bound("upper", 0.05) - pair.value)
    plan = plan_more({(1, 2): pair, (2, 1): pair.reversed()}, [1, 2], delta=room, alpha=0.05)
    seeds = 8 + np.array([plan.more_seeds - 1, plan.more_seeds])
    luck = ndtri(0.8) * movement(pair, seeds=seeds, examples=400)
    few, enough = forecast(pair, 0.05, seeds=seeds, examples=400) + luck
    assert enough < room < 1.01 * few
