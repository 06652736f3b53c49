"""Run: what one training run yields, as plain values that any later floor can read without torch.

On disk a run is one folder: `result.json` (this module's `Run`, written last and by rename, so a folder that has one is
finished), `predictions.parquet`, `recipe.yaml` and `environment.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from textlstm.atomic_files import replace_file, replacing
from textlstm.errors import RunFolderError, first_line

RESULT_FILE = "result.json"
PREDICTIONS_FILE = "predictions.parquet"
RECIPE_FILE = "recipe.yaml"
ENVIRONMENT_FILE = "environment.json"


class _Record(BaseModel):
    """Frozen, closed and finite-or-null: what is written is what is read back."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Estimate(_Record):
    """A figure with its 95 % interval; `low` and `high` are None where no interval can be had."""

    value: float
    low: float | None = None
    high: float | None = None


class ClassMetrics(_Record):
    """Precision, recall and F1 of one label (shares, 0 to 1) and its number of rows."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float


class SplitMetrics(_Record):
    """What the model scores on one split; shares from 0 to 1, log loss in nats.

    For multi-label data `accuracy` is the share of rows whose whole label set is right.
    """

    rows: int
    accuracy: Estimate
    macro_f1: Estimate
    log_loss: Estimate
    ece: Estimate
    per_class: list[ClassMetrics]


class Epoch(_Record):
    """One pass over the training rows (or one evaluation interval), as logged.

    Attributes:
        epoch: passes over the training rows so far.
        step: optimizer updates so far.
        train_loss: mean training loss since the last record, with dropout on, in nats.
        validation_loss: mean log loss on validation; None without a validation split.
        validation_accuracy: share of validation rows right; None without a validation split.
        validation_macro_f1: unweighted mean of the classes' F1 on validation; None without a validation split.
        learning_rate: the rate at the record's last step.
        gradient_norm: mean global gradient norm before clipping since the last record.
        clipped: share of steps since the last record whose gradient was clipped.
    """

    epoch: float
    step: int
    train_loss: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    validation_macro_f1: float | None = None
    learning_rate: float
    gradient_norm: float
    clipped: float


class DataUse(_Record):
    """Which rows the run saw.

    Attributes:
        source: the data as named by the user.
        fingerprint: hash over texts, labels and splits.
        label_names: names in the order of the model's outputs.
        multi_label: whether a row may carry several labels.
        rows: rows by split, after subsetting.
        labels_used: labeled rows that training or choosing the epoch could see (train and validation).
        notes: how splits were made, what was dropped, counted; what pretrained vectors cover.
        vectors: hash over the content of the pretrained vectors; None without any.
        further_rows: changed copies and texts without labels that were learned from beside the training rows.
        teacher: hash over the teachers and the texts without labels; None without any.
        encoder: hash over the weights that the stack started from; None for a random start.
        teachers: hash over the content of each teacher; none in runs of versions that did not note it.
        neighbors: hash over the content of the vectors by which copies of texts were made; None without any.
    """

    source: str
    fingerprint: str
    label_names: list[str]
    multi_label: bool
    rows: dict[str, int]
    labels_used: int
    notes: list[str]
    vectors: str | None = None
    further_rows: int = 0
    teacher: str | None = None
    encoder: str | None = None
    teachers: list[str] = []
    neighbors: str | None = None


class Cost(_Record):
    """What the run cost.

    Attributes:
        parameters: trainable parameters, embeddings included.
        parameters_without_embeddings: the same without the word embedding table.
        flops_per_token: multiply-adds times two of one forward pass, per token, without the embedding look-up.
        train_seconds: wall time of the training loop, evaluation on validation included.
        train_tokens: tokens (padding not counted) that went through forward and backward.
        tokens_per_second: `train_tokens` over the seconds spent in training steps.
        peak_memory_mb: peak resident memory of the process in MiB (device memory on CUDA).
    """

    parameters: int
    parameters_without_embeddings: int
    flops_per_token: int
    train_seconds: float
    train_tokens: int
    tokens_per_second: float
    peak_memory_mb: float


class Run(_Record):
    """One finished training run.

    Attributes:
        name: the recipe's name.
        cell: the coordinates in the grid, such as `{"layers": 2, "size": 500, "seed": 1}`.
        fingerprint: hash of everything in the settings that can change the result.
        settings: the recipe as it was carried out, as plain values.
        data: which rows were seen.
        metrics: figures by split: "train", and "validation" and "test" when they exist.
        history: one record an epoch.
        best_epoch: the epoch whose weights were kept; the last one without early stopping.
        stopped_early: whether patience ended the run before its last planned step.
        cost: parameters, operations, seconds and memory.
        environment: versions and machine facts that a reader needs to judge the timings.
    """

    name: str
    cell: dict[str, Any]
    fingerprint: str
    settings: dict[str, Any]
    data: DataUse
    metrics: dict[str, SplitMetrics]
    history: list[Epoch]
    best_epoch: float
    stopped_early: bool
    cost: Cost
    environment: dict[str, str]

    @property
    def score(self) -> float:
        """Accuracy on the test split, or on held-out or validation rows where there is none."""
        for split in ("test", "holdout", "validation", "train"):
            if split in self.metrics:
                return self.metrics[split].accuracy.value
        raise RunFolderError("A run has figures for at least one split, and this one has none; run it again.")


def predictions_table(rows: np.ndarray, labels: np.ndarray | None, probabilities: np.ndarray) -> pa.Table:
    """Put per-example predictions of one split into a table, in input order.

    Args:
        rows: (n,) row numbers in the source.
        labels: (n,) class ids, or (n, classes) bools for multi-label; None when unknown.
        probabilities: (n, classes) float.

    Returns:
        Columns `row`, `label` (when known; a list of bools for multi-label) and `probabilities` (list of float32).
    """
    columns: dict[str, pa.Array] = {"row": pa.array(rows, pa.int64())}
    if labels is not None:
        columns["label"] = pa.array(labels.tolist())
    flat = pa.array(probabilities.astype(np.float32).ravel())
    columns["probabilities"] = pa.FixedSizeListArray.from_arrays(flat, probabilities.shape[1])
    return pa.table(columns)


def probability_array(table: pa.Table) -> np.ndarray:
    """Take the probabilities out of a table of `predictions_table`.

    Args:
        table: with the column.

    Returns:
        (rows, classes) float32.
    """
    column = table["probabilities"].combine_chunks()
    return np.asarray(column.flatten(), dtype=np.float32).reshape(len(column), -1)


def write_run(folder: Path, run: Run, predictions: Mapping[str, pa.Table], recipe_yaml: str) -> None:
    """Write one finished run; `result.json` appears last, so that a cut-off write leaves an unfinished folder.

    Args:
        folder: made when absent.
        run: figures and settings.
        predictions: by split name, the columns of `results.predictions_table`.
        recipe_yaml: the effective recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / RECIPE_FILE, recipe_yaml.encode())
    replace_file(folder / ENVIRONMENT_FILE, json.dumps(run.environment, indent=2).encode())
    # Rows without labels cannot be: every split of a run was scored.
    tables = [table.add_column(0, "split", pa.array([split] * len(table))) for split, table in predictions.items()]
    with replacing(folder / PREDICTIONS_FILE) as partial:
        options = {"compression": "zstd", "use_dictionary": ["split"], "write_page_checksum": True}
        pq.write_table(pa.concat_tables(tables), partial, **options)
    replace_file(folder / RESULT_FILE, run.model_dump_json(indent=1).encode())


