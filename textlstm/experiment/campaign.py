"""One recipe from its data to a full folder: plan, cells, the search where one is asked for, baselines, costs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from textlstm.errors import DataError, RecipeError, TextLSTMError
from textlstm.experiment.baselines import BASELINES_FOLDER, BaselineResult, refuse_other_baselines, run_baselines
from textlstm.experiment.capacity import workers_for
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.costs import measure_costs
from textlstm.experiment.executors import Executor, Processes
from textlstm.experiment.failures import Failure, failure_from
from textlstm.experiment.grid import Cell, DataFacts, plan_cells, plan_notes, plan_tuned
from textlstm.experiment.kept_texts import keep_test_texts
from textlstm.experiment.locks import CellLocks
from textlstm.experiment.plan import data_facts, make_plan, write_plan
from textlstm.experiment.runs import finished_run
from textlstm.experiment.sweep import Sweep, run_grid
from textlstm.experiment.tuned import chosen_trials, keep_choice
from textlstm.recipe import Recipe
from textlstm.recipe_files import load_recipe
from textlstm.results import Run
from textlstm.text.datasets import TextData
from textlstm.text.protocol import check_size, load_recipe_data, with_test_split

_POLL_SECONDS = 1.0


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
        notes: sentences on what the plan leaves out.
    """

    recipe: Recipe
    data: TextData
    facts: DataFacts
    cells: list[Cell]
    notes: list[str]


