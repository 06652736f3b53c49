"""The command `run` with a claim: what it would take, what it prints, and what it refuses."""

import json

import pytest

from textlstm.analysis.claims import campaign, planning
from textlstm.analysis.claims.campaign import CLAIMS
from textlstm.analysis.claims.finding import Effect, Finding
from textlstm.experiment import capacity
from textlstm.recipe_files import load_recipe

LONG = "listops:max_depth=4,max_length=60,train=5000,validation=200,test=200"
"""As many texts as the sizes ask for, and long enough that most are cut at `tokenizer.max_length`."""
MOST_MINUTES = {True: 5, False: 30}
"""Of a preview, and of --full."""


@pytest.fixture
def two_processors(monkeypatch):
    monkeypatch.setattr(capacity, "choose_workers", lambda **_: (2, None))


def test_every_claim_tells_its_cells_and_keeps_to_its_minutes_on_two_processors(two_processors, tmp_path, succeed):
    said = succeed("run", "claims/all", "--set", f"data={LONG}", "--out", tmp_path / "x", "--dry-run", "--json")
    plans = json.loads(said.out)
    assert [plan["claim"] for plan in plans[::2]] == [f"claims/{name}" for name in CLAIMS]
    for plan in plans:
        assert plan["minutes"] <= MOST_MINUTES[plan["preview"]], plan["claim"]
        assert plan["minutes"] <= plan["processor_minutes"] <= 2 * plan["minutes"] and plan["minutes"] > 0
        assert plan["seeds"] == list(range(3 if plan["preview"] else 10))
        assert plan["cells"].startswith("layers ") and len(plan["hash"]) == 16
        assert (plan["runs"] > 0) == (plan["claim"] != "claims/cost")
    assert not (tmp_path / "x").exists()


def test_a_dry_run_shows_both_plans_and_what_would_be_laid_down(folder, succeed):
    asked = ["run", "claims/gradients", "--set", f"data={folder / 'train.csv'}", "--dry-run"]
    preview, full = succeed(*asked).out, succeed(*asked, "--full").out
    table = [line for line in preview.splitlines() if line.startswith("│")]
    assert len(table) == 2 and table[0] in full and table[1] in full
    for said, name in ((preview, "preview"), (full, "--full")):
        plan = planning.plan_claim(
            load_recipe("claims/gradients"),
            full=name == "--full",
            settings={"data": str(folder / "train.csv")},
        )
        assert f"Hash of the {name}: {plan.statement.hash}" in said
        assert f"Cells of the {name}: layers {', '.join(map(str, plan.recipe.grid.layers))}; labels full" in said
        assert "so that the sizes are ['full']" in said and plan.statement.estimand in said


def test_copies_of_texts_take_their_time():
    plain = load_recipe("claims/data-hunger").override(
        {"data.source": LONG, "grid.sizes": [2000, 4000], "grid.seeds": 1}
    )
    more = plain.override({"claim.variants": {"augmentation": {"augmentation.copies": 4}}})
    seconds = [sum(planning._work(one).runs) for one in (plain.override({"claim.variants": {}}), plain, more)]
    assert seconds[0] * 2 < seconds[1] < seconds[2]


def test_a_measured_claim_is_printed_with_its_effect_its_hash_and_what_would_overturn_it(
    folder, tmp_path, monkeypatch, succeed
):
    effect = Effect("price", 2.5, 2.0, 3.0, "% of one layer", 3)
    finding = Finding(effect, overturn="A cheaper layer.")
    monkeypatch.setattr(campaign, "_measure_of", lambda name: lambda *_, **how: finding)
    asked = ["run", "claims/cost", "--set", f"data={folder / 'train.csv'}", "--out", tmp_path]
    said = succeed(*asked)
    record = json.loads(succeed(*asked, "--json").out)
    for part in ("+2.50 [+2.00, +3.00] % of one layer", "What would overturn it: A cheaper layer.", "Undecided"):
        assert part in said.out
    assert f"hash {record['stated']['hash']}" in said.out and record["overturn"] == "A cheaper layer."
    assert (tmp_path / "preview" / "claim.html").exists()


def test_what_has_no_effect_on_a_claim_is_refused(fail):
    assert "--workers spreads the cells" in fail(2, "run", "claims/cost", "--workers", "2")
    assert "claims/nothing" in fail(2, "run", "claims/nothing")
