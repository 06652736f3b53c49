"""`textlstm advise`: from the user's data to advice, in one call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from textlstm.analysis.advice.beside import (
    changes_to_try,
    measure_bag,
    measure_change,
    refuse_unreadable,
)
from textlstm.analysis.advice.examples import measure_examples
from textlstm.analysis.advice.methods import measure_methods
from textlstm.analysis.advice.page import write_page
from textlstm.analysis.advice.record import Advice, put_together, write_advice
from textlstm.analysis.advice.session import Session
from textlstm.analysis.advice.study import Study, fit_to_budget, whole_study
from textlstm.analysis.wording import duration, layers_words
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import Executor
from textlstm.experiment.grid import RunCell
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
    vectors: str | None = None,
    encoder: str | None = None,
    cell_maker: Callable[[TextData], AbstractContextManager[RunCell]] = TrainCell,
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
        vectors: file or model of pretrained word vectors, to be tried beside a layer more.
        encoder: path or Hub id of an encoder, to be tried frozen beside a layer more.
        cell_maker: gives what trains a cell.

    Returns:
        The advice.

    Raises:
        DataError: there are no labels, too few rows or rows a class, or the vectors cannot be read.
        ModelError: the encoder cannot be found.
        RecipeError: the budget is too small, or the options do not go together.
        RunFolderError: the folder holds runs with other settings or of other data.
        TrainingError: no two depths could be trained.
    """
    whole = whole_study(recipe, data, budget=budget, max_layers=max_layers, workers=workers)
    refuse_unreadable(vectors, encoder)  # now, not after an hour
    study = fit_to_budget(whole)
    for note in study.notes:
        tell(note)
    tell(_plan_words(study))
    folder.mkdir(parents=True, exist_ok=True)
    with cell_maker(study.data) as run_cell:
        session = Session(study, folder, executor, run_cell, tell)
        refitted = fit_to_budget(whole, pace=session.gauge())
        if (refitted.depths, refitted.size) != (study.depths, study.size):
            for note in refitted.notes:
                if note not in study.notes:
                    tell(note)
            tell(f"This machine takes {session.pace():.1f} times the planned time. {_plan_words(refitted)}")
            runs = session.runs if refitted.size == study.size else {}
            session = Session(refitted, folder, executor, run_cell, tell, spent=session.spent, runs=runs)
        standing = session.conduct()
        found = measure_bag(session, standing)
        found += measure_methods(session, standing, encoder=encoder)
        first, *others = changes_to_try(session, standing, vectors=vectors)
        found += measure_change(session, standing, first)
        examples = measure_examples(session, standing)
        for change in others:
            found += measure_change(session, standing, change)
    advice = put_together(session, standing, found, examples, asked=recipe, named=(vectors, encoder))
    write_advice(advice, folder)
    write_page(advice, folder)
    return advice


def _plan_words(study: Study) -> str:
    """Say what will be run."""
    depths = (
        f"{layers_words(1)} and {study.depths[-1]}" if len(study.depths) == 2 else f"1 to {study.depths[-1]} layers"
    )
    return (
        f"{depths} on {study.rows:,} rows, of which each seed keeps a quarter out; looks at"
        f" {', '.join(map(str, study.rules.looks))} seeds, the first after about {duration(study.first_look)}."
    )
