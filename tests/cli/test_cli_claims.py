"""The command `run` with a claim: what it would take, what it prints, and what it refuses."""

import json

import pytest

from textlstm.analysis.claims import campaign, planning
from textlstm.analysis.claims.campaign import CLAIMS
from textlstm.analysis.claims.finding import Effect, Finding
from textlstm.analysis.claims.grids import planned_data
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


def test_a_dry_run_of_all_goes_on_past_a_claim_that_the_data_is_too_small_for(folder, monkeypatch, succeed, fail):
    monkeypatch.setattr(campaign, "CLAIMS", ("tuning", "cost", "data-hunger"))
    asked = ["--set", f"data={folder / 'train.csv'}", "--dry-run"]
    said = succeed("run", "claims/all", *asked).out
    assert "claims/cost" in said
    assert "claims/tuning could not be measured: The tuning claim chooses configurations on validation rows" in said
    assert "claims/data-hunger could not be measured" in said and "three sizes or more" in said
    plans = json.loads(succeed("run", "claims/all", *asked, "--json").out)
    assert [plan["claim"] for plan in plans if "problem" in plan] == ["claims/tuning", "claims/data-hunger"]
    assert "validation rows" in fail(2, "run", "claims/tuning", *asked)


def test_claims_plan_their_workers_by_what_a_run_takes(monkeypatch):
    """As `advise` and `run` do: a stack of 1,024 units takes far more than the 700 MiB of a small one."""
    monkeypatch.setattr(capacity, "available_threads", lambda: 8)
    monkeypatch.setattr(capacity, "available_memory", lambda: 6 * 2**30)
    small = {"data": LONG, "device": "cpu"}
    large = {**small, "model.hidden_size": 1024, "model.embedding_size": 1024, "training.batch_size": 256}
    for name in set(CLAIMS) - {"cost", "tuning"}:  # one times alone; the other draws its own units
        recipe = load_recipe(f"claims/{name}")
        settings = [large, small]
        if name == "capacity":  # ListOps has settings of its own, so that the ladder decides
            settings = [{key: value for key, value in one.items() if key != "model.embedding_size"} for one in settings]
        few, many = (
            planning._work(planning.planned_recipe(recipe, full=False, settings=one, read=planned_data)[0]).workers
            for one in settings
        )
        assert 1 <= few < many <= 8, name


def test_copies_of_texts_take_their_time():
    plain = load_recipe("claims/data-hunger").override(
        {"data.source": LONG, "grid.sizes": [1000, 2000, 4000], "grid.seeds": 1}
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


@pytest.mark.parametrize("name", ["cost", "all"])
def test_an_interrupted_claim_says_that_it_can_go_on(folder, tmp_path, monkeypatch, invoke, name):
    def interrupted(*_, **how):
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "_measure_of", lambda name: interrupted)
    done = invoke("run", f"claims/{name}", "--set", f"data={folder / 'train.csv'}", "--out", tmp_path / "claim")
    assert done.code == 1
    assert "Interrupted; what is finished is in" in done.err and "goes on from there" in done.err


def test_what_has_no_effect_on_a_claim_is_refused(fail):
    assert "--workers spreads the cells" in fail(2, "run", "claims/cost", "--workers", "2")
    assert "claims/nothing" in fail(2, "run", "claims/nothing")
