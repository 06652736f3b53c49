"""A plan in figures before anything is run: counts, sizes, what is finished, and minutes that learn from real runs."""

import io

import pytest
from rich.console import Console

from textlstm.errors import RunFolderError
from textlstm.experiment.dry_run import describe_plan, explain_plan, plan_table
from textlstm.experiment.grid import DataFacts, plan_cells
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.results import write_run
from textlstm.training.cost import count_parameters, flops_per_token

FACTS = DataFacts(num_labels=2, train_rows=5000, mean_tokens=20)
GRID = {
    "model.hidden_size": 24,
    "grid.layers": [1, 2, 3],
    "grid.sizes": [20, 1000, "full"],
    "grid.seeds": 2,
    "grid.controls": ["fixed_width", "matched_parameters", "matched_compute"],
    "grid.baselines": ["bag", "tfidf"],
}


def finish(folder, cells, make_run, make_predictions, *, slower=1.0):
    """Write runs that took `slower` times what was estimated."""
    for cell in {cell.path: cell for cell in cells}.values():
        run = make_run(cell.recipe)
        cost = run.cost.model_copy(update={"train_seconds": slower * cell.work})
        write_run(folder / cell.path, run.model_copy(update={"cost": cost}), make_predictions(), cell.recipe.to_yaml())


