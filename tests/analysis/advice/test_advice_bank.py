"""The bank and its replays: packed and unpacked alike, false findings rare, planted gains found, live as replayed."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textlstm.analysis.advice.looks import LookRules
from textlstm.results import predictions_table, write_run

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
import advice_bank
import advice_tables
from advice_bank import BANK_FILE, bank_data, pack, train, unpack
from advice_replay import POLICIES, drawn, found_share, judge, one_word, planted, replay, shuffled, usual_gains
from advice_tables import live

RULES = LookRules()


def test_a_bank_comes_back_from_its_bits(tmp_path, tiny_recipe, make_run):
    setting = drawn(rows=80, texts=30)
    for depth in range(3):
        for seed in range(12):
            recipe = tiny_recipe({"model.num_layers": depth + 1, "seed": seed})
            rows = np.flatnonzero(setting.held[seed])
            splits = {
                "holdout": (rows, setting.hits[depth, seed, rows]),
                "test": (np.arange(30), setting.test[depth, seed]),
            }
            tables = {
                name: predictions_table(which, which % 2, np.eye(2)[np.where(right, which % 2, 1 - which % 2)])
                for name, (which, right) in splits.items()
            }
            folder = tmp_path / f"runs/drawn_80/layers={depth + 1}/size=full/seed={seed}"
            write_run(folder, make_run(recipe), tables, recipe.to_yaml())
    pack(tmp_path / "runs", tmp_path / "bank")
    (back,) = unpack(tmp_path / "bank")
    assert (back.name, back.size) == ("drawn", 80)
    seen = setting.held.any(axis=0)
    assert np.array_equal(back.held, setting.held[:, seen])
    assert np.array_equal(back.hits & back.held, (setting.hits & setting.held)[:, :, seen])
    assert np.array_equal(back.test, setting.test)
    assert (tmp_path / "bank" / BANK_FILE).stat().st_size < 20_000


def test_a_replay_looks_at_no_more_than_it_may_and_pays_for_what_it_saw():
    setting = drawn(gains=(0.02, 0.01))
    for most in (3, 5, 8, 12):
        standing, spent, seen = replay(setting, np.arange(12), RULES, most=most)
        assert seen <= most
        assert spent == sum(depth * seeds for depth, seeds in standing.seeds.items())


def test_shuffled_depths_are_rarely_found_better():
    null = found_share(
        lambda rng: shuffled(drawn(gains=(0.03, -0.03)), rng), RULES, replays=300, rng=np.random.default_rng(1)
    )
    assert null[0] <= 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5
    words = found_share(lambda rng: one_word(1000, rng), RULES, replays=300, rng=np.random.default_rng(2))
    assert words[0] <= 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5


@pytest.mark.parametrize(("gain", "share"), [(0.02, 0.7), (0.03, 0.9)])
def test_planted_gains_are_found(gain, share):
    base = drawn(rows=4000)
    found = found_share(
        lambda rng: planted(shuffled(base, rng), gain, rng), RULES, replays=60, rng=np.random.default_rng(3)
    )
    assert found[0] >= share


def test_the_judge_has_no_regret_where_the_choice_is_plain_and_some_for_whoever_does_not_look():
    outcome = judge(drawn(gains=(0.1, -0.1), rows=4000, texts=2000), RULES, replays=20, rng=np.random.default_rng(4))
    assert set(outcome.regret) == set(POLICIES)
    assert outcome.chosen[1] == pytest.approx(1.0)
    assert abs(outcome.regret["advice"]) < 0.005 < outcome.beyond["always 1"] < outcome.regret["always 1"]
    assert outcome.undecided == 0
    assert outcome.time < 0.5


def test_the_prior_of_the_bank_is_what_its_depths_gain():
    found = usual_gains([drawn(seed, gains=(-0.03, -0.06), rows=4000) for seed in range(3)])
    scores = np.mean([drawn(seed, gains=(-0.03, -0.06), rows=4000).scores.mean(axis=1) for seed in range(3)], axis=0)
    assert found.gain == pytest.approx((scores[1] - scores[0] + 2 * (scores[2] - scores[0])) / 5, rel=1e-6)
    assert found.spread >= 0.01


@pytest.mark.slow
def test_a_tiny_bank_is_trained_gone_on_with_packed_and_agrees_with_a_live_study(
    tmp_path, planted, monkeypatch, capsys
):
    texts, labels = planted(160, 0)
    (tmp_path / "data" / "tiny").mkdir(parents=True)
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "data" / "tiny" / "train.parquet")
    monkeypatch.setenv("TEXTLSTM_DATA_DIR", str(tmp_path / "data"))
    for module in (advice_bank, advice_tables):
        monkeypatch.setattr(module, "DEPTHS", (1, 2))
    monkeypatch.setattr(advice_bank, "UNITS", 4)
    data = bank_data("tiny", 60)
    assert (len(data.splits["train"]), len(data.splits["test"])) == (60, 53)
    options = {"sets": ["tiny"], "sizes": [60, 4000], "workers": 0, "updates": 4}
    train(tmp_path / "bank", seeds=2, **options)
    assert "left out: tiny has 107 labeled rows" in capsys.readouterr().out
    train(tmp_path / "bank", seeds=12, **options)
    assert capsys.readouterr().out.count("(kept)") == 4
    pack(tmp_path / "bank", tmp_path / "bits")
    (setting,) = unpack(tmp_path / "bits")
    assert setting.hits.shape[:2] == (2, 12)
    assert live(setting, workers=0, updates=4)
