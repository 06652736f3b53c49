"""Running a study: cells as the looks ask for them, within the budget, saying after each what it would say now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.advice.decision import Standing, Step, decide, next_step
from textlstm.analysis.advice.holdout import Hits, holdout_hits, shared_overlap
from textlstm.analysis.advice.study import SPARE_SEEDS, Study
from textlstm.analysis.advice.words import now_words
from textlstm.analysis.wording import duration, layers_words
from textlstm.errors import TrainingError
from textlstm.experiment.executors import Executor
from textlstm.experiment.failures import Failure
from textlstm.experiment.grid import Cell, RunCell
from textlstm.experiment.sweep import run_grid
from textlstm.results import Run

RUNS_FOLDER = "runs"


@dataclass
class Session:
    """A study on its way.

    Attributes:
        study: what is to be found out.
        folder: of the study; finished runs in it are kept.
        executor: decides where cells run.
        run_cell: trains one cell.
        tell: called with a sentence after each run, and when something is given up.
        spent: seconds of work so far, kept runs included.
        runs: finished runs by depth and seed.
        log: what it would have said at each look, one sentence a look.
        failed: why, by depth and seed of the runs that failed; their seeds are replaced.
        out_of_time: whether the budget has ended the looks.
    """

    study: Study
    folder: Path
    executor: Executor
    run_cell: RunCell
    tell: Callable[[str], None]
    spent: float = 0.0
    runs: dict[tuple[int, int], Run] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    failed: dict[tuple[int, int], str] = field(default_factory=dict)
    out_of_time: bool = False
    _right: dict[tuple[int, int], Hits] = field(default_factory=dict)

    @cached_property
    def cells(self) -> dict[tuple[int, int], Cell]:
        """All runs that the study may ask for, by depth and seed; those of 0 layers are the bag."""
        return self.study.cells()

    def left(self) -> float:
        """Seconds that the budget leaves."""
        return self.study.budget - self.spent

    def gauge(self) -> float:
        """Run as many cells as run side by side, to learn whether the machine is as fast as the plan takes it to be.

        Returns:
            The pace.

        Raises:
            TrainingError: none of them came to its end.
        """
        looks, depths = range(self.study.rules.looks[0]), self.study.depths
        first = [self.cells[depth, seed] for seed in looks for depth in depths]
        self.train(first[: self.study.workers])
        if not self.runs:
            raise TrainingError(f"The first run failed, and so would the others: {next(iter(self.failed.values()))}")
        return self.pace()

    def conduct(self) -> Standing:
        """Run the study to its end or to the end of its budget.

        Returns:
            What it says.

        Raises:
            TrainingError: fewer than two depths, or not the shallowest, could be trained.
            RunFolderError: the folder holds runs with other settings or of other data.
        """
        standing, cells = self.stand(), self.cells
        # The first seed shows what each depth takes, and whether it can be trained at all.
        opening = [(depth, 0) for depth in self.study.depths]
        self.train(cells[place] for place in opening if place not in self.runs and place not in self.failed)
        self._fit_depths()
        if not self._missing(Step(self.study.depths, self.study.rules.looks[0]), cells):  # `gauge` ran all of it
            self.log.append(now_words(self.stand()))
        while (step := next_step(standing := self.stand(standing), self.study.rules)) is not None:
            missing = self._missing(step, cells)
            if not missing:
                break
            expected = sum(self.seconds(cell.layers) for cell in missing) / self.study.workers
            first = step.seeds == self.study.rules.looks[0]
            if not first and expected > self.left():
                self.out_of_time = True
                self.tell(
                    f"The next look, at {step.seeds} seeds, would take {duration(expected)} and the budget leaves"
                    f" {duration(max(0.0, self.left()))}: it ends here."
                )
                break
            if not first:
                going = " and ".join(map(layers_words, step.depths[1:]))
                self.tell(
                    f"Open: {going} against {layers_words(step.depths[0])}; on to {step.seeds} seeds, about"
                    f" {duration(expected)}."
                )
            self.train(missing)
            if not self._missing(step, cells):
                self.log.append(now_words(self.stand(standing)))
        if not standing.comparisons:
            raise TrainingError(
                f"{len(self.failed)} runs failed before there were {self.study.rules.looks[0]} seeds of two depths to"
                " compare; why is told above and in failure.json beside each."
            )
        return standing

    def train(self, cells: Iterable[Cell], *, folder: str = RUNS_FOLDER) -> dict[tuple[int, int], Run]:
        """Run cells, or take them from the folder.

        Args:
            cells: of `Study.cells`.
            folder: below the study's.

        Returns:
            Runs by depth and seed; those of failed cells are absent.
        """
        chosen = list(cells)
        done: dict[tuple[int, int], Run] = {}
        own = folder == RUNS_FOLDER
        started, kept = time.monotonic(), 0.0

        def arrived(cell: Cell, run: Run, no_time: bool) -> None:
            nonlocal kept
            place = cell.layers, cell.seed
            done[place] = run
            kept += run.cost.train_seconds if no_time else 0.0
            if not own:
                return
            known = place in self.runs
            self.runs[place] = run
            if not known:
                elapsed = self.spent + kept / self.study.workers + time.monotonic() - started
                score = f"seed {cell.seed}: {100 * run.metrics['holdout'].accuracy.value:.1f} %"
                if cell.layers:
                    score = f"{layers_words(cell.layers)}, {score}. Now: {now_words(self.stand())}"
                else:
                    score = f"bag of embeddings, {score}"
                self.tell(f"[{duration(elapsed)}] {score}")

        def lost(cell: Cell, failure: Failure, again: bool) -> None:
            if not again:
                self.failed[cell.layers, cell.seed] = failure.reason
            words = "failed and is tried again" if again else "failed"
            self.tell(f"{layers_words(cell.layers)}, seed {cell.seed} {words}: {failure.reason}")

        run_grid(
            self.study.recipe,
            self.folder / folder,
            run_cell=self.run_cell,
            executor=self.executor,
            cells=chosen,
            data_fingerprint=self.study.data.fingerprint,
            listener=arrived,
            on_failure=lost,
            on_wait=self.tell,
        )
        self.spent += kept / self.study.workers + time.monotonic() - started
        return done

    def stand(self, before: Standing | None = None) -> Standing:
        """Say what the runs so far say.

        Args:
            before: the standing at the last look, whose stopped comparisons stay stopped.

        Returns:
            The standing.
        """
        depths, seeds = self.study.depths, self._seeds()
        scores = {}
        for depth in depths:
            own = []
            for seed in seeds:
                if (depth, seed) not in self.runs:
                    break
                own.append(self.runs[depth, seed].metrics["holdout"].accuracy.value)
            scores[depth] = own
        overlaps = {depth: self._overlap(depth, seeds[: len(scores[depth])]) for depth in depths[1:]}
        stopped = before.given_up if before is not None else frozenset[int]()
        return decide(scores, self.study.rules, overlaps=overlaps, given_up=stopped)

    def scores(self, depth: int, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Give the scores of a depth.

        Args:
            depth: layers, 0 for the bag.
            seeds: whose runs are there.

        Returns:
            (seeds,) share of each seed's hold-out rows that is right.
        """
        return np.array([self.runs[depth, seed].metrics["holdout"].accuracy.value for seed in seeds])

    def seconds(self, depth: int) -> float:
        """Mean seconds of a run of a depth; estimated from the others where none is there.

        Args:
            depth: layers.

        Returns:
            Seconds of training.
        """
        own = [run.cost.train_seconds for (layers, _), run in self.runs.items() if layers == depth]
        if own:
            return float(np.mean(own))
        return self.pace() * self.cells[depth, 0].work

    def has_time(self, cells: Sequence[Cell], *, share: float = 1.0) -> bool:
        """Say whether cells would end within the budget.

        Args:
            cells: none of them run yet.
            share: of the time that is left.

        Returns:
            Whether the expected time is there.
        """
        return self.pace() * sum(cell.work for cell in cells) / self.study.workers <= share * self.left()

    def pace(self) -> float:
        """Seconds a run takes over its planned ones, on average; 1 before any run."""
        known = [(run.cost.train_seconds, self.cells[place].work) for place, run in self.runs.items()]
        return sum(took for took, _ in known) / sum(planned for _, planned in known) if known else 1.0

    def _seeds(self) -> list[int]:
        """Seeds in order, without those of which a run has failed."""
        lost = {seed for depth, seed in self.failed if depth in self.study.depths}
        most = self.study.rules.looks[-1] + len(lost)
        return [seed for seed in range(most) if seed not in lost]

    def _missing(self, step: Step, cells: Mapping[tuple[int, int], Cell]) -> list[Cell]:
        places = [(depth, seed) for seed in self._seeds()[: step.seeds] for depth in step.depths]
        return [cells[place] for place in places if place not in self.runs and place in cells]

    def _fit_depths(self) -> None:
        """Leave out depths that cannot be trained, and the deepest where the machine is slower than was planned for."""
        looks, study = self.study.rules.looks, self.study
        lost = {depth for depth in study.depths if (depth, 0) in self.failed}
        depths = [depth for depth in study.depths if depth not in lost]
        if len(depths) < 2 or 1 in lost:
            raise TrainingError("Runs of fewer than two depths came to their end, so there is nothing to compare.")

        def ahead() -> float:
            return self.spent + (looks[0] - 1) * sum(map(self.seconds, depths)) / study.workers

        notes = [f"{layers_words(depth)} could not be trained and are left out." for depth in sorted(lost)]
        while len(depths) > 2 and ahead() > study.budget:
            words = layers_words(depths.pop())
            notes.append(f"{words} are left out: the first look would take longer than the budget.")
        for note in notes:
            self.tell(note)
        self.study = replace(study, depths=tuple(depths), notes=(*study.notes, *notes))

    def _overlap(self, depth: int, seeds: Sequence[int]) -> float:
        """Measure what the seeds' hold-out rows have in common, for this depth against the shallowest."""
        cap, shallowest = self.study.rules.overlap, self.study.depths[0]
        shared = [seed for seed in seeds if (shallowest, seed) in self.runs and (depth, seed) in self.runs]
        pairs = [(self._holdout(shallowest, seed), self._holdout(depth, seed)) for seed in shared]
        return shared_overlap(pairs, cap=cap)

    def _holdout(self, depth: int, seed: int) -> Hits:
        """Rows that a seed has kept out, rising, and whether each was classified rightly."""
        if (depth, seed) not in self._right:
            path = self.cells[depth, seed].path
            self._right[depth, seed] = holdout_hits(self.folder / RUNS_FOLDER / path)
        return self._right[depth, seed]


def paired_seeds(session: Session, standing: Standing, *, count: int | None = None) -> list[int]:
    """Pick seeds on which what else might help is compared with the advised depth.

    Args:
        session: of the study.
        standing: what it says.
        count: how many at most; those of the first look when None.

    Returns:
        Seeds of which the advised and the shallowest depth have runs.
    """
    rules = session.study.rules
    depths = (standing.depth, standing.shallowest)
    most = rules.looks[-1] + SPARE_SEEDS
    seeds = [seed for seed in range(most) if all((depth, seed) in session.runs for depth in depths)]
    return seeds[: count or rules.looks[0]]
