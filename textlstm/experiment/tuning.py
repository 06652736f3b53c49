"""A search for the settings that suit one data set: Optuna's TPE with pruning, judged on held-out rows.

The test split is taken out before anything is trained, so that it cannot be opened. The search lives in a local journal
(JSON lines): an interrupted one goes on from there and ends as an undisturbed one would, since every suggestion is
drawn from a seed and the settled trials alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from textlstm.errors import RecipeError, TrainingError
from textlstm.experiment.search_space import Settings, load_optuna
from textlstm.experiment.tuning_journal import Journal, Limits, has_record
from textlstm.experiment.tuning_record import Trial, Tuned, TuneResult, write_result
from textlstm.recipe import Recipe
from textlstm.recipe_arithmetic import stack_size

if TYPE_CHECKING:
    from textlstm.results import Run
    from textlstm.text.datasets import TextData
    from textlstm.training.preparation import Prepared
    from textlstm.training.progress import Report

HOLDOUT_SHARE = 0.25
"""Of the training rows, kept out to judge by where there are too few labels to choose the epoch."""
_OVER_LIMIT = 300  # suggestions in a row beyond a limit after which there is no hope


def tune(
    recipe: Recipe,
    data: TextData,
    folder: Path,
    *,
    fixed: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> TuneResult:
    """Search for settings, or go on with a search.

    Args:
        recipe: what every trial begins with; the grid is not read.
        data: all splits; the test split is not looked at.
        folder: of the search.
        fixed: recipe keys that the user has set, which are not varied.
        limits: how far, and what may be chosen.
        tell: is told of every trial.

    Returns:
        The trials, the best of them, and how they were judged; also in `tune.json`.

    Raises:
        DataError: the data does not fit.
        RecipeError: Optuna is not installed, everything is fixed, or nothing is within the limits.
        RunFolderError: the folder holds a search with other settings or on other data.
        TrainingError: every trial failed.
    """
    search = _Search(recipe, data, folder, fixed=dict(fixed or {}), limits=limits or Limits(), tell=tell)
    return search.run()


class _Search:
    """One search, from its journal to its result."""

    def __init__(
        self,
        recipe: Recipe,
        data: TextData,
        folder: Path,
        *,
        fixed: dict[str, Any],
        limits: Limits,
        tell: Callable[[str], None],
    ) -> None:
        from textlstm.training.preparation import prepare

        self.optuna = load_optuna("textlstm tune")  # absent, it is said before the data is prepared
        self.folder, self.limits, self.tell = folder, limits, tell
        closed = replace(data, splits={name: split for name, split in data.splits.items() if name != "test"})
        self.base = recipe.override({"grid": {}, "data.score_test": False})
        self.prepared: Prepared = prepare(self.base, closed)
        self.judged_by = "validation"
        if "validation" not in self.prepared.encoded:
            self.judged_by = "holdout"
            if not self.base.data.holdout:
                self.base = self.base.override({"data.holdout": HOLDOUT_SHARE})
                self.prepared = prepare(self.base, closed)
        self.mean_tokens = max(1, round(float(self.prepared.encoded["train"].lengths.mean())))
        self.journal = Journal(folder, self.base, data=closed.fingerprint, fixed=fixed, limits=limits)

    def run(self) -> TuneResult:
        """Train until the limits are reached."""
        started, over = time.monotonic(), 0
        rows = len(self.prepared.encoded[self.judged_by])
        self.tell(
            f"Judged by {self.base.training.choose_by.replace('_', ' ')} on {rows:,} {self.judged_by} rows; the test"
            " split stays closed."
        )
        if done := self.journal.trained():
            self.tell(f"{done} trials are there from before.")
        while (number := self.journal.trained()) < self.limits.trials:
            if self.limits.seconds is not None and time.monotonic() - started >= self.limits.seconds:
                self.tell("The time is up.")
                break
            asked, settings = self.journal.ask()
            if problem := self._beyond(settings):
                self.journal.settle(asked, self.optuna.trial.TrialState.PRUNED, over=problem)
                over += 1
                if over == _OVER_LIMIT:
                    raise RecipeError(
                        f"{over} suggestions in a row were beyond the limits, the last with {problem}; raise the limit,"
                        " or set model.embedding_size, tokenizer.vocab_size or model.hidden_size to less."
                    )
                continue
            over = 0
            self.tell(f"[{number + 1}/{self.limits.trials}] {self._train(asked, settings)}")
            if any(has_record(one) and one.value is not None for one in self.journal.settled()):
                write_result(self.result(), self.folder)
        return self.result()

    def result(self) -> TuneResult:
        """Put together what is known so far."""
        trials = [
            Trial.model_validate(trial.user_attrs["record"]) for trial in self.journal.settled() if has_record(trial)
        ]
        finished = [trial for trial in trials if trial.outcome == "finished"]
        if not finished:
            reasons = [trial.problem for trial in trials if trial.problem]
            raise TrainingError(
                "A search needs a trial that finishes, and there is none"
                + (f"; the first failed: {reasons[0]}" if reasons else "; give it more time or more trials.")
            )
        best = min(finished, key=lambda trial: trial.loss or 0.0)
        return TuneResult(
            judged_by=f"{self.base.training.choose_by.replace('_', ' ')} on {self.judged_by} rows",
            rows=len(self.prepared.encoded[self.judged_by]),
            data=self.prepared.data.source,
            trials=trials,
            best=best.number,
            settings=best.settings,
            beyond_limits=sum("over" in trial.user_attrs for trial in self.journal.settled()),
        )

    def _beyond(self, settings: Settings) -> str:
        """Say which limit settings break, before they are trained; empty where none."""
        if self.limits.max_mb is not None and (size := self._size_mb(settings)) > self.limits.max_mb:
            return f"{size:.2f} MiB (--max-mb {self.limits.max_mb:g})"
        if self.limits.max_ms is not None and (late := self._latency_ms(settings)) > self.limits.max_ms:
            return f"{late:.2f} ms (--max-ms {self.limits.max_ms:g})"
        return ""

    def _size_mb(self, settings: Settings) -> float:
        size = stack_size(
            self.base.override(settings),
            num_labels=len(self.prepared.data.label_names),
            vocab_size=len(self.prepared.tokenizer),
        )
        return (size.embedding + size.stack) * 4 / 2**20

    def _latency_ms(self, settings: Settings) -> float:
        from textlstm.inference.latency import measure_latency
        from textlstm.training.preparation import build_config

        config = build_config(self.base.override(settings), self.prepared)
        times = measure_latency(
            {"it": config}, tokens=self.mean_tokens, batch_sizes=(1,), threads=self.base.threads, seconds=1.0
        )
        return times["it"].milliseconds[1][0]

    def _train(self, asked: Any, settings: Settings) -> str:  # noqa: ANN401 - of Optuna
        """Train one trial and note what came of it; gives a line about it."""
        from textlstm.training.finetuning import train

        states = self.optuna.trial.TrialState
        started = time.monotonic()
        record: dict[str, Any] = {
            "number": asked.number,
            "settings": settings,
            "size_mb": self._size_mb(settings),
            "latency_ms": self._latency_ms(settings) if self.limits.max_ms is not None else None,
        }
        outcome: Literal["finished", "pruned", "failed"]
        figures: Tuned
        try:
            run = train(self.base.override(settings), prepared=self.prepared, listener=self._watch(asked)).run
        except self.optuna.TrialPruned:
            outcome, state, figures = "pruned", states.PRUNED, {}
        except TrainingError as error:
            outcome, state, figures = "failed", states.FAIL, {"problem": str(error)}
        except BaseException:
            self.journal.study.tell(asked, state=states.FAIL)  # without a record: it is begun again
            raise
        else:
            outcome, state, figures = "finished", states.COMPLETE, self._figures(run)
        trial = Trial(**record, **figures, outcome=outcome, seconds=round(time.monotonic() - started, 1))
        self.journal.settle(asked, state, value=trial.loss, record=trial.model_dump(mode="json"))
        return trial.words()

    def _watch(self, asked: Any) -> Callable[[Report], None]:  # noqa: ANN401 - of Optuna
        """End a trial that is behind the median of the others at the same epoch."""
        seen = 0

        def look(report: Report) -> None:
            nonlocal seen
            if report.done or len(report.history) == seen:
                return
            seen = len(report.history)
            epoch = report.history[-1]
            figure = getattr(
                epoch, {"log_loss": "validation_loss"}.get(self._choose_by, f"validation_{self._choose_by}")
            )
            if figure is None:  # judged by held-out rows, which are scored at the end alone
                return
            asked.report(self._loss(figure), step=seen)
            if asked.should_prune():
                raise self.optuna.TrialPruned

        return look

    @property
    def _choose_by(self) -> str:
        return str(self.base.training.choose_by)

    def _loss(self, figure: float) -> float:
        return figure if self._choose_by == "log_loss" else -figure

    def _figures(self, run: Run) -> Tuned:
        metrics = run.metrics[self.judged_by]
        return {
            "loss": self._loss(getattr(metrics, self._choose_by).value),
            "log_loss": metrics.log_loss.value,
            "accuracy": metrics.accuracy.value,
            "macro_f1": metrics.macro_f1.value,
        }
