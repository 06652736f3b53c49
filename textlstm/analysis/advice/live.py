"""`textlstm advise`: from the user's data to advice, in one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textlstm.analysis.advice.beside import measure_bags, measure_examples, measure_wider
from textlstm.analysis.advice.page import write_page
from textlstm.analysis.advice.record import Advice, put_together, write_advice
from textlstm.analysis.advice.session import Session
from textlstm.analysis.advice.study import plan_study
from textlstm.analysis.wording import duration, layers_words
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import Executor
from textlstm.recipe import Recipe
from textlstm.text.datasets import TextData


def advise(
    recipe: Recipe,
    data: TextData,
    folder: Path,
    *,
    budget: float,
    max_layers: int,
    workers: int,
    executor: Executor,
    tell: Callable[[str], None],
) -> Advice:
    """Find out how many layers pay on some data, within a budget.

    Runs lie in the folder and are kept: after an interruption the same call goes on from there.

    Args:
        recipe: of one run, with `delta`.
        data: the user's; its test split is not read.
        folder: for runs, `advice.json` and `advice.html`.
        budget: seconds.
        max_layers: the deepest stack to try.
        workers: runs side by side, as the executor has them.
        executor: decides where runs go.
        tell: called with a sentence now and then.

    Returns:
        The advice.

    Raises:
        DataError: there are no labels, or too few rows or rows a class.
        RecipeError: the budget is too small, or the options do not go together.
        RunFolderError: the folder holds runs with other settings or of other data.
        TrainingError: no two depths could be trained.
    """
    study = plan_study(recipe, data, budget=budget, max_layers=max_layers, workers=workers)
    for note in study.notes:
        tell(note)
    depths = (
        f"{layers_words(1)} and {study.depths[-1]}" if len(study.depths) == 2 else f"1 to {study.depths[-1]} layers"
    )
    tell(
        f"{depths} on {study.rows:,} rows, of which each seed keeps a quarter out; looks at"
        f" {', '.join(map(str, study.rules.looks))} seeds, the first after about {duration(study.first_look)}."
    )
    folder.mkdir(parents=True, exist_ok=True)
    with TrainCell(study.data) as run_cell:
        session = Session(study, folder, executor, run_cell, tell)
        standing = session.conduct()
        alternatives = measure_bags(session, standing)
        examples = measure_examples(session, standing)
        alternatives += measure_wider(session, standing)
    advice = put_together(session, standing, alternatives, examples, asked=recipe)
    write_advice(advice, folder)
    write_page(advice, folder)
    return advice
