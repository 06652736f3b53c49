"""A run beside its repetition: what is bit-equal, what is within rounding, and what differs in versions.

The same recipe, data, seed and number of threads give the same bits on one machine. On another processor, or with
another version of a library, sums are rounded in another order; training may carry that far, so a repetition that is
not bit-equal is judged by what it says: by the probability of every row, and the label that follows from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from textlstm.inference.model_files import WEIGHTS_NAME
from textlstm.results import Run, probability_array, read_predictions
from textlstm.stats.scores import THRESHOLD, right_answers

if TYPE_CHECKING:
    import pyarrow as pa

    from textlstm.training.trained import Trained

ROUNDING = 1e-4
"""Largest difference of a probability that counts as rounding, as long as every row gets the same label."""

Verdict = Literal["bit-equal", "within rounding", "different"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class SplitComparison(_Part):
    """One split, before and now.

    Attributes:
        rows: rows scored before.
        same_rows: whether the same rows with the same labels were scored now; the figures below are None otherwise.
        equal: rows whose probabilities are the same to the last bit.
        largest: largest difference of a probability.
        relabeled: rows that get another label (where several may be given, another set of labels).
        accuracy: share of rows right, before and now.
    """

    rows: int
    same_rows: bool = False
    equal: int | None = None
    largest: float | None = None
    relabeled: int | None = None
    accuracy: tuple[float, float]


class Rerun(_Part):
    """A run beside its repetition.

    Attributes:
        verdict: what came of it.
        run: the folder that was repeated.
        splits: by name.
        metrics_equal: whether every figure of every split is the same to the last bit.
        history_equal: whether losses, rates, gradient norms and validation figures of all epochs are.
        weights_equal: whether the stored weights are; None where the folder holds no weights, as a grid's cells.
        best_epoch: the chosen one, before and now.
        changed: by name, versions and facts of the machine that differ, before and now.
    """

    verdict: Verdict
    run: str
    splits: dict[str, SplitComparison]
    metrics_equal: bool
    history_equal: bool
    weights_equal: bool | None
    best_epoch: tuple[float, float]
    changed: dict[str, tuple[str, str]]

    def describe(self) -> list[str]:
        """Say it in sentences, the verdict first."""
        words = {
            "bit-equal": "every probability, figure and epoch is the same to the last bit",
            "within rounding": f"every row gets the same label, and no probability differs by more than {ROUNDING:g}",
            "different": "the repetition ended elsewhere",
        }
        lines = [f"{self.verdict}: {words[self.verdict]}"]
        for name, split in self.splits.items():
            before, now = (100 * figure for figure in split.accuracy)
            told = f"accuracy {before:.2f} %, now {now:.2f} %"
            if not split.same_rows:
                lines.append(f"  {name}: other rows or labels than the {split.rows:,} of before; {told}")
            else:
                lines.append(
                    f"  {name}: {split.equal:,} of {split.rows:,} rows bit-equal, largest difference"
                    f" {split.largest:.1e}, {split.relabeled:,} with another label; {told}"
                )
        if self.best_epoch[0] != self.best_epoch[1]:
            lines.append(f"  chosen epoch: {self.best_epoch[0]:g} before, {self.best_epoch[1]:g} now")
        if not self.history_equal:
            lines.append("  the records of the epochs (losses, rates, gradient norms) are not all the same")
        if self.weights_equal is not None:
            lines.append(f"  stored weights: {'the same numbers' if self.weights_equal else 'other numbers'}")
        lines += [f"  {name}: {before} before, {now} now" for name, (before, now) in self.changed.items()]
        if self.verdict != "bit-equal" and not self.changed:
            lines.append("  no version and no fact of the machine that a run records differs")
        return lines


def compare_rerun(folder: Path, run: Run, trained: Trained) -> Rerun:
    """Put a repetition beside its run.

    Args:
        folder: of the run, with its predictions and perhaps its weights.
        run: as it was stored.
        trained: the repetition.

    Returns:
        The comparison.

    Raises:
        RunFolderError: the stored predictions are damaged.
    """
    now = trained.run
    names = [*run.metrics, *(name for name in now.metrics if name not in run.metrics)]
    splits = {}
    for name in names:
        splits[name] = _compare_split(read_predictions(folder, name), trained.predictions.get(name))
    weights = _weights_equal(folder / WEIGHTS_NAME, trained)
    metrics, history = now.metrics == run.metrics, now.history == run.history
    epochs = run.best_epoch, now.best_epoch
    equal = all(split.equal == split.rows for split in splits.values())
    close = all(
        split.largest is not None and split.largest <= ROUNDING and split.relabeled == 0 for split in splits.values()
    )
    verdict: Verdict = "different"
    if equal and metrics and history and weights is not False and epochs[0] == epochs[1]:
        verdict = "bit-equal"
    elif close and epochs[0] == epochs[1]:
        verdict = "within rounding"
    facts = [*run.environment, *(name for name in now.environment if name not in run.environment)]
    old, new = run.environment, now.environment
    return Rerun(
        verdict=verdict,
        run=str(folder),
        splits=splits,
        metrics_equal=metrics,
        history_equal=history,
        weights_equal=weights,
        best_epoch=epochs,
        changed={
            name: (old.get(name, "not recorded"), new.get(name, "not recorded"))
            for name in facts
            if old.get(name) != new.get(name)
        },
    )


def _compare_split(before: pa.Table, now: pa.Table | None) -> SplitComparison:
    """Compare one split row by row."""
    chances, labels = probability_array(before), np.array(before["label"].to_pylist())
    accuracy = float(right_answers(chances, labels).mean())
    if now is None:
        return SplitComparison(rows=len(labels), accuracy=(accuracy, float("nan")))
    again, labels_now = probability_array(now), np.array(now["label"].to_pylist())
    accuracies = accuracy, float(right_answers(again, labels_now).mean())
    if not all(now[name].equals(before[name]) for name in ("row", "label")):
        return SplitComparison(rows=len(labels), accuracy=accuracies)
    differs = _given(chances, labels) != _given(again, labels)
    return SplitComparison(
        rows=len(labels),
        same_rows=True,
        equal=int((chances == again).all(axis=1).sum()),
        largest=float(np.abs(chances.astype(np.float64) - again).max(initial=0.0)),
        relabeled=int(differs.reshape(len(labels), -1).any(axis=1).sum()),
        accuracy=accuracies,
    )


def _given(chances: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[Any]:
    """The label that each row gets, or which labels."""
    return chances >= THRESHOLD if labels.ndim == 2 else chances.argmax(axis=1)


def _weights_equal(path: Path, trained: Trained) -> bool | None:
    """Compare stored weights with the new ones; None where none are stored."""
    if not path.exists():
        return None
    from safetensors.numpy import load_file

    stored = load_file(path)
    new = trained.model.state_dict()
    return stored.keys() <= new.keys() and all(np.array_equal(stored[name], new[name].numpy()) for name in stored)
