"""Claims: the verdict's rule, what is stated first, whose settings win, and a round in which one claim fails."""

import json
import math
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.analysis.claims import campaign
from textlstm.analysis.claims.campaign import CLAIMS, run_all_claims, run_claim
from textlstm.analysis.claims.effects import written
from textlstm.analysis.claims.finding import Effect, Finding, looks_large, verdict
from textlstm.analysis.claims.grids import planned_data
from textlstm.analysis.claims.pages import claims_table_rows
from textlstm.analysis.claims.planning import planned_recipe
from textlstm.analysis.claims.record import (
    AllClaims,
    ClaimReport,
    ClaimsRow,
    EffectRecord,
    answer_of,
    claim_hash,
    state,
)
from textlstm.errors import DataError, RecipeError
from textlstm.recipe import validate
from textlstm.recipe_files import load_recipe, parse_override

PLAIN = {
    "name": "claims/x",
    "data": {"source": "pydocs", "label_column": "label"},
    "claim": {
        "name": "cost",
        "statement": "Deeper is <b>dearer</b>.",
        "estimand": "The price.",
        "threshold": 1.0,
        "unit": "points",
        "preview": {"seeds": 3, "model.hidden_size": 8},
        "full": {"seeds": 10},
    },
}
CLAIM = validate(PLAIN, origin="test")


def effect(low, high):
    return Effect("price", (low + high) / 2, low, high, "points", 3)


def say(_):
    """Nobody listens."""


@given(st.floats(-10, 10), st.floats(0, 10), st.floats(0, 5))
def test_the_verdict_turns_with_the_interval_and_a_preview_never_decides(low, width, threshold):
    one = effect(low, low + width)
    word = verdict(one, threshold, preview=False)
    assert (word == "supported") == (one.low > threshold)
    assert (word == "contradicted") == (one.high < -threshold)
    inside = one.high <= threshold and not one.high < -threshold
    assert (word == "no effect beyond the threshold") == inside
    assert verdict(one, threshold, preview=True) == "undecided"
    assert looks_large(one, threshold) == (word in ("supported", "contradicted"))


@pytest.mark.parametrize(("low", "told"), [(-0.5, False), (-3.0, True)])
def test_no_effect_says_where_an_effect_against_the_claim_is_not_ruled_out(low, told):
    finding, stated = Finding(effect(low, 0.4)), state(CLAIM, preview=False)
    word = verdict(finding.effect, stated.threshold, preview=False)
    answer = answer_of(finding, word, stated, large=False, words=written(finding.effect))
    assert answer[0] == "No effect beyond the threshold."
    assert ("an effect against the claim is not" in answer[-1]) == told


def test_an_effect_that_is_not_known_decides_nothing():
    unknown = Effect("price", math.nan, math.nan, math.nan, "points", 1)
    unbounded = Effect("price", 1.0, -math.inf, math.inf, "points", 1)
    assert verdict(unknown, 0.0, preview=False) == verdict(unbounded, 0.0, preview=False) == "undecided"
    assert "no interval" in written(unbounded) and written(unknown) == "not known"


@pytest.mark.parametrize("key", ["claim.threshold", "claim.estimand", "claim.statement", "claim.unit"])
def test_what_is_stated_is_hashed_but_changes_no_measurement(key):
    other = CLAIM.override({key: 2.0 if key == "claim.threshold" else "other"})
    assert claim_hash(other, preview=True) != claim_hash(CLAIM, preview=True)
    assert other.fingerprint() == CLAIM.fingerprint()


def test_seeds_settings_and_plan_are_hashed_and_a_plain_recipe_keeps_its_fingerprint():
    preview, _ = planned_recipe(CLAIM, full=False)
    seeds, _ = planned_recipe(CLAIM, full=False, settings={"grid.seeds": 5})
    width, _ = planned_recipe(CLAIM, full=False, settings={"model.hidden_size": 16})
    assert seeds.fingerprint() == preview.fingerprint() != width.fingerprint()
    hashes = [claim_hash(one, preview=True) for one in (preview, seeds, width)] + [claim_hash(preview, preview=False)]
    assert len(set(hashes)) == 4
    bare = {key: value for key, value in PLAIN.items() if key != "claim"}
    assert CLAIM.model_copy(update={"claim": None}).fingerprint() == validate(bare, origin="test").fingerprint()


def test_the_plan_is_applied_and_the_user_wins():
    preview, _ = planned_recipe(CLAIM, full=False)
    full, _ = planned_recipe(CLAIM, full=True)
    assert (len(preview.seeds), preview.model.hidden_size) == (3, 8)
    assert (len(full.seeds), full.model.hidden_size) == (10, 128)
    own, _ = planned_recipe(CLAIM, full=False, settings={"model.hidden_size": 12, "grid.seeds": 2})
    assert (len(own.seeds), own.model.hidden_size) == (2, 12)


def test_other_data_take_nothing_over_and_too_large_sizes_are_left_out():
    sized = CLAIM.override({"grid.sizes": [100, 4000, 100_000]})
    chosen, notes = planned_recipe(sized, full=False, settings={"data": "pydocs"})
    assert (chosen.data.source, chosen.data.label_column) == ("pydocs", None)
    assert chosen.grid.sizes == [100, 4000]
    assert "100000" in notes[0]
    kept, notes = planned_recipe(CLAIM.override({"claim.keeps_data": True}), full=False, settings={"data": "my.csv"})
    assert kept.data.source == "pydocs" and "not on my.csv" in notes[0]


