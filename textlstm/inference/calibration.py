"""Probabilities that mean what they say: a temperature and, for multi-label, thresholds, fitted on held-out rows.

A model's probabilities are usually too sure. Dividing all logits by one number, the temperature, changes no ranking and
mends most of that (Guo et al. 2017, "On Calibration of Modern Neural Networks"). What was fitted lies beside the model
in calibration.json, and every way of predicting uses it. Imports neither torch nor transformers.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.errors import DataError, ModelError
from textlstm.inference.decisions import probabilities_from_logits
from textlstm.inference.model_files import CALIBRATION_NAME, weights_digest
from textlstm.stats.scores import THRESHOLD

Floats = NDArray[Any]

FEWEST_ROWS = 50
"""Fewer labeled rows say too little about a temperature."""
FEWEST_POSITIVES = 10
"""A label with fewer positive (or negative) rows keeps the threshold 0.5."""
_HOTTEST = 20.0


@dataclass(frozen=True)
class Calibration:
    """What was fitted, and on what.

    Attributes:
        temperature: logits are divided by it; above 1 the model was too sure.
        thresholds: for a multi-label model by label the probability, after the temperature, from which it is given.
        rows: labeled rows it was fitted on.
        source: where they come from.
        log_loss_before: mean negative log probability of the truth on these rows, in nats.
        log_loss_after: the same with the temperature.
        weights: digest of the model's weights, where known.
    """

    temperature: float
    thresholds: dict[str, float] | None
    rows: int
    source: str
    log_loss_before: float
    log_loss_after: float
    weights: str | None = None

    def thresholds_of(self, label_names: list[str]) -> NDArray[np.float32] | None:
        """Give the thresholds in the order of a model's labels.

        Args:
            label_names: in the order of the model's outputs.

        Returns:
            (classes,); None where none were fitted.

        Raises:
            ModelError: they are of other labels.
        """
        if self.thresholds is None:
            return None
        if set(self.thresholds) != set(label_names):
            raise ModelError(
                f"The calibration should have a threshold for each of the labels {', '.join(label_names)}, and"
                f" has some for {', '.join(self.thresholds)}; calibrate the model again."
            )
        return np.array([self.thresholds[name] for name in label_names], dtype=np.float32)


def fit_calibration(
    logits: Floats, labels: NDArray[Any], label_names: list[str], *, source: str, weights: str | None = None
) -> Calibration:
    """Fit a temperature by maximum likelihood, and for multi-label the threshold of each label by its F1.

    Args:
        logits: (rows, classes) before calibration.
        labels: (rows,) class ids, or (rows, classes) truth values for multi-label.
        label_names: in the order of the columns.
        source: where the rows come from.
        weights: digest of the model's weights.

    Returns:
        The calibration.

    Raises:
        DataError: there are fewer than `FEWEST_ROWS` rows.
    """
    if len(labels) < FEWEST_ROWS:
        raise DataError(
            f"A calibration needs at least {FEWEST_ROWS} labeled rows that the model did not train on, and"
            f" {len(labels)} were found in {source}; label more."
        )
    from scipy.optimize import minimize_scalar

    exact = np.asarray(logits, dtype=np.float64)

    def loss(log_temperature: float) -> float:
        return _log_loss(exact / math.exp(log_temperature), labels)

    reach = math.log(_HOTTEST)
    found = minimize_scalar(loss, bounds=(-reach, reach), method="bounded", options={"xatol": 1e-4})
    before, after = loss(0.0), float(found.fun)
    # The loss is convex in 1 / T, so an end that is no better than the start means that there is nothing to mend.
    temperature = math.exp(float(found.x)) if after < before else 1.0
    thresholds = None
    if labels.ndim == 2:
        chances = probabilities_from_logits(exact / temperature, multi_label=True)
        thresholds = {
            name: _best_threshold(chances[:, column], labels[:, column].astype(bool))
            for column, name in enumerate(label_names)
        }
    return Calibration(
        temperature=round(temperature, 4),
        thresholds=thresholds,
        rows=len(labels),
        source=source,
        log_loss_before=before,
        log_loss_after=min(before, after),
        weights=weights,
    )


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A calibration that was stored, and the rows it was fitted on.

    Attributes:
        path: the file.
        calibration: what was fitted.
        probabilities: (rows, classes) with it.
        labels: (rows,) class ids or (rows, classes) truth values.
    """

    path: Path
    calibration: Calibration
    probabilities: Floats
    labels: NDArray[Any]


