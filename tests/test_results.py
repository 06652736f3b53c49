"""Runs and predictions as plain values: what is written is read back, and what is damaged is said."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from textlstm.errors import RunFolderError
from textlstm.results import (
    PREDICTIONS_FILE,
    RESULT_FILE,
    Cost,
    DataUse,
    Epoch,
    Estimate,
    Run,
    SplitMetrics,
    predictions_table,
    read_predictions,
    read_run,
)

numbers = st.floats(allow_nan=False, allow_infinity=False)
estimates = st.builds(Estimate, value=numbers, low=st.none() | numbers, high=st.none() | numbers)
metrics = st.builds(
    SplitMetrics,
    rows=st.integers(1, 9),
    accuracy=estimates,
    macro_f1=estimates,
    log_loss=estimates,
    ece=estimates,
    per_class=st.just([]),
)
runs = st.builds(
    Run,
    name=st.text(min_size=1),
    cell=st.fixed_dictionaries({"layers": st.integers(1, 9), "size": st.integers(2, 9) | st.just("full")}),
    fingerprint=st.text(),
    settings=st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()),
    data=st.builds(DataUse, label_names=st.lists(st.text()), rows=st.dictionaries(st.text(), st.integers())),
    metrics=st.dictionaries(st.sampled_from(["train", "validation", "test"]), metrics),
    history=st.lists(
        st.builds(
            Epoch,
            epoch=numbers,
            train_loss=numbers,
            validation_loss=st.none() | numbers,
            validation_accuracy=st.none() | numbers,
            validation_macro_f1=st.none() | numbers,
            learning_rate=numbers,
            gradient_norm=numbers,
            clipped=numbers,
        ),
        max_size=2,
    ),
    best_epoch=numbers,
    cost=st.builds(Cost, train_seconds=numbers, tokens_per_second=numbers, peak_memory_mb=numbers),
    environment=st.dictionaries(st.text(), st.text(), max_size=2),
)


@settings(deadline=None, max_examples=40)
@given(runs)
def test_a_run_survives_its_file_to_the_last_digit(tmp_path_factory, run):
    folder = tmp_path_factory.mktemp("run")
    (folder / RESULT_FILE).write_text(run.model_dump_json(), "utf-8")
    assert read_run(folder) == run


def test_records_are_closed_and_frozen():
    with pytest.raises(ValidationError, match="extra"):
        Estimate(value=1.0, median=2.0)
    with pytest.raises(ValidationError, match="frozen"):
        Estimate(value=1.0).value = 2.0


@given(runs)
@settings(deadline=None, max_examples=30)
def test_the_score_is_that_of_test_else_validation_else_train(run):
    order = [split for split in ("test", "validation", "train") if split in run.metrics]
    if order:
        assert run.score == run.metrics[order[0]].accuracy.value
    else:
        with pytest.raises(RunFolderError, match="run it again"):
            _ = run.score


@pytest.mark.parametrize("kind", ["single", "multi", "unknown"])
def test_predictions_keep_rows_labels_and_float32_probabilities(kind, tmp_path):
    rng = np.random.default_rng(0)
    chances = rng.random((5, 3), dtype=np.float32)
    labels = {"single": rng.integers(0, 3, 5), "multi": rng.random((5, 3)) < 0.5, "unknown": None}[kind]
    rows = np.array([7, 3, 0, 9, 1])
    table = predictions_table(rows, labels, chances)
    pq.write_table(table.add_column(0, "split", pa.array(["test"] * 5)), tmp_path / PREDICTIONS_FILE)
    found = read_predictions(tmp_path, "test")
    assert found["row"].to_pylist() == rows.tolist()
    assert np.array_equal(np.array(found["probabilities"].to_pylist(), dtype=np.float32), chances)
    if labels is None:
        assert found.column_names == ["row", "probabilities"]
    else:
        assert found["label"].to_pylist() == labels.tolist()
    assert len(read_predictions(tmp_path, "train")) == 0


def test_absent_and_damaged_files_are_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="is a file; name the folder"):
        read_run(tmp_path / "file")
    with pytest.raises(RunFolderError, match="it was not run to its end"):
        read_run(tmp_path)
    with pytest.raises(RunFolderError, match="run the cell again"):
        read_predictions(tmp_path, "test")
    (tmp_path / PREDICTIONS_FILE).write_bytes(b"PAR1 and then nothing")
    with pytest.raises(RunFolderError, match="should be a parquet file and is not"):
        read_predictions(tmp_path, "test")