def prepare_campaign(recipe: Recipe, loaded: TextData | None = None) -> Campaign:
    """Load a recipe's data and lay out its grid.

    Args:
        recipe: with its grid.
        loaded: what `load_recipe_data` gave for it already; read here when None.

    Returns:
        What is to be run.

    Raises:
        DataError: the data cannot be read, a size does not fit it, folds are asked for beside a test split, or there is
            nothing to score.
        RecipeError: a control cannot be met, an axis has no effect, the test split is left closed, or torchrun has
            started this.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) > 1:
        raise RecipeError(
            "A grid is started as one process and spread by --workers or --ray-address, and torchrun has started"
            f" {os.environ['WORLD_SIZE']}; start it without torchrun, which is for one training (textlstm train)."
        )
    if not recipe.data.score_test:
        raise RecipeError(
            "A grid scores every run on the test split, and data.score_test is false; leave it out, or train single"
            " runs with textlstm train."
        )
    loaded = load_recipe_data(recipe) if loaded is None else loaded
    if recipe.grid.folds and "test" in loaded.splits and loaded.splits["test"].labels is not None:
        raise DataError(
            f"Folds stand in for a test split, and {loaded.source} has one of its own with labels; leave grid.folds"
            " out to score on it."
        )
    data = loaded if recipe.grid.folds else with_test_split(loaded)
    test = data.splits.get("test")
    if not recipe.grid.folds and (test is None or len(test) < 2):
        raise DataError(
            f"A comparison needs 2 or more labeled test rows, and {data.source} has"
            f" {0 if test is None else len(test)}; name test data with data.test."
        )
    facts = data_facts(data, recipe)
    cells = plan_cells(recipe, facts)
    for size in dict.fromkeys(cell.size for cell in cells):
        check_size(data, size)
        if size != "full" and size > facts.train_rows:
            raise DataError(
                f"A subset of {size} rows was asked for, and {facts.train_rows} are left for training in each of the"
                f" {recipe.grid.folds} folds of {data.source}; name smaller sizes, or `full`."
            )
    return Campaign(recipe, data, facts, cells, plan_notes(recipe, facts))


def run_recipe(recipe: Recipe | str | Path, folder: str | Path, *, workers: int | None = None) -> Sweep:
    """Run a recipe's grid from Python; `compare_runs` then says what came of it.

    Worker processes import the main module anew, so a script that calls this needs the usual
    `if __name__ == "__main__":`, or 0 workers.

    Args:
        recipe: a recipe, or the name or path of one.
        folder: of the grid; finished runs in it are kept.
        workers: runs at a time, in processes of their own, as many as processors and memory allow when None; 0 runs
            one at a time in this process.

    Returns:
        Runs and failures of all cells.

    Raises:
        DataError: the data cannot be read, or a size does not fit it.
        RecipeError: the recipe is wrong.
        RunFolderError: the folder holds runs with other settings or of other data.
    """
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    listener = Listener(*(lambda *_: None for _ in fields(Listener)))
    command = f"textlstm run {recipe if isinstance(recipe, str | Path) else chosen.name} --out {folder}"
    campaign = prepare_campaign(chosen)
    count = workers_for(chosen, campaign.cells, campaign.facts)[0] if workers is None else workers
    return conduct(campaign, Path(folder), executor=Processes(count), command=command, listener=listener)


def refuse_other_runs(campaign: Campaign, folder: Path) -> None:
    """See that a folder holds nothing but runs and baselines of this campaign, before anything in it is touched.

    Args:
        campaign: what is to be run.
        folder: where.

    Raises:
        ModelError: the frozen encoder that is to stand beside the runs cannot be found.
        RunFolderError: it holds a run or a baseline with other settings or of other data.
    """
    _finished(campaign, campaign.cells, folder)
    _finished(campaign, searched_cells(campaign, folder), folder)
    refuse_other_baselines(campaign.recipe, campaign.data, folder)


def searched_cells(campaign: Campaign, folder: Path) -> list[Cell]:
    """Plan the cells of the `tuned` control as far as their search is done.

    Args:
        campaign: what is to be run.
        folder: of the grid, in which trials and a choice may lie.

    Returns:
        Cells; none without such a control.

    Raises:
        RunFolderError: the folder holds trials with other settings or of other data, or a damaged choice.
    """
    recipe = campaign.recipe
    if "tuned" not in recipe.grid.controls:
        return []
    trials = _finished(campaign, [cell for cell in campaign.cells if "trial" in cell.others], folder)
    return plan_tuned(recipe, campaign.facts, chosen_trials(folder, trials, needed=recipe.grid.tuning.trials))


def _finished(campaign: Campaign, cells: Sequence[Cell], folder: Path) -> list[Run]:
    """The finished runs of some cells; raises where a folder holds something else."""
    leaders = {cell.path: cell for cell in reversed(cells)}
    found = [
        (cell, finished_run(folder / path, cell.recipe, data_fingerprint=campaign.data.fingerprint))
        for path, cell in reversed(leaders.items())
    ]
    return [run.model_copy(update={"cell": cell.coordinates}) for cell, run in found if run is not None]


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
        ModelError: the frozen encoder that is to stand beside the runs cannot be found.
        RunFolderError: the folder holds runs with other settings or of other data; nothing is run then.
    """
    recipe, data, facts = campaign.recipe, campaign.data, campaign.facts
    refuse_other_runs(campaign, folder)  # the plan below would be that of other runs
    for note in campaign.notes:
        listener.say(note)
    keep_test_texts(folder, data)  # first, since reports of unfinished grids show them too

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
        # What an earlier sweep has planned after its search stays in the plan.
        done = sweep(campaign.cells, campaign.cells + searched_cells(campaign, folder))
        chosen = chosen_trials(folder, [run for run in done.runs if "trial" in run.cell])
        if "tuned" in recipe.grid.controls and (tuned := plan_tuned(recipe, facts, chosen)):
            _finished(campaign, tuned, folder)  # refuses others before the plan is written
            keep_choice(folder, chosen)
            listener.say(f"The search is done; {len(tuned)} runs with the settings that it chose follow.")
            final = sweep(tuned, campaign.cells + tuned)
            done = Sweep(done.runs + final.runs, done.failures + final.failures)
    with _alone(folder / BASELINES_FOLDER, listener.say):
        with _told("The baselines are not complete", listener.say):
            run_baselines(recipe, data, folder, listener=listener.baseline_done)
        if done.runs:
            with _told("Latency and disk use were not measured", listener.say):
                measure_costs(folder)
    return done


@contextmanager
def _alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a folder; where another driver has it, wait until everything in there is done."""
    with CellLocks() as locks:
        told = False
        while not locks.take(folder):
            if not told:
                say("Waiting for the baselines and costs, which another process is at.")
                told = True
            time.sleep(_POLL_SECONDS)
        yield


@contextmanager
def _told(what: str, say: Callable[[str], None]) -> Iterator[None]:
    """Make a sentence of an error in what stands beside the runs: hours of training must not lack their report."""
    try:
        yield
    # Torch and BLAS raise RuntimeError for lack of memory, and so does a model that a library cannot load.
    except (TextLSTMError, MemoryError, OSError, RuntimeError) as error:
        say(f"{what}: {failure_from(error).reason.rstrip('.')}. The runs are kept; the same command tries this again.")