def calibrate_model(
    folder: Path, *, data: str | None = None, split: str | None = None, options: dict[str, Any] | None = None
) -> Calibrated:
    """Fit a model's calibration on rows that it did not train on, and store it in its folder.

    Args:
        folder: the model's.
        data: labeled data, as `held_out_rows` takes it.
        split: of `data`.
        options: recipe keys that say how to read `data`.

    Returns:
        What was fitted and stored.

    Raises:
        DataError: there are no such rows, or too few.
        ModelError: the folder holds no model.
    """
    from textlstm.inference.held_out import held_out_rows
    from textlstm.inference.predictor import Predictor

    predictor = Predictor.load(folder, calibrated=False)
    rows = held_out_rows(folder, predictor.label_names, data=data, split=split, options=options, open_test=False)
    assert rows.labels is not None  # noqa: S101 - held_out_rows gives labeled rows
    logits = predictor.logits_of(predictor.encode(rows.texts))
    names, weights = predictor.label_names, weights_digest(folder)
    fitted = fit_calibration(logits, rows.labels, names, source=rows.origin, weights=weights)
    path = write_calibration(folder, fitted)
    chances = probabilities_from_logits(logits / fitted.temperature, multi_label=predictor.multi_label)
    return Calibrated(path, fitted, chances, rows.labels)


def describe_calibration(calibration: Calibration) -> str:
    """Say in words what was fitted.

    Args:
        calibration: of a model.

    Returns:
        Some lines.
    """
    hot = calibration.temperature
    what = "was too sure" if hot > 1 else "was not sure enough" if hot < 1 else "was as sure as it should be"
    lines = [
        f"{calibration.source}: temperature {hot:.4g}, so the model {what}; log loss {calibration.log_loss_before:.4f}"
        f" before, {calibration.log_loss_after:.4f} after (on the rows it was fitted on)"
    ]
    for name, threshold in (calibration.thresholds or {}).items():
        lines.append(f"  {name}: given from a probability of {threshold:.3f} on")
    return "\n".join(lines)


def write_calibration(folder: Path, calibration: Calibration) -> Path:
    """Store a calibration with its model.

    Args:
        folder: the model's.
        calibration: what was fitted.

    Returns:
        The file.
    """
    path = folder / CALIBRATION_NAME
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(asdict(calibration), indent=1, ensure_ascii=False) + "\n", "utf-8")
    temporary.replace(path)
    return path


def read_calibration(folder: Path, *, weights: str | None = None) -> Calibration | None:
    """Read a model's calibration.

    Args:
        folder: the model's.
        weights: digest of the weights that answer, where the folder may hold none: a graph knows its own.

    Returns:
        The calibration, or None where there is none.

    Raises:
        ModelError: the file is damaged, or was fitted for other weights.
    """
    path = folder / CALIBRATION_NAME
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text("utf-8"))
        named = {*values, "weights"} if isinstance(values, dict) else set()
        if odd := named ^ {field.name for field in fields(Calibration)}:
            raise ValueError(f"its keys are others: {', '.join(sorted(odd))}")
        calibration = Calibration(**values)
        usable = math.isfinite(calibration.temperature) and calibration.temperature > 0
        if wrong := _wrong_values(calibration):
            raise ValueError(wrong)
    except (ValueError, TypeError) as error:
        raise ModelError(
            f"{path} should be what textlstm calibrate wrote, and is not ({error}); calibrate again or delete it."
        ) from error
    if not usable:
        raise ModelError(f"{path} should have a temperature above 0, and has {calibration.temperature}; delete it.")
    here = weights_digest(folder) or weights
    if calibration.weights is not None and here not in (None, calibration.weights):
        raise ModelError(f"{path} was fitted for other weights than the model's; calibrate again or delete it.")
    return calibration


def _wrong_values(calibration: Calibration) -> str | None:
    """Say which value of a file is of another kind than it should be; anybody may have written it."""
    chances = calibration.thresholds
    if chances is not None:
        numbers = isinstance(chances, dict) and all(
            isinstance(chance, int | float) and 0 <= chance <= 1 for chance in chances.values()
        )
        if not numbers:
            return f"its thresholds should be a probability for each label, and are {str(chances)[:60]}"
    losses = (calibration.log_loss_before, calibration.log_loss_after)
    plain = isinstance(calibration.rows, int) and isinstance(calibration.source, str)
    if not plain or not all(isinstance(loss, int | float) for loss in losses):
        return "its rows, source or losses are of another kind"
    return None


def _log_loss(logits: NDArray[np.float64], labels: NDArray[Any]) -> float:
    """Mean negative log probability of the truth: of the class, or over all label decisions."""
    if labels.ndim == 2:
        # log(1 + exp(-z)) of the logit in the truth's direction
        return float(np.logaddexp(0.0, np.where(labels, -logits, logits)).mean())
    top = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
    return float((total - logits[np.arange(len(logits)), labels]).mean())


def _best_threshold(chances: Floats, truth: NDArray[np.bool_]) -> float:
    """Find the threshold with the best F1, in the middle between two probabilities; ties go to the one next to 0.5."""
    positives = int(truth.sum())
    if min(positives, len(truth) - positives) < FEWEST_POSITIVES:
        return THRESHOLD
    order = np.argsort(-chances, kind="stable")
    sorted_chances, hits = chances[order].astype(np.float64), np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(truth) + 1) + positives)
    # A cut between equal probabilities is none.
    below = np.append(sorted_chances[1:], 0.0)
    cuts = (sorted_chances + below) / 2
    f1 = np.where(sorted_chances > below, f1, -1.0)
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return round(float(cuts[best[np.abs(cuts[best] - THRESHOLD).argmin()]]), 6)
