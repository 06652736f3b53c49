"""What long commands show on the way: a bar with an ETA on a terminal, plain lines elsewhere, all on stderr."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.table import Table

    from textlstm.experiment.baselines import BaselineResult
    from textlstm.experiment.failures import Failure
    from textlstm.experiment.grid import Cell
    from textlstm.results import Run
    from textlstm.text.datasets import TextData
    from textlstm.training.pretraining_run import PretrainingReport
    from textlstm.training.progress import Report


class _Display:
    """A bar on a terminal, lines elsewhere, nothing when quiet."""

    def __init__(
        self, *columns: TextColumn | BarColumn | MofNCompleteColumn, quiet: bool, interrupted: str | None = None
    ) -> None:
        self.quiet, self.interrupted = quiet, interrupted
        self.console = Console(stderr=True, highlight=False)
        self.bar = Progress(
            *columns,
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            speed_estimate_period=24 * 3600,  # a cell may take minutes; rich would forget it after 30 seconds
            disable=quiet or not self.console.is_terminal,
        )

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()
        if kind is KeyboardInterrupt and self.interrupted is not None:
            self.console.print(f"Interrupted; {self.interrupted}.", markup=False, soft_wrap=True)
            raise typer.Exit(1) from None

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if not self.quiet:
            self.console.print(text, markup=False, soft_wrap=True)

    def note(self, data: TextData) -> None:
        """Say what was loaded and every counted warning."""
        rows = ", ".join(f"{name} {len(split):,}" for name, split in data.splits.items())
        self.say(f"{data.source}: {rows} rows, {len(data.label_names)} labels")
        for note in data.notes:
            self.say(f"  {note}")


class GridProgress(_Display):
    """Progress over the cells of a grid, weighed by their expected work."""

    def __init__(self, name: str, folder: Path, *, quiet: bool) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[cells]}"),
            quiet=quiet,
            interrupted=f"what is finished is in {folder}, and the same command goes on from there",
        )
        self.count, self.done, self.work = 0, 0, 0.0
        self._seen: set[Path] = set()
        self.task = self.bar.add_task(name, total=None, cells="")

    def planned(self, cells: Sequence[Cell]) -> None:
        """Take in the plan; cells that share a folder are one run."""
        runs = {cell.path: cell.work for cell in cells}
        self.count = len(runs)
        self.bar.update(self.task, total=sum(runs.values()), cells=f"{self.done}/{self.count} runs")

    def cell_done(self, cell: Cell, run: Run, no_time: bool) -> None:
        """Count a run; off a terminal, print a line for it."""
        if cell.path in self._seen:
            return
        self._seen.add(cell.path)
        self._count(cell.work, no_time=no_time)
        if not self.bar.disable or self.quiet:
            return
        words = "kept from before" if no_time else f"{run.cost.train_seconds:.1f} s"
        self.say(f"[{self.done}/{self.count}] {cell.path.as_posix()}: {100 * run.score:.1f} % ({words})")

    def cell_failed(self, cell: Cell, failure: Failure, again: bool) -> None:
        """Say why a run failed; one that is tried again is not counted yet."""
        if not again:
            self._seen.add(cell.path)
            self._count(cell.work, no_time=False)
        words = "it will be tried once more" if again else "given up"
        self.say(f"{cell.path.as_posix()} failed, {words}: {failure.reason}")

    def baseline_done(self, result: BaselineResult, before: bool) -> None:
        """Print a line for a baseline, off a terminal."""
        if self.bar.disable and not before:
            score = 100 * result.test.accuracy.value
            self.say(f"{result.path.as_posix()}: {score:.1f} % ({result.seconds:.1f} s)")

    def _count(self, work: float, *, no_time: bool) -> None:
        self.done += 1
        self.work += work
        self.bar.update(self.task, advance=work, cells=f"{self.done}/{self.count} runs")
        if no_time:  # it must not count as speed
            self.bar.reset(self.task, completed=round(self.work))


class TrainProgress(_Display):
    """Progress over the updates of one run, with the figures of the last epoch."""

    def __init__(self, folder: Path, *, quiet: bool) -> None:
        columns = (TextColumn("epoch {task.fields[epoch]:.1f}"), BarColumn(), TextColumn("{task.description}"))
        words = f"the same command goes on from the last checkpoint in {folder}, or afresh where there is none yet"
        super().__init__(*columns, quiet=quiet, interrupted=words)
        self.task = self.bar.add_task("", total=None, epoch=0.0)
        self.said = 0
        self.shown_at = 0.0

    def begin(self, name: str) -> Callable[[Report], None]:
        """Start anew for one of several runs; gives what listens to it."""
        self.said = 0
        self.say(f"{name}:")
        return self.update

    def update(self, report: Report) -> None:
        """Show how far the run is; off a terminal, print a line an epoch."""
        now = time.monotonic()
        if now - self.shown_at > 0.2 or report.step == report.steps:
            self.shown_at = now
            self.bar.update(self.task, completed=report.step, total=report.steps, epoch=report.epoch)
        if len(report.history) > self.said:
            last = report.history[-1]
            words = f"training loss {last.train_loss:.3f}"
            if last.validation_loss is not None and last.validation_accuracy is not None:
                words += (
                    f", validation loss {last.validation_loss:.3f}, accuracy {100 * last.validation_accuracy:.1f} %"
                )
            elif report.step == last.step and not report.done:
                return  # validation is scored after the log; the next update has it
            self.said = len(report.history)
            self.bar.update(self.task, description=words)
            if self.bar.disable:
                self.say(f"epoch {last.epoch:.0f}, step {last.step} of {report.steps}: {words}")


class PretrainProgress(_Display):
    """Progress over the updates of pretraining, with the figures of the last record."""

    def __init__(self, folder: Path, *, quiet: bool) -> None:
        words = f"the same command goes on from the last checkpoint in {folder}, or afresh where there is none yet"
        super().__init__(
            TextColumn("updates"), BarColumn(), TextColumn("{task.description}"), quiet=quiet, interrupted=words
        )
        self.task = self.bar.add_task("reading the text", total=None)
        self.said = 0

    def update(self, report: PretrainingReport) -> None:
        """Show how far the run is; off a terminal, print a line a record."""
        self.bar.update(self.task, completed=report.step, total=report.steps)
        for record in report.history[self.said :]:
            words = f"training loss {record.train_loss:.3f}"
            if record.perplexity is not None:
                words += f", perplexity {record.perplexity:.1f}"
            self.bar.update(self.task, description=words)
            if self.bar.disable:
                self.say(f"update {record.step} of {report.steps}: {words}")
        self.said = len(report.history)


def quiet_libraries() -> None:
    """Turn off the libraries' own bars and remarks, which would break into ours."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def print_table(table: Table) -> None:
    """Print a rich table on stdout, as wide as it needs to be where stdout is no terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)


class AdviceProgress(_Display):
    """What a study would say, line by line, with the time that is gone."""

    def __init__(self, folder: Path, *, quiet: bool) -> None:
        words = f"what is finished is in {folder}, and the same command goes on from there"
        super().__init__(TextColumn("{task.description}"), quiet=quiet, interrupted=words)
        self.task = self.bar.add_task("asking", total=None)


class InspectProgress(_Display):
    """The parts of an inspection as they begin."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(TextColumn("{task.description}"), quiet=quiet)
        self.task = self.bar.add_task("loading", total=None)

    def part(self, words: str) -> None:
        """Show what is looked at now; off a terminal, print a line for it."""
        self.bar.update(self.task, description=words)
        if self.bar.disable:
            self.say(words)


class PredictProgress(_Display):
    """Rows done, and about how many are left where the file tells. Off a terminal, a line now and then."""

    _SECONDS_BETWEEN_LINES = 30.0

    def __init__(self, out: Path, *, quiet: bool, expected: int | None = None) -> None:
        words = f"the same command goes on from the last window of rows that was predicted for {out}"
        super().__init__(TextColumn("{task.completed:,.0f} rows"), BarColumn(), quiet=quiet, interrupted=words)
        self.expected = expected
        self.task = self.bar.add_task("", total=expected)
        self.said_at = self.began = time.monotonic()

    def update(self, rows: int) -> None:
        """Show the number of rows done."""
        total = None if self.expected is None else max(self.expected, rows)  # it may be an estimate
        self.bar.update(self.task, completed=rows, total=total)
        now = time.monotonic()
        if self.bar.disable and now - self.said_at > self._SECONDS_BETWEEN_LINES:
            self.said_at = now
            speed = rows / (now - self.began)
            left = ""
            if total is not None and total > rows:
                left = f", about {math.ceil((total - rows) / speed / 60)} min left"
            self.say(f"{rows:,} rows, {speed:,.0f} a second{left}")