def test_a_plan_that_does_not_fit_is_refused_with_its_name():
    with pytest.raises(RecipeError, match=r"claim\.preview: model\.hidden_siz: no such key"):
        CLAIM.override({"claim.preview": {"seeds": 3, "model.hidden_siz": 8}})
    with pytest.raises(RecipeError, match="no `claim:` part"):
        planned_recipe(CLAIM.model_copy(update={"claim": None}), full=False)


@pytest.fixture
def fake(monkeypatch):
    """A measurement that costs nothing; it counts how often it was made."""
    made = []

    def measure(recipe, folder, *, seeds, preview, tell):
        stated = json.loads((folder.parent / "stated.json").read_text())
        assert stated[-1]["fingerprint"] == recipe.fingerprint()  # before anything is measured
        made.append(folder)
        return Finding(
            effect(2.0, 3.0), others=[effect(0.0, 1.0)], table=[{"layers": 1, "<i>": 2.5}], overturn="A cheaper layer."
        )

    monkeypatch.setattr(campaign, "_measure_of", lambda name: measure)
    return made


@pytest.mark.parametrize(("full", "word"), [(True, "supported"), (False, "undecided")])
def test_a_claim_leaves_its_statement_its_json_and_its_page(tmp_path, fake, full, word):
    report = run_claim(CLAIM, tmp_path, full=full, tell=say)
    folder = tmp_path / ("full" if full else "preview")
    assert report.verdict == word
    assert ("looks large" in report.answer[0]) == (not full)
    assert ClaimReport.model_validate_json((folder / "claim.json").read_text()) == report
    assert report.data_fingerprint == planned_data(CLAIM).fingerprint
    page = (folder / "claim.html").read_text()
    for part in ("The price.", report.stated.hash, "A cheaper layer.", "&lt;b&gt;dearer", "&lt;i&gt;", "1 points"):
        assert part in page
    assert "<b>dearer" not in page
    assert {path.name for path in (folder / "charts").iterdir()} == {"effects.svg", "effects.png"}


def test_a_threshold_that_was_moved_afterwards_is_told(tmp_path, fake):
    first = run_claim(CLAIM, tmp_path, full=True, tell=say)
    again = run_claim(CLAIM, tmp_path, full=True, tell=say)
    assert again.stated == first.stated and not again.notes
    moved = run_claim(CLAIM.override({"claim.threshold": 0.5}), tmp_path, full=True, tell=say)
    assert first.stated.hash in moved.notes[0] and "threshold was 1.0, is 0.5" in moved.notes[0]
    assert fake[0] == fake[2]  # the same measurements
    other = run_claim(CLAIM.override({"model.hidden_size": 9}), tmp_path, full=True, tell=say)
    assert not other.notes and fake[3] != fake[0]


def test_one_failing_claim_does_not_stop_the_others(tmp_path, monkeypatch, fake):
    whole = campaign._measure_of("cost")

    def broken(*args, **kwargs):
        raise DataError("No such data.")

    monkeypatch.setattr(campaign, "_measure_of", lambda name: broken if name == "cost" else whole)
    claims = run_all_claims(load_recipe("claims/all"), tmp_path, full=True, tell=say)
    by_name = {row.name: row for row in claims.rows}
    assert set(by_name) == set(CLAIMS)
    assert by_name["cost"].verdict is None and "No such data" in by_name["cost"].problem
    assert all(row.verdict is not None for name, row in by_name.items() if name != "cost")
    page = (tmp_path / "all.html").read_text()
    assert "not measured: No such data" in page
    for row in claims.rows:
        assert (tmp_path / row.folder / "claim.html").exists() == (row.verdict is not None)


def test_each_claim_of_all_says_how_to_repeat_it_on_the_same_data(tmp_path, monkeypatch, fake):
    monkeypatch.setattr(campaign, "CLAIMS", ("cost",))
    settings = {"data": "pydocs", "grid.layers": [1, 3], "data.label_column": "label"}
    claims = run_all_claims(load_recipe("claims/all"), tmp_path, full=True, tell=say, settings=settings)
    report = ClaimReport.model_validate_json((tmp_path / "cost" / "full" / "claim.json").read_text())
    for command, name, folder in ((report.command, "cost", tmp_path / "cost"), (claims.command, "all", tmp_path)):
        words = shlex.split(command)
        assert words[:4] == ["textlstm", "run", f"claims/{name}", "--full"] and words[-2:] == ["--out", str(folder)]
        assert dict(parse_override(word) for word in words[5:-2:2]) == settings


@pytest.mark.parametrize("full", [True, False])
def test_a_preview_of_all_says_where_an_effect_looks_large(full):
    def row(low, high):
        shown = EffectRecord(name="price", value=(low + high) / 2, low=low, high=high, unit="points", seeds=3, note="")
        return ClaimsRow(
            name="cost", statement="", verdict="undecided", effect=shown, threshold=1.0, hash="", folder="cost/full"
        )

    claims = AllClaims(preview=not full, data="d", rows=[row(2, 3), row(-3, -2), row(0, 3)], command="c")
    words = [cells[1] for cells in claims_table_rows(claims)]
    large = ["undecided; looks large, as the claim says", "undecided; looks large, against the claim"]
    assert words == (["undecided"] * 3 if full else [*large, "undecided"])


def test_every_claim_has_a_recipe_and_a_measurement():
    for name in CLAIMS:
        recipe = load_recipe(f"claims/{name}")
        assert recipe.claim.name == name
        assert callable(campaign._measure_of(name))
    with pytest.raises(RecipeError, match=r"claim\.name should be one of"):
        campaign._measure_of("luck")