def shown(table):
    console = Console(width=250, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_rows_count_cells_by_size_and_sizes_are_those_of_the_models(tiny_recipe):
    recipe = tiny_recipe(GRID)
    cells = plan_cells(recipe, FACTS)
    report = describe_plan(recipe, cells, FACTS)
    assert [(row.setting, row.layers) for row in report.rows] == [
        *[(name, layers) for name in ("fixed_width", "matched_parameters_shallowest") for layers in (1, 2, 3)],
        *[(name, layers) for name in ("matched_parameters_deepest", "matched_compute") for layers in (1, 2, 3)],
        ("baseline bag", 0),
    ]
    assert all(row.cells == {20: 2, 1000: 2, "full": 2} and row.finished == 0 for row in report.rows)
    assert report.runs == len({cell.path for cell in cells}) == sum(sum(row.cells.values()) for row in report.rows) - 12
    of_row = {(row.setting, row.layers): row for row in report.rows}
    for cell in cells:
        if "control" not in cell.others:
            continue
        row = of_row[cell.others["control"], cell.layers]
        config = TextLSTMConfig(**cell.recipe.model.model_dump(), vocab_size=cell.recipe.tokenizer.vocab_size)
        if (cell.size, cell.seed) == (20, 0):
            model = TextLSTMForSequenceClassification(config)
            assert (row.parameters, row.parameters_without_embeddings) == count_parameters(model)
            assert row.flops_per_token == flops_per_token(model)
        assert row.update_share == cell.recipe.training.update_share


def test_the_mismatch_is_told_for_matched_parameters_alone_and_from_the_right_end(tiny_recipe):
    recipe = tiny_recipe(GRID)
    report = describe_plan(recipe, plan_cells(recipe, FACTS), FACTS)
    for row in report.rows:
        reference = {"matched_parameters_shallowest": 1, "matched_parameters_deepest": 3}.get(row.setting)
        if reference is None:
            assert row.mismatch is None
            continue
        wanted = next(r for r in report.rows if r.setting == "fixed_width" and r.layers == reference)
        share = row.parameters_without_embeddings / wanted.parameters_without_embeddings - 1
        assert row.mismatch == pytest.approx(share)
        assert abs(share) < 0.05


def test_minutes_fall_with_workers_and_with_what_is_finished(tmp_path, tiny_recipe, make_run, make_predictions):
    recipe = tiny_recipe(GRID)
    cells = plan_cells(recipe, FACTS)
    whole = describe_plan(recipe, cells, FACTS, folder=tmp_path)
    unique = {cell.path: cell.work for cell in cells}
    assert whole.minutes == pytest.approx(sum(unique.values()) / 60)
    assert describe_plan(recipe, cells, FACTS, workers=2).minutes == pytest.approx(whole.minutes / 2)
    many = describe_plan(recipe, cells, FACTS, workers=1000)
    assert many.minutes == pytest.approx(max(unique.values()) / 60)  # the longest run takes what it takes
    done = cells[:2]
    finish(tmp_path, done, make_run, make_predictions)
    some = describe_plan(recipe, cells, FACTS, folder=tmp_path)
    assert some.finished == 2 and some.timed == 0
    assert some.minutes == pytest.approx(whole.minutes - sum(cell.work for cell in done) / 60)
    # The first cell is the shallowest of two controls: it is finished in both.
    assert sum(row.finished for row in some.rows) == 3


def test_real_times_correct_the_estimate_once_there_are_three(tmp_path, tiny_recipe, make_run, make_predictions):
    recipe = tiny_recipe(GRID)
    cells = plan_cells(recipe, FACTS)
    finish(tmp_path, cells[:5], make_run, make_predictions, slower=4.0)
    report = describe_plan(recipe, cells, FACTS, folder=tmp_path)
    finished = {cell.path: cell.work for cell in cells[:5]}
    left = {cell.path: cell.work for cell in cells if cell.path not in finished}
    assert report.timed == report.finished == len(finished)
    assert report.minutes == pytest.approx(4 * sum(left.values()) / 60)
    assert f"by the times of {report.timed} finished runs" in explain_plan(report)


def test_runs_that_follow_a_search_are_counted_and_timed(tiny_recipe):
    recipe = tiny_recipe({**GRID, "grid.controls": ["fixed_width", "tuned"], "grid.seeds": 5})
    cells = plan_cells(recipe, FACTS)
    report = describe_plan(recipe, cells, FACTS)
    assert report.after_search == 3 * 2 * 5  # depths x sizes with validation rows x seeds
    search = [row for row in report.rows if row.search]
    assert [row.cells for row in search] == [{1000: 8, "full": 8}] * 3
    assert report.minutes > sum({cell.path: cell.work for cell in cells}.values()) / 60
    assert "30 more follow" in explain_plan(report)
    assert "tuned (search)" in shown(plan_table(report, title="x"))


def test_other_settings_in_the_folder_are_told_now_and_not_after_hours(
    tmp_path, tiny_recipe, make_run, make_predictions
):
    cells = plan_cells(tiny_recipe(GRID), FACTS)
    finish(tmp_path, cells[:1], make_run, make_predictions)
    other = tiny_recipe({**GRID, "training.epochs": 9})
    with pytest.raises(RunFolderError, match="epochs was 4, is 9"):
        describe_plan(other, plan_cells(other, FACTS), FACTS, folder=tmp_path)
    with pytest.raises(RunFolderError, match="other data"):
        describe_plan(tiny_recipe(GRID), cells, FACTS, folder=tmp_path, data_fingerprint="f" * 16)


def test_memory_grows_with_the_model_and_the_batch(tiny_recipe):
    def memory(facts=FACTS, **changes):
        recipe = tiny_recipe({key.replace("__", "."): value for key, value in changes.items()})
        return describe_plan(recipe, plan_cells(recipe, facts), facts).memory.total / 2**20

    small = memory()
    assert small > 300
    many = DataFacts(2, 50_000, 20)
    assert memory(facts=many, tokenizer__vocab_size=400_000) > small + 4 * 400_000 * 8 * 3 / 2**20
    # No more words than there are places for them.
    assert memory(tokenizer__vocab_size=400_000) == memory(tokenizer__vocab_size=200_000)
    assert memory(model__hidden_size=1024) > small + 100
    long = DataFacts(2, 5000, 400.0)
    whole = memory(facts=long, model__hidden_size=256)
    assert whole > memory(model__hidden_size=256) + 10
    assert memory(facts=long, model__hidden_size=256, model__window=50) < whole - 10


def test_the_table_shows_columns_that_say_something(tiny_recipe):
    recipe = tiny_recipe(GRID)
    report = describe_plan(recipe, plan_cells(recipe, FACTS), FACTS)
    words = shown(plan_table(report, title="the title"))
    for expected in ("the title", "off the match", "updates", "1,000 labels", "all labels", "baseline bag", "0 of 6"):
        assert expected in words
    plain = tiny_recipe({"grid.layers": [1, 2]})
    report = describe_plan(plain, plan_cells(plain, FACTS), FACTS)
    words = shown(plan_table(report, title="x"))
    assert "off the match" not in words and "updates" not in words
    assert explain_plan(report).startswith("2 cells. About")
    assert "1 run at a time" in explain_plan(report)
