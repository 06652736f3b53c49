"""Runs to means with intervals to a table and two files."""

import json

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from textlstm.analysis.comparison import comparison_table, explain_table, results_table, summarize, write_summary
from textlstm.stats import mean_interval


def words(table):
    console = Console(width=160)
    with console.capture() as caught:
        console.print(table)
    return caught.get()


@pytest.fixture
def runs(tiny_recipe, make_run):
    return [
        make_run(
            tiny_recipe({"model.num_layers": layers, "data.size": size, "seed": seed}),
            accuracy=0.5 + 0.1 * layers + 0.01 * seed,
        )
        for seed in (0, 1, 2)
        for size in (50, "full")
        for layers in (1, 2)
    ]


def test_seeds_are_averaged_with_a_t_interval(runs):
    cells = summarize(runs)
    assert [(cell.layers, cell.size, cell.seeds) for cell in cells] == [
        (1, 50, 3),
        (2, 50, 3),
        (1, "full", 3),
        (2, "full", 3),
    ]
    assert cells[0].accuracy == cells[0].macro_f1 == mean_interval([0.6, 0.61, 0.62])
    assert cells[1].parameters == 2000
    assert cells[1].train_seconds == 2.0
    assert cells[0].train_accuracy == 1.0


def test_one_seed_has_no_interval_and_the_table_claims_none(runs):
    cells = summarize(runs[:4])
    assert all(cell.accuracy.low is None for cell in cells)
    text = words(comparison_table(cells, title="x")) + explain_table(cells)
    assert "mean of 1 seed;" in text
    assert "interval" not in text


def test_the_table_has_layers_as_rows_and_sizes_as_columns(runs):
    lines = words(comparison_table(summarize(runs), title="mine")).splitlines()
    assert lines[0].strip() == "mine"
    head = next(line for line in lines if "labels" in line)
    assert head.index("layers") < head.index("50 labels") < head.index("all labels")
    rows = [line for line in lines if line.startswith("│") and line.split("│")[1].strip() in ("1", "2")]
    assert [line.split("│")[1].strip() for line in rows] == ["1", "2"]
    assert "61.0 [58.5, 63.5]" in rows[0]
    assert "71.0" in rows[1]
    text = words(comparison_table(summarize(runs), title="mine"))
    assert "2 K  2.0 s" in text
    assert "mean of 3 seeds [95 % t interval over seeds" in explain_table(summarize(runs))


def test_a_table_with_holes_leaves_them_empty(runs):
    part = [run for run in runs if run.cell != {"layers": 2, "size": "full", "seed": 0}][:4]
    assert words(comparison_table(summarize(part), title="x"))
    assert "1 or 2 seeds" in explain_table(summarize(runs[:5]))


@pytest.mark.parametrize(
    ("count", "shown"), [(400, "0 K"), (999_499, "999 K"), (999_500, "1.00 M"), (12_340_000, "12.34 M")]
)
def test_counts_are_short(runs, count, shown):
    run = runs[0].model_copy(update={"cost": runs[0].cost.model_copy(update={"parameters": count})})
    assert f"{shown}  " in words(comparison_table(summarize([run]), title="x"))


def test_the_files_hold_the_means_and_one_row_a_run(runs, tmp_path):
    write_summary(runs, summarize(runs), tmp_path, preview=True)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["preview"] is True
    assert summary["labels"] == ["neg", "pos"]
    assert [(cell["layers"], cell["size"]) for cell in summary["cells"]] == [(1, 50), (2, 50), (1, "full"), (2, "full")]
    assert summary["cells"][0]["accuracy"].keys() == {"value", "low", "high"}
    table = pq.read_table(tmp_path / "results.parquet")
    assert len(table) == len(runs)
    assert table["size"].to_pylist()[:4] == ["50", "50", "full", "full"]
    assert table["test_accuracy"].to_pylist() == [run.score for run in runs]
    assert {"layers", "seed", "labels_used", "train_log_loss", "test_ece", "parameters", "train_seconds"} <= set(
        table.column_names
    )


def test_a_split_that_only_some_runs_have_is_null_elsewhere(runs):
    more = runs[1].model_copy(update={"metrics": {**runs[1].metrics, "validation": runs[1].metrics["test"]}})
    assert results_table([runs[0], more])["validation_accuracy"].to_pylist() == [None, more.score]
