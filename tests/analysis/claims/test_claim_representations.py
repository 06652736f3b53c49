"""Representations: a gain counts that is there at equal parameters and at equal search; transfer to other classes."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_trained import FakeTrained

from textlstm.analysis.claims import grids, representations
from textlstm.analysis.claims.finding import verdict
from textlstm.analysis.claims.grids import OWN
from textlstm.analysis.claims.trained import Place
from textlstm.analysis.claims.transfer import KINDS, probe_scores, transfer_data
from textlstm.errors import DataError, RecipeError
from textlstm.recipe_files import load_recipe
from textlstm.text.datasets import load_data

RECIPE = load_recipe("claims/representations")
ONE = RECIPE.model_copy(update={"claim": None}).override(
    {"grid": {}, "model.hidden_size": 3, "model.embedding_size": 4, "training.epochs": 1, "training.min_updates": 0}
)
CONTROLS = ("matched_parameters_deepest", "tuned")


def planted(monkeypatch, tmp_path, gains, *, classes=4):
    places = [Place(OWN, control, layers, 2000) for control in CONTROLS for layers in (1, 2, 3)]
    fake = FakeTrained(places, lambda place: 0.7 + gains[place.setting] * (place.layers > 1), texts=2000)
    scores = [{kind: {"1": 0.5, "2": 0.5, "3": 0.5} for kind in KINDS} for _ in fake.seeds]
    monkeypatch.setattr(representations, "train_variants", lambda *_, **__: fake)
    data = SimpleNamespace(source="reviews", multi_label=False, label_names=["a", "b", "c", "d"][:classes])
    monkeypatch.setattr(representations, "load_recipe_data", lambda _: data)
    monkeypatch.setattr(representations, "with_test_split", lambda given: given)
    halves = SimpleNamespace(words="learned here, asked there")
    monkeypatch.setattr(representations, "_transfer", lambda *_, **__: (halves, scores))
    return representations.measure(RECIPE, tmp_path, seeds=10, preview=False, tell=print)


def test_a_gain_under_both_controls_is_support(monkeypatch, tmp_path):
    finding = planted(monkeypatch, tmp_path, {CONTROLS[0]: 0.05, CONTROLS[1]: 0.04})
    assert verdict(finding.effect, 1.0, preview=False) == "supported"
    assert "tuned" in finding.effect.name and finding.effect.value == pytest.approx(4.0, abs=0.5)
    for chart in finding.charts:
        assert chart.spec(validate=True)


def test_a_gain_that_equal_parameters_take_away_is_no_support(monkeypatch, tmp_path):
    finding = planted(monkeypatch, tmp_path, {CONTROLS[0]: 0.0, CONTROLS[1]: 0.05})
    assert verdict(finding.effect, 1.0, preview=False) == "no effect beyond the threshold"


def test_two_classes_get_their_verdict_without_transfer(monkeypatch, tmp_path):
    gains = {CONTROLS[0]: 0.05, CONTROLS[1]: 0.04}
    four = planted(monkeypatch, tmp_path, gains)
    two = planted(monkeypatch, tmp_path, gains, classes=2)
    assert two.effect == four.effect and verdict(two.effect, 1.0, preview=False) == "supported"
    assert any("transfer" in effect.name for effect in four.others)
    assert not any("transfer" in effect.name for effect in two.others)
    assert [chart.name for chart in two.charts] == ["scores"]
    assert any("Transfer is left out" in note and "reviews has 2" in note for note in two.notes)


@pytest.mark.parametrize(
    ("changes", "message", "error"),
    [
        ({"grid.layers": [2]}, "fewer than two", RecipeError),
        ({"claim.options": {"transfer": "/nowhere/at/all.csv"}}, "nowhere", DataError),
    ],
)
def test_what_cannot_be_measured_is_refused_before_training(monkeypatch, tmp_path, changes, message, error):
    monkeypatch.setattr(representations, "train_variants", lambda *_, **__: pytest.fail("it was trained"))
    monkeypatch.setattr(representations, "load_recipe_data", lambda _: None)
    monkeypatch.setattr(representations, "with_test_split", lambda given: given)
    with pytest.raises(error, match=message):
        representations.measure(RECIPE.override(changes), tmp_path, seeds=2, preview=True, tell=print)


def four_classes(rows):
    rng = np.random.default_rng(0)
    words = [["ab", "ac"], ["ba", "bc"], ["ca", "cb"], ["da", "db"]]
    labels = [row % 4 for row in range(rows)]
    texts = [" ".join([*rng.choice(["x", "y", "z"], 3), *rng.choice(words[label], 2)]) for label in labels]
    return pa.table({"text": texts, "label": [f"class {label}" for label in labels]})


def test_what_another_set_is_asked_about_is_not_learned(tmp_path):
    """Sets of one kind share texts, as SST-2 and MR do, and a probe would find them known."""
    data = load_data({"train": four_classes(80), "test": four_classes(40)})
    mine = data.splits["train"].text_list()
    for name, texts in {"train": ["one", "two", "three"], "test": [mine[0].upper(), "four"]}.items():
        lines = "".join(f"{text},{'ab'[row % 2]}\n" for row, text in enumerate(texts))
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{lines}")
    halves = transfer_data(data, other=str(tmp_path), seed=0)
    left = halves.learned.splits["train"].text_list()
    assert mine[0] not in left and len(left) == len(mine) - mine.count(mine[0])
    assert halves.learned.fingerprint != data.fingerprint
    assert "left out, because their texts are in a protected split" in halves.words
    (tmp_path / "test.csv").write_text("text,label\nfour,a\nfive,b\n")
    assert transfer_data(data, other=str(tmp_path), seed=0).learned is data


def several_labels(rows):
    table = four_classes(rows)
    lists = [["x", label] if row % 3 else [label] for row, label in enumerate(table["label"].to_pylist())]
    return table.set_column(1, "label", pa.array(lists))


def test_another_set_with_several_labels_a_text_is_refused_before_training(monkeypatch, tmp_path):
    other = tmp_path / "other.parquet"
    pq.write_table(several_labels(40), other)
    data = load_data({"train": four_classes(80), "test": four_classes(40)})
    monkeypatch.setattr(representations, "train_variants", lambda *_, **__: pytest.fail("it was trained"))
    monkeypatch.setattr(representations, "load_recipe_data", lambda _: data)
    recipe = RECIPE.override({"claim.options": {"transfer": str(other)}})
    with pytest.raises(DataError, match=r"A probe tells one label a text, and .*other\.parquet has several; name"):
        representations.measure(recipe, tmp_path, seeds=2, preview=True, tell=print)


def test_stacks_that_learned_several_labels_are_asked_for_one(tmp_path):
    pq.write_table(four_classes(60), tmp_path / "other.parquet")
    data = load_data({"train": several_labels(80), "test": several_labels(40)})
    halves = transfer_data(data, other=str(tmp_path / "other.parquet"), seed=0)
    assert halves.learned.multi_label and not halves.asked.multi_label
    scores = probe_scores(ONE, halves, widths={1: 3}, size="full")
    assert set(scores) == set(KINDS)


def test_half_of_the_classes_are_learned_and_the_others_asked_for():
    data = load_data({"train": four_classes(80), "test": four_classes(40)})
    halves = transfer_data(data, other=None, seed=0)
    learned, asked = halves.learned.label_names, halves.asked.label_names
    assert sorted([*learned, *asked]) == data.label_names and len(learned) == 2
    shared = set(halves.learned.splits["train"].text_list()) & set(halves.asked.splits["train"].text_list())
    assert not shared
    assert any(transfer_data(data, other=None, seed=seed).learned.label_names != learned for seed in range(1, 6))
    scores = probe_scores(ONE, halves, widths={1: 3, 2: 2}, size="full")
    assert set(scores) == set(KINDS)
    assert all(0 <= right <= 1 for by_depth in scores.values() for right in by_depth.values())


def test_two_classes_cannot_be_halved():
    table = four_classes(40)
    two = table.set_column(1, "label", pa.array([str(row % 2) for row in range(40)]))
    with pytest.raises(DataError, match=r"takes four classes or more .*claim\.options\.transfer=DATA"):
        transfer_data(load_data({"train": two}), other=None, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [4, 2])
def test_a_claim_is_measured(tmp_path, monkeypatch, classes):
    monkeypatch.setattr(grids, "workers_for", lambda *_: (1, None))
    table = four_classes(160)
    labels = pa.array([f"class {row % classes}" for row in range(160)])
    pq.write_table(table.set_column(1, "label", labels), tmp_path / "texts.parquet")
    recipe = RECIPE.override(
        {
            "data.source": str(tmp_path / "texts.parquet"),
            "grid.controls": ["matched_parameters"],
            "grid.layers": [1, 2],
            "grid.sizes": ["full"],
            "grid.seeds": 2,
            "model.hidden_size": 3,
            "model.embedding_size": 4,
            "training.epochs": 1,
            "training.min_updates": 0,
        }
    )
    finding = representations.measure(recipe, tmp_path / "runs", seeds=2, preview=True, tell=print)
    assert finding.effect.seeds == 2 and np.isfinite(finding.effect.value)
    assert [chart.name for chart in finding.charts] == (["scores", "transfer"] if classes == 4 else ["scores"])
    assert len(list((tmp_path / "runs").glob("transfer/*.json"))) == (2 if classes == 4 else 0)


def test_an_unknown_option_is_refused(tmp_path):
    wrong = RECIPE.override({"claim.options": {"transfr": "x"}})
    with pytest.raises(RecipeError, match="names transfr"):
        representations.measure(wrong, tmp_path, seeds=2, preview=True, tell=print)
