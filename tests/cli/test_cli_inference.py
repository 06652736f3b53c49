"""The commands `predict` and `evaluate`: every kind of file, single texts, lines, scores."""

import json
import subprocess
import sys
import time

import pyarrow as pa
import pytest

from textlstm.cli_progress import PredictProgress
from textlstm.results import read_run
from textlstm.text.reading import read_batches


def rows_of(path):
    return pa.Table.from_batches(list(read_batches(path))).to_pylist()


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "parquet", "arrow"])
def test_predict_writes_every_kind_and_reads_it_back(model, folder, tmp_path, kind, succeed, write_csv):
    source = tmp_path / "in.csv"
    texts = [row["text"] for row in rows_of(folder / "test.csv")]
    write_csv(source, texts, range(len(texts)), label="number")
    first, second = tmp_path / f"out.{kind}", tmp_path / f"again.{kind}"
    done = succeed("predict", model[0], source, "-o", first, "--probabilities")
    assert done.out == ""
    assert f"30 rows written to {first}" in done.err
    succeed("predict", model[0], first, "-o", second, "--prefix", "second_", "--quiet")
    rows = rows_of(second)
    assert [row["text"] for row in rows] == texts
    assert [int(row["number"]) for row in rows] == list(range(30))
    assert all(row["label"] == row["second_label"] in ("neg", "pos") for row in rows)
    assert all(float(row["score"]) == pytest.approx(float(row["second_score"]), abs=1e-6) for row in rows)


def test_predict_takes_single_texts_lines_and_stdin_alike(model, folder, tmp_path, succeed):
    texts = ["a good film", "it was bad", "the plot"]
    by_input = succeed("predict", model[0], *[word for text in texts for word in ("--input", text)])
    by_stdin = succeed("predict", model[0], stdin="\n".join(texts) + "\n")
    by_dash = succeed("predict", model[0], "-", stdin="\r\n".join(texts) + "\r\n")
    assert by_input.out == by_stdin.out == by_dash.out
    assert len(by_input.out.splitlines()) == 3
    shown = [
        json.loads(line)
        for line in succeed("predict", model[0], "--json", "--probabilities", stdin="\n".join(texts)).out.splitlines()
    ]
    assert [row["text"] for row in shown] == texts
    assert [row["labels"][0] for row in shown] == [line.split("\t")[0] for line in by_input.out.splitlines()]
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-6) for row in shown)
    (tmp_path / "in.txt").write_text("\n".join(texts) + "\n")
    counts = json.loads(succeed("predict", model[0], tmp_path / "in.txt", "-o", tmp_path / "out.jsonl", "--json").out)
    assert counts.pop("output") == str(tmp_path / "out.jsonl")
    none = {"unlabeled": 0, "truncated": 0, "abstained": 0, "rejected": 0, "recalled": 0}
    assert counts == {"rows": 3, **none, "new_columns": ["label", "score"], "notes": []}
    assert succeed("predict", model[0], stdin="").out == ""


