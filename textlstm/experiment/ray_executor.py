"""Cells on a Ray cluster: one machine or many, with or without a file system that they share.

What a cell writes travels back as bytes and is put in its place by the driver, `result.json` last, so that nodes need
nothing but this package. A node that is lost costs the cells that it ran; they come again elsewhere.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from textlstm.atomic_files import replace_file
from textlstm.errors import MissingExtraError, RecipeError, first_line
from textlstm.experiment.failures import Failure
from textlstm.experiment.grid import Cell, RunCell
from textlstm.experiment.workers import WORKER_VARIABLES, Outcome, attempt
from textlstm.results import RESULT_FILE, Run

_LOOK_SECONDS = 10.0  # how often the cluster is asked for nodes that have come or gone


@runtime_checkable
class Travels(Protocol):
    """What runs cells on machines that do not see the driver's files."""

    def with_data(self) -> RunCell:
        """The same, with its data in it."""

    def arrived(self, cell: Cell, run: Run) -> None:
        """Take note, at the driver's, of a run that was done elsewhere."""


@dataclass(frozen=True)
class RayCluster:
    """Runs cells on Ray, as many at a time as the cluster's processors allow.

    Attributes:
        address: of a running cluster, such as "ray://head:10001" or "auto"; None or "local" starts one on this machine,
            which ends with the sweep. A cluster that this process is connected to already is used as it is.
    """

    address: str | None = None

    def __call__(
        self, cells: Iterable[tuple[Cell, Path]], run_cell: RunCell
    ) -> Generator[tuple[Cell, Outcome], None, None]:
        """Run cells on the cluster.

        Args:
            cells: each with its folder; started in this order, and drawn when processors are free.
            run_cell: sent to each node once.

        Yields:
            Each cell with what came of it, as it ends.

        Raises:
            MissingExtraError: Ray is not installed.
            RecipeError: the cluster cannot be reached, or no node of it has as many processors as a run has threads.
        """
        ray = _import_ray()
        rest = iter(cells)
        first = next(rest, None)
        if first is None:  # a cluster takes seconds to start
            return
        queue = chain([first], rest)
        started = not ray.is_initialized()
        if started:
            self._connect(ray)
        running: dict[Any, tuple[Cell, Path]] = {}
        try:
            # Processes that Ray keeps for many tasks tell by this name whether they have it already.
            name = uuid.uuid4().hex
            sent = ray.put(run_cell.with_data() if isinstance(run_cell, Travels) else run_cell)
            # Failed cells come again by the sweep, not by Ray. One that is lost with its node must say so at once.
            task = ray.remote(max_retries=0, scheduling_strategy="SPREAD")(_run_there)
            drained = False
            while True:
                while not drained and _has_room(ray, running):
                    drawn = next(queue, None)
                    if drawn is None:
                        drained = True
                        break
                    threads = drawn[0].recipe.threads
                    _refuse_too_wide(ray, threads)
                    # In a list it stays a reference, so that only processes that lack it fetch it.
                    reference = task.options(num_cpus=threads).remote([sent], name, drawn[0])
                    running[reference] = drawn
                if not running:
                    return
                for reference in ray.wait(list(running), timeout=_LOOK_SECONDS)[0]:
                    cell, folder = running.pop(reference)
                    outcome = _fetch(ray, reference, folder)
                    if isinstance(outcome, Run) and isinstance(run_cell, Travels):
                        run_cell.arrived(cell, outcome)
                    yield cell, outcome
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
            if started:
                ray.shutdown()

    def _connect(self, ray: Any) -> None:  # noqa: ANN401
        """Connect to the cluster, or start one."""
        if self.address in (None, "local"):
            # Said aloud, since without an address Ray would join whatever RAY_ADDRESS names.
            ray.init("local", include_dashboard=False, log_to_driver=False, logging_level="error")
            return
        try:
            ray.init(self.address, log_to_driver=False, logging_level="error")
        except (OSError, RuntimeError, ValueError) as error:
            reason = first_line(error)
            raise RecipeError(
                f"--ray-address should be the address of a running Ray cluster, and {self.address!r} cannot be reached"
                f" ({reason}); check address and port, or say `local` to start one here."
            ) from None


def _refuse_too_wide(ray: Any, threads: int) -> None:  # noqa: ANN401
    """See that some node could run a cell: Ray would wait for one for ever."""
    most = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
    if threads > most:
        raise RecipeError(
            f"A run has {threads} threads, and the largest node of the Ray cluster has {most:g} processors, so that it"
            " would wait for ever; set `threads` lower, or add a larger node."
        )


def _import_ray() -> Any:  # noqa: ANN401 - an optional module
    """Import Ray, with its reports to its makers switched off."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # The coming way, and without it a warning on machines that have no GPU.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "ray") from None
    return ray


def _has_room(ray: Any, running: dict[Any, tuple[Cell, Path]]) -> bool:  # noqa: ANN401
    """Whether one more cell may be drawn: as many as the cluster's processors can run, and one at least."""
    taken = sum(cell.recipe.threads for cell, _ in running.values())
    return not running or taken < ray.cluster_resources().get("CPU", 0)


def _fetch(ray: Any, reference: Any, folder: Path) -> Outcome:  # noqa: ANN401
    """Get what came of a cell, and write what it has written."""
    try:
        outcome, files = ray.get(reference)
    except ray.exceptions.OutOfMemoryError:
        return Failure("out_of_memory", "Ray ended the run, because its node was running out of memory.")
    except ray.exceptions.RayError as error:
        words = " ".join(str(error).split())
        return Failure("killed_worker", f"killed worker (its process or its node was lost: {words[:300]})")
    # A result makes a cell finished, so it comes last.
    for name in sorted(files, key=lambda name: name == RESULT_FILE):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, files[name])
    checked: Outcome = outcome
    return checked


_known: dict[str, RunCell] = {}


def _run_there(sent: list[Any], name: str, cell: Cell) -> tuple[Outcome, dict[str, bytes]]:
    """Run one cell on a node; give back what came of it and the files that it wrote."""
    import ray

    os.environ.update(WORKER_VARIABLES)
    if name not in _known:
        _known.clear()
        _known[name] = ray.get(sent[0])
    with tempfile.TemporaryDirectory(prefix="textlstm-cell-") as scratch:
        folder = Path(scratch)
        outcome = attempt(_known[name], cell, folder)
        if isinstance(outcome, Failure):
            return outcome, {}
        files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return outcome, files
