"""What a search for settings leaves: `tune.json`, with every trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict

from textlstm.atomic_files import replace_file

RESULT_FILE = "tune.json"


class Tuned(TypedDict, total=False):
    """Figures of a trial that finished, or why it failed."""

    loss: float
    log_loss: float
    accuracy: float
    macro_f1: float
    problem: str


class Trial(BaseModel):
    """One trial of a search.

    Attributes:
        number: in the journal.
        outcome: finished; pruned, as it was behind the others; or failed.
        settings: recipe keys by dotted name.
        loss: what the search lowers: log loss, or minus the figure that chooses; None unless it finished.
        log_loss: in nats, on the rows that it is judged by.
        accuracy: share of these rows.
        macro_f1: on these rows.
        size_mb: MiB of the weights in float32.
        latency_ms: median milliseconds of the answer to one text; None unless there is a limit for it.
        seconds: that it took.
        problem: why it failed; may be empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    outcome: Literal["finished", "pruned", "failed"]
    settings: dict[str, Any]
    loss: float | None = None
    log_loss: float | None = None
    accuracy: float | None = None
    macro_f1: float | None = None
    size_mb: float
    latency_ms: float | None = None
    seconds: float
    problem: str = ""

    def words(self) -> str:
        """The trial in a line."""
        chosen = ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in self.settings.items())
        if self.outcome == "finished":
            figures = f"log loss {self.log_loss:.3f}, accuracy {100 * (self.accuracy or 0):.1f} %"
            return f"{figures} ({self.seconds:.0f} s): {chosen}"
        return f"{self.outcome} ({self.seconds:.0f} s){': ' + self.problem if self.problem else ''}: {chosen}"


class TuneResult(BaseModel):
    """A search.

    Attributes:
        version: of the format.
        judged_by: figure and rows.
        rows: number of these rows.
        data: source of the texts.
        trials: that were trained, in order.
        best: number of the best.
        settings: of the best.
        beyond_limits: suggestions that were beyond a limit and were not trained.
        command: trains the best with `textlstm train`; empty in the library.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    version: Literal[1] = 1
    judged_by: str
    rows: int
    data: str
    trials: list[Trial]
    best: int
    settings: dict[str, Any]
    beyond_limits: int
    command: str = ""

    @property
    def winner(self) -> Trial:
        """The best trial."""
        return next(trial for trial in self.trials if trial.number == self.best)


def write_result(result: TuneResult, folder: Path) -> None:
    """Write `tune.json`, whole or not at all.

    Args:
        result: of a search.
        folder: of the search.
    """
    replace_file(folder / RESULT_FILE, result.model_dump_json(indent=1).encode())
