"""Intervals and verdicts hold what they promise on simulated grids: a few here, all of them in the slow suite."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import interval_coverage as benchmark
import simulated_grids


@pytest.mark.parametrize("noisier", [1.0, 2.0])
def test_the_simulations_truth_is_what_it_draws(noisier):
    """Quadrature's shares and variance of the mean against 4,000 drawn grids."""
    design = simulated_grids.calibrated(4, 60, 0.6, accuracies=(0.8, 0.85), noisier=noisier)
    grids = np.concatenate(list(design.draw(4000, np.random.default_rng(0))))
    differences = grids[:, 1].mean(axis=(1, 2)) - grids[:, 0].mean(axis=(1, 2))
    variance, freedom = benchmark.oracle(design)
    assert abs(differences.mean() - design.truth(0, 1)) < 4 * np.sqrt(variance / 4000)
    assert grids[:, 0].mean() == pytest.approx(0.8, abs=0.01)
    assert differences.var() == pytest.approx(variance, rel=0.1)
    by_seed, by_example, both = design.components(0, 1)
    assert by_seed / 4 / (by_seed / 4 + by_example / 60) == pytest.approx(0.6, abs=1e-6)
    assert both > 0 and 3 <= freedom < 62


def test_quadrature_equals_a_large_monte_carlo():
    design = simulated_grids.calibrated(5, 100, 0.5)
    logits = np.random.default_rng(1).normal(design.bases[0], design.spreads[0], size=2_000_000)
    assert expit(logits).mean() == pytest.approx(design.accuracies[0], abs=0.001)


@pytest.mark.parametrize("setting", benchmark.settings_of((3, 5, 10))[:: 18 // 4 + 1], ids=str)
def test_coverage_on_a_few_grids(setting):
    row = benchmark.coverage(setting, 300, 1)
    assert 0.90 <= row.covered <= 0.995
    assert row.width_t < 1.25 and abs(row.bias) < 4.5


def test_false_findings_on_a_few_grids():
    setting = benchmark.Setting(5, 200, 0.5, 2.0, accuracies=(0.82,) * 4)
    shares = benchmark.findings(setting, 200, 2)
    assert shares["finds"] <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_a_layer_worth_the_margin_is_seldom_called_needless():
    setting = benchmark.Setting(5, 1821, 0.5, 1.0, accuracies=(0.82, 0.82 + benchmark.DELTA))
    shares = benchmark.findings(setting, 200, 3)
    assert shares["enough at 1"] <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    worthless = benchmark.findings(benchmark.Setting(10, 1821, 0.5, 1.0, accuracies=(0.82, 0.80)), 100, 3)
    assert worthless["enough at 1"] > 0.5  # the same rule can say so


def test_misses_are_told():
    """The benchmark's own targets can fail."""
    setting = benchmark.Setting(5, 200, 0.5, 1.0)
    good = benchmark.Coverage(covered=0.95, width=1.1, width_t=1.0, paired=0.5, bias=0.3)
    bad = [
        benchmark.Coverage(covered=0.9, width=1.1, width_t=1.0, paired=0.5, bias=0.3),
        benchmark.Coverage(covered=0.99, width=1.1, width_t=1.0, paired=0.5, bias=0.3),
        benchmark.Coverage(covered=0.95, width=1.3, width_t=1.0, paired=0.5, bias=0.3),
        benchmark.Coverage(covered=0.95, width=1.1, width_t=1.0, paired=0.5, bias=9.0),
    ]
    assert benchmark.misses([(setting, good)], 2000) == []
    for row in bad:
        assert len(benchmark.misses([(setting, row)], 2000)) == 1


@pytest.mark.slow
def test_every_target_at_full_size(capsys):
    """2,000 grids a line, ten minutes on two cores; the table is printed for the reader of a failure."""
    assert benchmark.main(["--grids", "2000", "--workers", "2"]) == 0, capsys.readouterr().out
