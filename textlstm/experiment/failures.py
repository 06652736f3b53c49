"""Why a cell did not become a run: told from the error, written beside the cell, read by the next sweep and by status.

runs/sst2/layers=4/size=full/seed=3/failure.json    there only while the cell has no result
"""

from __future__ import annotations

import json
import socket
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from textlstm.atomic_files import PARTIAL_FILES, replace_file
from textlstm.errors import NonFiniteLossError, TextLSTMError, TrainingError

FAILURE_FILE = "failure.json"

Kind = Literal["out_of_memory", "non_finite_loss", "killed_worker", "error"]


@dataclass(frozen=True)
class Failure:
    """One cell that could not be run.

    Attributes:
        kind: what sort of mishap it was.
        reason: one sentence for the user.
        attempts: how often the cell was tried.
        final: whether another try is known to end the same way, as with a wrong recipe or wrong data.
        trace: where in the program an unforeseen error came from; empty for those that explain themselves.
    """

    kind: Kind
    reason: str
    attempts: int = 1
    final: bool = False
    trace: str = ""

    def after(self, attempts: int) -> Failure:
        """The same failure, counted as the last of so many attempts."""
        return replace(self, attempts=attempts)


def failure_from(error: BaseException) -> Failure:
    """Word what a cell raised.

    Args:
        error: any exception; memory errors are known by their names, since this floor does not import torch.

    Returns:
        The failure, as of a first attempt.
    """
    if any(_lacks_memory(link) for link in _chain(error)):
        if isinstance(error, TextLSTMError):
            return Failure("out_of_memory", str(error))
        return Failure("out_of_memory", f"The run was out of memory ({_first_line(error)}).")
    if isinstance(error, NonFiniteLossError):
        return Failure("non_finite_loss", str(error))
    if isinstance(error, TextLSTMError):
        return Failure("error", str(error), final=not isinstance(error, TrainingError))
    return Failure("error", _first_line(error), trace="".join(traceback.format_exception(error)))


def failure_of_exit(code: int | None) -> Failure:
    """Word the end of a worker process that has left its cell unfinished.

    Args:
        code: the exit code, negative for a signal, as `multiprocessing` gives it.

    Returns:
        The failure, as of a first attempt.
    """
    if code == -9:
        return Failure("killed_worker", "killed worker (signal 9, most likely for lack of memory)")
    if code is not None and code < 0:
        return Failure("killed_worker", f"killed worker (signal {-code})")
    return Failure("killed_worker", f"killed worker (its process ended with exit code {code} in the middle of the run)")


def write_failure(folder: Path, failure: Failure) -> None:
    """Record a failure beside its cell, whole or not at all.

    Args:
        folder: the cell's folder; made when absent.
        failure: of the last attempt.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "kind": failure.kind,
        "reason": failure.reason,
        "attempts": failure.attempts,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "trace": failure.trace,
    }
    replace_file(folder / FAILURE_FILE, json.dumps(record, indent=1, ensure_ascii=False).encode())


def read_failure(folder: Path) -> Failure | None:
    """Read the failure that is recorded for a cell.

    Args:
        folder: the cell's folder.

    Returns:
        The failure; None when there is none. A damaged record counts as a failure without a known reason.
    """
    try:
        record = json.loads((folder / FAILURE_FILE).read_text("utf-8"))
        kind, reason, attempts = record["kind"], str(record["reason"]), int(record["attempts"])
        if kind not in get_args(Kind):
            raise ValueError(kind)
        return Failure(kind, reason, attempts, trace=str(record.get("trace", "")))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return Failure("error", f"{folder / FAILURE_FILE} is damaged, so the reason is not known")


def clear_failure(folder: Path) -> None:
    """Forget a cell's failure, once it has a result, and what killed attempts have left half-written.

    Args:
        folder: the cell's folder.
    """
    for path in (folder / FAILURE_FILE, *folder.glob(PARTIAL_FILES)):
        path.unlink(missing_ok=True)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and those in whose handling it was raised."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _lacks_memory(error: BaseException) -> bool:
    """Whether an error is about memory: of Python, of torch on a device, or of torch on the CPU, which has no class."""
    words = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and ("can't allocate memory" in words or "not enough memory" in words))
    )


def _first_line(error: BaseException) -> str:
    """An error of any library as one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