def refuse_finished(folder: Path) -> None:
    """Refuse to train into a folder that holds a finished model.

    Args:
        folder: where a model is to be written.

    Raises:
        RunFolderError: there is one already.
    """
    if (folder / RESULT_FILE).exists():
        raise RunFolderError(
            f"{folder} holds a finished model already, and nothing is overwritten; give another folder, or remove it."
        )


def read_run(folder: Path) -> Run:
    """Read one finished run.

    Args:
        folder: a folder with `result.json`.

    Returns:
        The run.

    Raises:
        RunFolderError: the file is absent, is not JSON, or does not hold a run.
    """
    path = folder / RESULT_FILE
    try:
        return Run.model_validate_json(path.read_text("utf-8"))
    except NotADirectoryError:
        raise RunFolderError(
            f"A run is a folder with {RESULT_FILE}, and {folder} is a file; name the folder."
        ) from None
    except FileNotFoundError:
        raise RunFolderError(
            f"A finished run has {RESULT_FILE}, and {folder} has none; it was not run to its end."
        ) from None
    except (ValidationError, UnicodeDecodeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise RunFolderError(
            f"{path} should hold one run as JSON and does not ({reason}); it was damaged or written by another version:"
            " move the folder away and run the cell again."
        ) from None


def read_predictions(folder: Path, split: str) -> pa.Table:
    """Read the per-example predictions that a run stored for one split.

    Args:
        folder: the run's folder.
        split: "test", "validation" or "train".

    Returns:
        The columns of `predictions_table`, in input order.

    Raises:
        RunFolderError: the file is absent or damaged.
    """
    path = folder / PREDICTIONS_FILE
    try:
        table = pq.read_table(path, filters=[("split", "=", split)], page_checksum_verification=True)
    except FileNotFoundError:
        raise RunFolderError(
            f"A finished run has {PREDICTIONS_FILE}, and {folder} has none; run the cell again."
        ) from None
    except (pa.ArrowException, OSError) as error:
        reason = first_line(error)
        raise RunFolderError(
            f"{path} should be a parquet file and is not, or not a whole one ({reason}); run the cell again."
        ) from None
    return table.drop_columns(["split"])
