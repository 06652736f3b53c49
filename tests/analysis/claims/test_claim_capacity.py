"""Capacity: what counts as fitted, the ladder with its censoring, slopes over nesting, and the claim end to end."""

import numpy as np
import pytest

from textlstm.analysis.claims import capacity, grids, ladder
from textlstm.analysis.claims.capacity import measure, planned_work, read_options, stacks_of
from textlstm.analysis.claims.finding import verdict
from textlstm.analysis.claims.ladder import Stack
from textlstm.analysis.claims.memorization import Course, fit_texts, random_texts
from textlstm.analysis.claims.nesting import Nested, slope_over_levels
from textlstm.errors import DataError, RecipeError
from textlstm.model import TextLSTMConfig
from textlstm.recipe_arithmetic import stack_size
from textlstm.recipe_files import load_recipe
from textlstm.text.datasets import load_data

WORDS = [f"{a}{b}" for a in "bdfgk" for b in "aeiou"]
COURSE = Course(fixed_updates=20, most_updates=300, patience=100, batch_size=32, max_grad_norm=1.0)


@pytest.fixture(scope="module")
def texts_csv(tmp_path_factory):
    """60 texts of four words, each of them twice."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 4)) for _ in range(60)]
    path = tmp_path_factory.mktemp("texts") / "texts.csv"
    rows = [f"{text},{label}" for label, text in enumerate(texts)] + [
        f"{text},{label}" for label, text in enumerate(texts)
    ]
    path.write_text(
        "text,label\n" + "\n".join(f"{row.rpartition(',')[0]},{int(row.rpartition(',')[2]) % 2}" for row in rows)
    )
    return path


def tiny_claim(source, **options):
    recipe = load_recipe("claims/capacity")
    own = {
        "ladder": [4, 8, 16],
        "learning_rates": [0.02],
        "fixed_updates": 5,
        "most_updates": 10,
        "patience": 5,
        "nesting": {
            "data.source": "listops:max_depth=2,max_length=16,train=40,validation=20,test=40",
            "training.epochs": 1,
            "training.min_updates": 0,
        },
        **options,
    }
    return recipe.override({"data.source": str(source), "grid.layers": [1, 2], "grid.seeds": 2, "claim.options": own})


def small_config(texts, layers=1):
    return TextLSTMConfig(
        vocab_size=texts.vocab_size,
        pad_token_id=texts.pad_id,
        num_labels=2,
        num_layers=layers,
        embedding_size=8,
        hidden_size=6,
        embedding_init_std=1.0,
        **{f"{place}_dropout": 0.0 for place in ("embedding", "input", "layer", "output")},
    )


def test_no_two_texts_are_alike_and_labels_are_even_in_every_prefix(texts_csv):
    recipe, data = tiny_claim(texts_csv), load_data(str(texts_csv))
    texts = random_texts(recipe, data, most=1000, seed=1)
    ids = [texts.encoded[row].tobytes() for row in range(len(texts))]
    assert len(ids) == len(set(ids)) <= 60
    for prefix in range(2, len(texts)):
        assert abs(texts.labels[:prefix].sum() - prefix / 2) <= 0.5
    fewer = random_texts(recipe, data, most=10, seed=1)
    assert [fewer.encoded[row].tobytes() for row in range(10)] == ids[:10]
    assert not np.array_equal(random_texts(recipe, data, most=40, seed=2).labels, texts.labels[:40])


def test_few_texts_are_fitted_and_many_are_not_within_the_same_updates(texts_csv):
    texts = random_texts(tiny_claim(texts_csv), load_data(str(texts_csv)), most=50, seed=0)
    few = fit_texts(small_config(texts), texts, 4, learning_rate=0.05, course=COURSE, seed=0)
    assert few.saturated == 1.0 and few.updates < COURSE.most_updates and not few.capped
    frozen = fit_texts(small_config(texts), texts, 50, learning_rate=1e-8, course=COURSE, seed=0)
    assert frozen.saturated < 0.99
    # Nothing is gained after the first look, so that patience ends it.
    assert frozen.updates <= 25 + COURSE.patience + 25
    again = fit_texts(small_config(texts), texts, 4, learning_rate=0.05, course=COURSE, seed=0)
    assert again == few


def test_equal_parameters_are_equal_and_the_deepest_is_one_stack_under_both_controls():
    recipe = load_recipe("claims/capacity")
    stacks = stacks_of(recipe, [1, 2, 3])
    assert stacks["fixed_width", 3] == stacks["matched_parameters_deepest", 3] == Stack(3, 4)
    sizes = []
    for layers in (1, 2, 3):
        widths = stacks["matched_parameters_deepest", layers].widths
        widths = widths if isinstance(widths, int) else list(widths)
        changed = recipe.model_copy(update={"claim": None}).override(
            {"grid": {}, "model.num_layers": layers, "model.hidden_size": widths}
        )
        sizes.append(stack_size(changed, num_labels=2).stack)
    assert max(sizes) / min(sizes) < 1.1


@pytest.fixture
def planted(monkeypatch, tmp_path):
    """Measures a claim in which n texts are fitted by a stack of so many parameters."""

    def run(fitted):
        def climb(recipe, data, folder, stacks, ladder, options, seeds, tell):
            found = {}
            for stack in stacks:
                found[stack] = []
                for seed in range(seeds):
                    rungs = {}
                    for rung in ladder:
                        right = 1.0 if rung <= fitted(stack) * 2 ** (0.05 * (seed % 3)) else 0.9
                        rungs[str(rung)] = {"fixed": right - 0.01, "saturated": right, "capped": False}
                        if right < 0.99:
                            break
                    found[stack].append({"rungs": rungs, "rate": 0.01})
            return found

        monkeypatch.setattr(capacity, "measure_stacks", climb)
        monkeypatch.setattr(capacity, "load_recipe_data", lambda _: None)
        monkeypatch.setattr(capacity, "fitting_ladder", lambda *_: ([128, 256, 512, 1024, 2048, 4096], []))
        monkeypatch.setattr(capacity, "nesting_gains", lambda *_, **__: Nested([], [], []))
        recipe = load_recipe("claims/capacity")
        return measure(recipe, tmp_path, seeds=10, preview=False, tell=lambda _: None)

    return run


def test_depth_that_only_brings_parameters_is_no_capacity_of_its_own(planted):
    parameters = {Stack(1, 4): 300, Stack(2, 4): 600, Stack(3, 4): 1200}
    finding = planted(lambda stack: parameters.get(stack, 1200))
    by_control = {effect.name: effect for effect in (finding.effect, *finding.others)}
    width = next(e for name, e in by_control.items() if "fixed width" in name and "saturation" in name)
    assert verdict(width, 0.25, preview=False) == "supported" and width.value == pytest.approx(2.0)
    assert "matched" in finding.effect.name
    assert verdict(finding.effect, 0.25, preview=False) == "no effect beyond the threshold"


def test_depth_that_fits_more_at_equal_parameters_is_supported(planted):
    finding = planted(lambda stack: 300 * 4**stack.layers / 4)
    assert verdict(finding.effect, 0.25, preview=False) == "supported"
    assert finding.charts[0].spec(validate=True)
    assert [row["layers"] for row in finding.table] == [1, 2, 3, 1, 2, 3]


def test_stacks_that_all_fit_the_last_rung_decide_nothing(planted):
    finding = planted(lambda stack: 10**6)
    assert verdict(finding.effect, 0.25, preview=False) == "undecided"
    assert all(row["seeds beyond the ladder"] == 10 for row in finding.table)


def test_the_slope_over_levels_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    levels, contrast = rng.integers(1, 5, 200), rng.normal(size=(3, 200))
    expected = [np.polyfit(levels, row, 1)[0] for row in contrast]
    np.testing.assert_allclose(slope_over_levels(contrast, levels).mean(axis=1), expected, rtol=1e-9)
    with pytest.raises(RecipeError, match="two levels"):
        slope_over_levels(contrast, np.ones(200, dtype=np.int64))


def test_a_rate_that_diverged_is_not_taken(texts_csv, tmp_path, monkeypatch):
    monkeypatch.setattr(ladder, "kept", lambda *_: {"losses": {"0.1": float("nan"), "0.01": 0.4, "0.001": 0.6}})
    recipe = tiny_claim(texts_csv)
    options = read_options(recipe)
    asked = {"recipe": recipe, "data": load_data(texts_csv), "folder": tmp_path, "ladder": [4, 8], "options": options}
    assert ladder.kept_rate(Stack(1, 4), **asked) == 0.01


@pytest.mark.slow
def test_a_claim_is_measured_and_resumed(texts_csv, tmp_path, monkeypatch):
    monkeypatch.setattr(ladder, "workers_for_run", lambda *_: (1, None))
    monkeypatch.setattr(grids, "workers_for", lambda *_: (1, None))
    recipe = tiny_claim(texts_csv)
    first = measure(recipe, tmp_path, seeds=2, preview=True, tell=lambda _: None)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json") if path.name != "plan.json"}
    again = measure(recipe, tmp_path, seeds=2, preview=True, tell=lambda _: None)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    np.testing.assert_equal(again.effect, first.effect)
    rates = len(read_options(recipe).learning_rates)
    assert len(planned_work(recipe)[0]) == 3 * rates + 3 * 2 * 3 + 3 * 2
    assert {effect.unit for effect in first.others} == {"doublings", "points a level"}
    for chart in first.charts:
        assert chart.spec(validate=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ladder": [8, 4]}, "rising whole numbers"),
        ({"learning_rates": []}, "learning_rates"),
        ({"most_updates": 1}, "whole numbers"),
        ({"speed": 1}, "names speed"),
        ({"nesting": {"data.source": "pydocs"}}, "listops"),
    ],
)
def test_wrong_options_are_refused(options, message, tmp_path):
    with pytest.raises(RecipeError, match=message):
        recipe = tiny_claim("pydocs", **options)
        read_options(recipe)
        planned_work(recipe)


def test_too_few_different_texts_are_told(texts_csv, tmp_path):
    with pytest.raises(DataError, match="needs 500 texts that differ"):
        measure(tiny_claim(texts_csv, ladder=[100, 500]), tmp_path, seeds=2, preview=True, tell=lambda _: None)
