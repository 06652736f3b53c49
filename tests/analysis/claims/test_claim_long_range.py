"""The half-maximum distance, what censoring leaves open, and the claim from its recipe to a finding."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from textlstm.analysis.claims.censored import Crossing
from textlstm.analysis.claims.long_range import distance_effect, measure, recall_at
from textlstm.errors import RecipeError
from textlstm.recipe_files import load_recipe
from textlstm.text.corpora import generate


def test_a_distance_beyond_the_ladder_is_open_upwards():
    known, beyond = Crossing(3.0, 3.0), Crossing(5.0, np.inf)
    words = distance_effect("1 layer", [known, known, beyond])
    assert np.isinf(words.high)
    assert words.value == pytest.approx(2 ** (11 / 3))
    assert "1 of 3" in words.note


def test_the_distance_of_the_corpus_is_replaced():
    assert recall_at("recall", 8) == "recall:distance=8"
    assert recall_at("recall:distance=20,pairs=2", 8) == "recall:pairs=2,distance=8"


@pytest.mark.parametrize("plan", ["preview", "full"])
def test_bag_and_bigrams_are_at_chance_on_the_claims_own_corpora(plan):
    recipe = load_recipe("claims/long-range")
    recipe = recipe.planned(getattr(recipe.claim, plan))
    for distance in recipe.claim.options["distances"]:
        splits, names = generate(recall_at(recipe.data.source, distance))
        (train, train_labels), (test, test_labels) = splits["train"], splits["test"]
        for ngrams in ((1, 1), (1, 2)):
            words = TfidfVectorizer(ngram_range=ngrams)
            fitted = LogisticRegression(max_iter=500).fit(words.fit_transform(train), train_labels)
            score = fitted.score(words.transform(test), test_labels)
            # Four standard errors: there are eighteen looks.
            assert abs(score - 1 / len(names)) < 4 * np.sqrt(0.25 / len(test)), (distance, ngrams)


def tiny_claim(**options):
    return load_recipe("claims/long-range").override(
        {
            "data.source": "recall:pairs=2,values=2,keys=4,fillers=9,train=40,validation=20,test=40",
            "grid.layers": [1, 2],
            "grid.seeds": 2,
            "model.hidden_size": 4,
            "training.epochs": 1,
            "training.min_updates": 0,
            "claim.options": {"distances": [4, 8], "beside_seeds": 1, **options},
        }
    )


@pytest.mark.slow
def test_a_claim_is_measured_resumed_and_shown_with_what_stands_beside(tmp_path):
    said = []
    recipe = tiny_claim()
    first = measure(recipe, tmp_path, seeds=2, preview=True, tell=said.append)
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    assert len(finished) == 2 * (2 * 2 + 2 * 2 * 1)  # distances x (depths x seeds, and variants x depths x one seed)
    again = measure(recipe, tmp_path, seeds=2, preview=True, tell=said.append)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")} == finished
    np.testing.assert_equal(again.effect, first.effect)
    assert first.effect.seeds == 2
    stacks = [row["stack"] for row in first.table]
    assert stacks[:2] == ["1 layer", "2 layers"]
    assert {"1 layer, pooled by max", "2 layers, two directions"} < set(stacks)
    assert first.charts[0].spec(validate=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.source": "pydocs"}, "generated corpus recall"),
        ({"grid.layers": [2]}, "compares depths"),
        ({"claim.options": {"distances": [8, 4]}}, "rising whole numbers"),
        ({"claim.options": {"distances": [4, 8], "beside_seeds": -1}}, "beside_seeds"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_training(changes, message, tmp_path):
    with pytest.raises(RecipeError, match=message):
        measure(tiny_claim().override(changes), tmp_path, seeds=2, preview=True, tell=lambda _: None)
    assert not list(tmp_path.rglob("result.json"))