def test_predict_overwrites_only_when_told(model, folder, tmp_path, succeed, fail):
    out = tmp_path / "out.csv"
    out.write_text("mine")
    assert "nothing is overwritten" in fail(2, "predict", model[0], folder / "validation.csv", "-o", out)
    assert out.read_text() == "mine"
    taken = ["predict", model[0], folder / "validation.csv", "-o", out, "--overwrite"]
    assert "already has a column 'label'" in fail(2, *taken, "--prefix", "")
    assert out.read_text() == "mine"
    assert "the new columns are called 'predicted_label' and 'predicted_score'" in succeed(*taken).err
    assert list(rows_of(out)[0]) == ["text", "label", "predicted_label", "predicted_score"]
    succeed("predict", model[0], folder / "validation.csv", "-o", out, "--overwrite", "--prefix", "p_")
    assert len(rows_of(out)) == 30


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["test.csv"], "needs a file to write"),
        (["test.csv", "--input", "x"], "takes either INPUT or --input"),
        (["--input", "x", "-o", "out.csv", "--encoding", "utf-8"], "--encoding and -o, which has no effect on --input"),
        (["--input", "x", "--keep-bad-rows"], "--keep-bad-rows"),
        (["-", "--prefix", "p_", "--overwrite"], "--prefix and --overwrite, which has no effect on lines from stdin"),
        (["--text-column", "text"], "--text-column"),
        (["absent.csv", "-o", "out.csv"], "absent.csv"),
        (["test.csv", "-o", "out.docx"], "out.docx"),
        (["test.csv", "-o", "out.csv", "--prefix", "p_", "--text-column", "body"], "body"),
    ],
)
def test_predict_refuses_what_is_wrong(model, folder, tmp_path, arguments, words, monkeypatch, fail):
    (tmp_path / "test.csv").write_bytes((folder / "test.csv").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert words in fail(2, "predict", model[0], *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["test.csv"]


@pytest.mark.parametrize("command", [["predict", "--input", "x"], ["evaluate", "train.csv"]])
def test_a_model_that_is_none_is_said(folder, tmp_path, command, fail):
    rest = [str(folder / word) if word.endswith(".csv") else word for word in command[1:]]
    assert "does not exist" in fail(2, command[0], tmp_path / "absent", *rest)
    assert "lacks config.json" in fail(2, command[0], tmp_path, *rest)


def test_evaluate_scores_as_training_did(model, folder, succeed, fail):
    metrics = json.loads(succeed("evaluate", model[0], folder / "test.csv", "--json").out)
    stored = read_run(model[0]).metrics["test"]
    assert metrics["accuracy"] == stored.accuracy.model_dump()
    assert metrics["rows"] == 30
    text = succeed("evaluate", model[0], folder / "test.csv").out
    assert "30 rows" in text and "macro-F1" in text and "95 % interval" in text
    assert "--split dev was asked for" in fail(2, "evaluate", model[0], folder / "test.csv", "--split", "dev")
    both = succeed("evaluate", model[0], folder, "--split", "validation", "--json")
    assert json.loads(both.out)["rows"] == 30


def test_labels_that_the_model_does_not_know_are_said(model, planted, tmp_path, succeed, fail, write_csv):
    texts, labels = planted(10, 0)
    path = write_csv(tmp_path / "x.csv", texts, [*labels[:-1], "other"])
    assert "unknown label" in fail(2, "evaluate", model[0], path)
    metrics = json.loads(succeed("evaluate", model[0], path, "--on-bad-rows", "drop", "--json").out)
    assert metrics["rows"] == 9


def test_a_split_of_one_class_can_be_scored(model, folder, tmp_path, succeed, write_csv):
    rows = [row for row in rows_of(folder / "test.csv") if row["label"] == "pos"]
    path = write_csv(tmp_path / "pos.csv", [row["text"] for row in rows], ["pos"] * len(rows))
    metrics = json.loads(succeed("evaluate", model[0], path, "--json").out)
    assert metrics["rows"] == len(rows)
    assert [row["rows"] for row in metrics["per_class"]] == [0, len(rows)]


def test_evaluate_says_what_it_dropped_and_cut(model, planted, tmp_path, succeed, write_csv):
    texts, labels = planted(10, 0)
    path = write_csv(tmp_path / "x.csv", ["good " * 5000, "", *texts[2:]], labels)
    arguments = ["evaluate", model[0], path, "--on-bad-rows", "drop"]
    done = succeed(*arguments)
    assert "dropped 1 row with an empty text" in done.err
    assert "1 of 9 texts (11.1 %) were longer" in done.err
    metrics = json.loads(succeed(*arguments, "--json").out)
    assert metrics["truncated"] == 1
    assert any("dropped 1 row" in note for note in metrics["notes"])
    silent = succeed(*arguments, "--quiet")
    assert (silent.out, silent.err) == (done.out, "")


def test_wrong_bytes_on_stdin_are_one_sentence(model, succeed, fail):
    line = "line 2 holds the byte 0xe9; pass the encoding"
    assert line in fail(2, "predict", model[0], stdin=b"good\ncaf\xe9 film\n")
    assert "not an encoding" in fail(2, "predict", model[0], "--encoding", "utf-seven", stdin="good")
    shown = succeed("predict", model[0], "--encoding", "cp1252", "--json", stdin=b"good\ncaf\xe9 film\n").out
    assert [json.loads(row)["text"] for row in shown.splitlines()] == ["good", "café film"]
    marked = succeed("predict", model[0], "--json", stdin=b"\xef\xbb\xbfgood").out
    assert json.loads(marked)["text"] == "good"


def test_an_empty_line_is_said_or_kept(model, invoke, succeed):
    lines = "good film\n \nbad\n"
    done = invoke("predict", model[0], stdin=lines)
    assert (done.code, len(done.out.splitlines())) == (2, 1)
    assert "standard input: line 2 has no text" in done.err
    kept = succeed("predict", model[0], "--keep-bad-rows", stdin=lines).out.split("\n")
    assert kept[0] + "\n" == done.out
    assert (kept[1], len(kept)) == ("\t", 4)
    shown = succeed("predict", model[0], "--keep-bad-rows", "--json", "--probabilities", stdin=lines).out
    assert json.loads(shown.splitlines()[1]) == {"text": " ", "labels": [], "score": None, "probabilities": None}
    assert succeed("predict", model[0], "--keep-bad-rows", stdin="\n").out == "\t\n"


def test_lines_are_answered_before_the_next_one_comes(model):
    command = [sys.executable, "-c", "from textlstm.cli import main; main()", "predict", str(model[0])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as running:
        answers = []
        for text in ("good film", "bad"):
            running.stdin.write(text + "\n")
            running.stdin.flush()
            answers.append(running.stdout.readline())  # hangs when the command waits for more
        running.stdin.close()
        assert running.wait(60) == 0
    assert all("\t" in answer for answer in answers)


def test_device_is_where_to_compute(invoke, fail, model, folder):
    for command in ("predict", "evaluate"):
        shown = invoke(command, "--help").out
        assert "where to compute" in shown and "where to train" not in shown
    assert "A device is auto, cpu" in fail(2, "evaluate", model[0], folder / "test.csv", "--device", "abacus")


def test_a_long_prediction_says_how_long_it_has_left(tmp_path, capsys, monkeypatch):
    """By the rows that the file seems to have; a file of more says no more than its speed."""
    monkeypatch.setattr(PredictProgress, "_SECONDS_BETWEEN_LINES", 0.0)
    with PredictProgress(tmp_path / "out.csv", quiet=False, expected=10_000) as progress:
        progress.began -= 55  # as if nearly a minute ago
        for rows in (2_000, 12_000):
            time.sleep(0.001)
            progress.update(rows)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("2,000 rows, ") and first.endswith(" a second, about 4 min left")
    assert second.startswith("12,000 rows, ") and second.endswith(" a second")
