"""The options of `predict` as they are typed: each changes what is written as the Predictor says."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from textlstm.cli import app
from textlstm.inference.predictor import Predictor
from textlstm.text.reading import read_table

TEXTS = ["a good film", "too dull", "very bad story plot", "bright", "not good ends soon", "a plot very dull film"]


@pytest.fixture
def source(tmp_path):
    pq.write_table(pa.table({"n": np.arange(len(TEXTS)), "text": TEXTS}), tmp_path / "in.parquet")
    return tmp_path / "in.parquet"


def predict(model, source, output, *options, stdin=None):
    words = ["predict", model, source, "-o", output, "--overwrite", "--threads", "1", *options]
    done = CliRunner().invoke(app, list(map(str, words)), input=stdin)
    assert done.exit_code == 0, (done.output, done.exception)
    return read_table(output)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_the_most_probable_labels_and_all_probabilities(exported, source, tmp_path, kind):
    table = predict(exported, source, tmp_path / f"out.{kind}", "--top-k", 2, "--probabilities")
    expected = Predictor.load(exported)(TEXTS)
    for row, one in zip(table.to_pylist(), expected, strict=True):
        found = [(entry["label"], entry["score"]) for entry in row["top_labels"]]
        assert found == [(name, pytest.approx(score, abs=1e-5)) for name, score in one.top(2)]
        assert row["probabilities"] == pytest.approx(one.probabilities, abs=1e-5)
    more = predict(exported, source, tmp_path / f"out.{kind}", "--top-k", 9)
    assert {len(entries) for entries in more["top_labels"].to_pylist()} == {3}


@pytest.mark.parametrize("threshold", [None, 0.2, 0.9])
def test_a_threshold_gives_every_label_from_it_on(exported_multi, source, tmp_path, threshold):
    given = [] if threshold is None else ["--threshold", threshold]
    table = predict(exported_multi, source, tmp_path / "out.jsonl", *given)
    bound = 0.5 if threshold is None else threshold
    for labels, one in zip(table["label"].to_pylist(), Predictor.load(exported_multi)(TEXTS), strict=True):
        assert labels == [name for name, chance in one.top(3) if chance >= np.float32(bound)]


@pytest.mark.parametrize("options", [["--batch-rows", 1], ["--batch-tokens", 1]])
def test_one_row_a_batch_makes_8_bit_scores_the_rows_own(exported, source, tmp_path, options):
    backend = ["--backend", "onnx-int8", "--probabilities"]
    alone = Predictor.load(exported, backend="onnx-int8", threads=1)
    expected = np.concatenate([alone.probabilities(text) for text in TEXTS])

    def chances(table):
        return np.array([list(row.values()) for row in table["probabilities"].to_pylist()], np.float32)

    own = chances(predict(exported, source, tmp_path / "out.parquet", *backend, *options))
    assert np.array_equal(own, expected)
    together = chances(predict(exported, source, tmp_path / "out.parquet", *backend))
    assert not np.array_equal(together, expected)


def test_long_texts_are_cut_or_averaged(exported, tmp_path):
    (tmp_path / "in.txt").write_text(" ".join(TEXTS * 2) + "\n")
    for way in ("truncate", "average"):
        table = predict(exported, tmp_path / "in.txt", tmp_path / f"{way}.jsonl", "--long-texts", way)
        expected = Predictor.load(exported, long_texts=way)(" ".join(TEXTS * 2))[0].score
        assert table["score"].to_pylist() == [pytest.approx(expected, abs=1e-6)]
    assert (tmp_path / "truncate.jsonl").read_text() != (tmp_path / "average.jsonl").read_text()


def test_packed_lines_and_standard_input_go_into_a_file(exported, tmp_path):
    lines = "\n".join(TEXTS) + "\n"
    with gzip.open(tmp_path / "in.txt.gz", "wt") as stream:
        stream.write(lines)
    packed = predict(exported, tmp_path / "in.txt.gz", tmp_path / "packed.csv")
    piped = predict(exported, "-", tmp_path / "piped.csv", stdin=lines)
    assert packed.equals(piped)
    assert packed["text"].to_pylist() == TEXTS
    assert packed["label"].to_pylist() == [one.label for one in Predictor.load(exported)(TEXTS)]


def test_a_resumed_prediction_notices_another_longest_length(make_model, tmp_path):
    """For torch the tokenizer's settings say how much of a text is read, so that a journal of others is of no use."""
    folder = make_model(tmp_path / "model")
    before = Predictor.load(folder, backend="torch").identity()
    assert Predictor.load(folder, backend="torch").identity() == before
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": 5}))
    assert Predictor.load(folder, backend="torch").identity() != before
