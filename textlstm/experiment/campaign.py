"""One recipe from its data to a full folder: plan, cells, the search where one is asked for, baselines, costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from textlstm.errors import DataError
from textlstm.experiment.baselines import BaselineResult, run_baselines
from textlstm.experiment.capacity import choose_workers
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.costs import measure_costs
from textlstm.experiment.executors import Executor, Processes
from textlstm.experiment.failures import Failure
from textlstm.experiment.grid import Cell, DataFacts, plan_cells, plan_tuned
from textlstm.experiment.kept_texts import keep_test_texts
from textlstm.experiment.plan import data_facts, make_plan, write_plan
from textlstm.experiment.runs import finished_run
from textlstm.experiment.sweep import Sweep, run_grid
from textlstm.recipe import Recipe, load_recipe
from textlstm.results import Run
from textlstm.text.datasets import TextData
from textlstm.text.protocol import check_size, load_recipe_data, with_test_split


@dataclass
class Listener:
    """Who is told how a campaign goes; each is called from the driver's thread.

    Attributes:
        planned: with all cells of the plan, again when the search has added some.
        cell_done: with a cell, its run, and whether it was finished before.
        cell_failed: with a cell, why, and whether it is tried again.
        baseline_done: with a baseline, and whether it was finished before.
        say: with a sentence.
    """

    planned: Callable[[Sequence[Cell]], None]
    cell_done: Callable[[Cell, Run, bool], None]
    cell_failed: Callable[[Cell, Failure, bool], None]
    baseline_done: Callable[[BaselineResult, bool], None]
    say: Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Campaign:
    """A recipe, its data and its plan, ready to be run.

    Attributes:
        recipe: with its grid.
        data: all splits, a test split among them unless folds stand for it.
        facts: of the data.
        cells: planned, but for those that wait for a search.
    """

    recipe: Recipe
    data: TextData
    facts: DataFacts
    cells: list[Cell]


def prepare_campaign(recipe: Recipe) -> Campaign:
    """Load a recipe's data and lay out its grid.

    Args:
        recipe: with its grid.

    Returns:
        What is to be run.

    Raises:
        DataError: the data cannot be read, a size does not fit it, or folds are asked for beside a test split.
        RecipeError: a control cannot be met.
    """
    loaded = load_recipe_data(recipe)
    if recipe.grid.folds and "test" in loaded.splits and loaded.splits["test"].labels is not None:
        raise DataError(
            f"Folds stand in for a test split, and {loaded.source} has one of its own with labels; leave grid.folds"
            " out to score on it."
        )
    data = loaded if recipe.grid.folds else with_test_split(loaded)
    facts = data_facts(data, recipe)
    cells = plan_cells(recipe, facts)
    for size in dict.fromkeys(cell.size for cell in cells):
        check_size(data, size)
        if size != "full" and size > facts.train_rows:
            raise DataError(
                f"A subset of {size} rows was asked for, and {facts.train_rows} are left for training in each of the"
                f" {recipe.grid.folds} folds of {data.source}; name smaller sizes, or `full`."
            )
    return Campaign(recipe, data, facts, cells)


def run_recipe(recipe: Recipe | str | Path, folder: str | Path, *, workers: int | None = None) -> Sweep:
    """Run a recipe's grid from Python; `compare_runs` then says what came of it.

    Worker processes import the main module anew, so a script that calls this with several needs the usual
    `if __name__ == "__main__":`.

    Args:
        recipe: a recipe, or the name or path of one.
        folder: of the grid; finished runs in it are kept.
        workers: runs at a time; as many as processors and memory allow when None.

    Returns:
        Runs and failures of all cells.

    Raises:
        DataError: the data cannot be read, or a size does not fit it.
        RecipeError: the recipe is wrong.
        RunFolderError: the folder holds runs with other settings or of other data.
    """
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    count = choose_workers(threads=chosen.threads)[0] if workers is None else workers
    listener = Listener(*(lambda *_: None for _ in fields(Listener)))
    command = f"textlstm run {recipe if isinstance(recipe, str | Path) else chosen.name} --out {folder}"
    campaign = prepare_campaign(chosen)
    return conduct(campaign, Path(folder), executor=Processes(count), command=command, listener=listener)


def refuse_other_runs(campaign: Campaign, folder: Path) -> None:
    """See that a folder holds nothing but runs of this campaign, before anything in it is touched.

    Args:
        campaign: what is to be run.
        folder: where.

    Raises:
        RunFolderError: it holds a run with other settings or of other data.
    """
    for path, recipe in {cell.path: cell.recipe for cell in campaign.cells}.items():
        finished_run(folder / path, recipe, data_fingerprint=campaign.data.fingerprint)


def conduct(campaign: Campaign, folder: Path, *, executor: Executor, command: str, listener: Listener) -> Sweep:
    """Run what is not finished yet.

    Args:
        campaign: of `prepare_campaign`.
        folder: of the grid.
        executor: decides where cells run.
        command: what repeats this.
        listener: is told how it goes.

    Returns:
        Runs and failures of all cells.

    Raises:
        RunFolderError: the folder holds runs with other settings or of other data; nothing is run then.
    """
    recipe, data, facts = campaign.recipe, campaign.data, campaign.facts
    refuse_other_runs(campaign, folder)  # the plan below would be that of other runs

    def sweep(cells: list[Cell], all_cells: list[Cell]) -> Sweep:
        write_plan(folder, make_plan(recipe, data, facts, all_cells, command=command))
        listener.planned(all_cells)
        return run_grid(
            recipe,
            folder,
            run_cell=run_cell,
            executor=executor,
            cells=cells,
            data_fingerprint=data.fingerprint,
            listener=listener.cell_done,
            on_failure=listener.cell_failed,
            on_wait=listener.say,
        )

    with TrainCell(data, root=folder) as run_cell:
        done = sweep(campaign.cells, campaign.cells)
        trials = [run for run in done.runs if "trial" in run.cell]
        if tuned := plan_tuned(recipe, facts, trials):
            listener.say(f"The search is done; {len(tuned)} runs with the settings that it chose follow.")
            final = sweep(tuned, campaign.cells + tuned)
            done = Sweep(done.runs + final.runs, done.failures + final.failures)
    keep_test_texts(folder, data)
    run_baselines(recipe, data, folder, listener=listener.baseline_done)
    if done.runs:
        measure_costs(folder)
    return done
