"""Predictions of files that are killed, and rows that cannot be labeled: nothing is lost, and nothing is done twice."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from textlstm.errors import DataError
from textlstm.inference.prediction_files import predict_file
from textlstm.inference.prediction_journal import Journal, digest_texts
from textlstm.inference.predictor import Predictor
from textlstm.text.files import Findings
from textlstm.text.reading import read_table

WORDS = "a good bad film plot very not dull bright story ends too soon".split()


@pytest.fixture(scope="module")
def predictor(exported):
    return Predictor.load(exported, backend="onnx-int8", threads=1)


def texts(rows, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 12))) for _ in range(rows)]


def write_csv(path, rows):
    path.write_text("id,text\n" + "".join(f"{number},{text}\n" for number, text in enumerate(rows)))
    return path


class Stopping:
    """Stops a prediction after some windows, as an error does; a kill leaves no more behind than that."""

    def __init__(self, windows):
        self.windows = windows

    def __call__(self, rows):
        self.windows -= 1
        if self.windows == 0:
            raise KeyboardInterrupt


def asked(predictor, monkeypatch):
    """Count the texts that the model is asked for."""
    counts = []
    encode = predictor.encode
    monkeypatch.setattr(predictor, "encode", lambda rows: counts.append(len(rows)) or encode(rows))
    return counts


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "csv.gz", "parquet", "arrow"])
def test_an_interrupted_prediction_goes_on_to_the_same_bytes(tmp_path, predictor, kind, monkeypatch):
    source = write_csv(tmp_path / "in.csv", texts(100))
    options = {"window_rows": 16, "probabilities": True, "top_k": 2}
    predict_file(predictor, source, tmp_path / f"whole.{kind}", **options)
    output = tmp_path / f"out.{kind}"
    with pytest.raises(KeyboardInterrupt):
        predict_file(predictor, source, output, progress=Stopping(4), **options)
    assert not output.exists()
    counts = asked(predictor, monkeypatch)
    done = predict_file(predictor, source, output, **options)
    assert output.read_bytes() == (tmp_path / f"whole.{kind}").read_bytes()
    assert (done.recalled, sum(counts)) == (64, 36)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("change", ["texts", "model", "batches", "torn", "foreign"])
def test_what_no_longer_fits_is_predicted_anew(tmp_path, predictor, exported, change, monkeypatch):
    rows = texts(60)
    source, output = write_csv(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    with pytest.raises(KeyboardInterrupt):
        predict_file(predictor, source, output, window_rows=10, progress=Stopping(5))
    journal = tmp_path / ".out.csv.journal"
    options, model, left = {}, predictor, 0
    if change == "texts":
        rows[25] = "very dull"
        write_csv(source, rows)
        left = 20  # the two windows before it
    elif change == "model":
        model = Predictor.load(exported, backend="onnx", threads=1)
    elif change == "batches":
        options = {"batch_rows": 2}
    elif change == "torn":
        journal.write_bytes(journal.read_bytes()[:-7])
        left = 40
    else:
        journal.write_bytes(b"something else\n" * 50)
    done = predict_file(model, source, output, window_rows=10, **options)
    predict_file(model, source, tmp_path / "whole.csv", window_rows=10, **options)
    assert done.recalled == left
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("position", [3, 40, -1])
def test_flipped_bits_in_the_journal_are_noticed(tmp_path, position):
    chances = np.random.default_rng(0).random((5, 3)).astype(np.float32)
    keys = [digest_texts([f"window {k}"]) for k in range(3)]
    with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "out.csv", settings="s", classes=3) as journal:
        for key in keys:
            assert journal.recall(key, 5) is None
            journal.note(key, chances, 1)
        raise KeyboardInterrupt
    content = bytearray(journal.path.read_bytes())
    head = content.index(b"\n") + 1
    content[position if position < 0 else head + position] ^= 4
    journal.path.write_bytes(content)
    with Journal(tmp_path / "out.csv", settings="s", classes=3) as again:
        found = [again.recall(key, 5) for key in keys]
        for entry in found:
            assert entry is None or np.array_equal(entry[0], chances)
        assert found.count(None) == (1 if position < 0 else 3)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_do_not_write_one_output(tmp_path, predictor):
    with Journal(tmp_path / "out.csv", settings="s", classes=3):
        with pytest.raises(DataError, match="another process"):
            predict_file(predictor, write_csv(tmp_path / "in.csv", ["good"]), tmp_path / "out.csv")


KILLED = """
import sys, time
from textlstm import Predictor
from textlstm.inference.prediction_files import predict_file
slow = float(sys.argv[4])
predict_file(Predictor.load(sys.argv[1], backend="onnx-int8", threads=1), sys.argv[2], sys.argv[3],
             window_rows=50, rejects=sys.argv[3] + ".bad", progress=lambda rows: time.sleep(slow))
"""


def test_a_killed_process_leaves_what_the_next_one_needs(tmp_path, exported):
    rows = texts(400)
    rows[7] = rows[300] = " "
    source = write_csv(tmp_path / "in.csv", rows)
    whole, output = tmp_path / "whole.csv", tmp_path / "out.csv"
    command = [sys.executable, "-c", KILLED, str(exported), str(source)]
    subprocess.run([*command, str(whole), "0"], check=True)
    kills = 0
    for _ in range(2):
        running = subprocess.Popen([*command, str(output), "0.3"])
        journal = tmp_path / ".out.csv.journal"
        size = journal.stat().st_size if journal.exists() else 0
        while not (journal.exists() and journal.stat().st_size > size + 600):
            assert running.poll() is None
            time.sleep(0.02)
        os.kill(running.pid, signal.SIGKILL)
        kills += running.wait() == -signal.SIGKILL
    assert (kills, output.exists(), len(list(tmp_path.glob(".out.csv.*.part")))) == (2, False, 2)  # and the bad rows'
    other = tmp_path / ".out.csv.gz.12.part"  # of somebody else's file
    other.touch()
    subprocess.run([*command, str(output), "0"], check=True)
    assert output.read_bytes() == whole.read_bytes()
    assert (tmp_path / "out.csv.bad").read_bytes() == (tmp_path / "whole.csv.bad").read_bytes()
    assert [row["row"] for row in rejected(tmp_path / "out.csv.bad")] == [8, 301]
    assert list(tmp_path.glob(".*")) == [other]


def rejected(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_bad_rows_of_a_csv_go_to_a_file_with_their_lines(tmp_path, predictor):
    source = tmp_path / "in.csv"
    source.write_text('id,text\n1,good\n2,bad,extra\n3,"two\nlines"\n4, \n5\n6,dull\n7,""\n')
    with pytest.raises(DataError, match=r"line 3"):
        predict_file(predictor, source, tmp_path / "out.csv")
    done = predict_file(predictor, source, tmp_path / "out.csv", rejects=tmp_path / "bad.jsonl", window_rows=2)
    assert read_table(tmp_path / "out.csv")["id"].to_pylist() == ["1", "3", "6"]
    found = rejected(tmp_path / "bad.jsonl")
    assert sorted((row["row"], row["line"]) for row in found) == [(2, 3), (4, 6), (5, 7), (7, 9)]
    reasons = {row["line"]: (row["reason"], row["content"]) for row in found}
    assert reasons[3] == ("has 3 fields and the header has 2", ["2", "bad", "extra"])
    assert reasons[6] == ("has no text", {"id": "4", "text": " "})
    assert (done.rows, done.rejected, done.unlabeled) == (3, 4, 0)
    kept = predict_file(
        predictor, source, tmp_path / "kept.csv", rejects=tmp_path / "bad2.jsonl", on_bad_rows="keep", window_rows=2
    )
    assert (kept.rows, kept.rejected, kept.unlabeled) == (5, 2, 2)
    assert read_table(tmp_path / "kept.csv")["id"].to_pylist() == ["1", "3", "4", "6", "7"]


def test_bad_lines_of_a_jsonl_go_to_a_file(tmp_path, predictor):
    source = tmp_path / "in.jsonl"
    lines = ['{"text": "good"}', "{broken", "", "[1]", '{"text": "half \\ud83d"}', '{"text": null}', '{"text": "dull"}']
    source.write_text("\n".join(lines) + "\n")
    done = predict_file(predictor, source, tmp_path / "out.jsonl", rejects=tmp_path / "bad.jsonl")
    assert read_table(tmp_path / "out.jsonl")["text"].to_pylist() == ["good", "dull"]
    found = {row["line"]: row for row in rejected(tmp_path / "bad.jsonl")}
    assert sorted(found) == [2, 4, 5, 6]
    assert found[2]["content"] == "{broken" and "no JSON" in found[2]["reason"]
    assert found[4]["content"] == [1] and "a list" in found[4]["reason"]
    assert "surrogate" in found[5]["reason"]
    assert (found[6]["reason"], done.rejected) == ("has no text", 4)


def test_plain_lines_and_parquet_rows_without_text_are_numbered(tmp_path, predictor):
    (tmp_path / "in.txt").write_text("good\n\ndull\n \n")
    predict_file(
        predictor, tmp_path / "in.txt", tmp_path / "out.parquet", rejects=tmp_path / "bad.jsonl", window_rows=3
    )
    assert pq.read_table(tmp_path / "out.parquet")["text"].to_pylist() == ["good", "dull"]
    assert [(row["row"], row["line"]) for row in rejected(tmp_path / "bad.jsonl")] == [(2, 2), (4, 4)]
    pq.write_table(pq.read_table(tmp_path / "out.parquet").select(["text"]), tmp_path / "again.parquet")
    predict_file(predictor, tmp_path / "again.parquet", tmp_path / "out.csv", rejects=tmp_path / "none.jsonl")
    assert rejected(tmp_path / "none.jsonl") == []


def test_rejected_rows_do_not_overwrite_the_data(tmp_path, predictor):
    source = write_csv(tmp_path / "in.csv", ["good"])
    for place in (source, tmp_path / "out.csv"):
        with pytest.raises(DataError, match="file of their own"):
            predict_file(predictor, source, tmp_path / "out.csv", rejects=place)
    with pytest.raises(DataError, match="no column"):
        predict_file(predictor, source, tmp_path / "out.csv", rejects=tmp_path / "bad", text_columns=["txt"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]


def test_numbers_of_bad_rows_are_right_in_every_window_and_not_kept(tmp_path, predictor, monkeypatch):
    """Each third line has a field too many, each seventh no text; ten windows of good rows between them."""
    kinds = ["wide" if row % 3 == 0 else "bare" if row % 7 == 0 else "good" for row in range(300)]
    lines = {"wide": "good,film,x", "bare": " ,1", "good": "dull,1"}
    (tmp_path / "in.csv").write_text("text,k\n" + "".join(f"{lines[kind]}\n" for kind in kinds))
    kept = []
    honest = Findings.drop
    monkeypatch.setattr(Findings, "drop", lambda self, bad: honest(self, bad) or kept.append(len(self.dropped)))
    done = predict_file(predictor, tmp_path / "in.csv", tmp_path / "out.csv", rejects=tmp_path / "bad", window_rows=20)
    found = sorted((row["row"], row["line"], row["reason"][:8]) for row in rejected(tmp_path / "bad"))
    said = {"wide": "has 3 fi", "bare": "has no t"}
    assert found == [(row + 1, row + 2, said[kind]) for row, kind in enumerate(kinds) if kind != "good"]
    assert done.rows == kinds.count("good")
    assert max(kept) <= 20  # those of one window; 100 in all


MEMORY = """
import re, sys
from textlstm import Predictor
from textlstm.inference.prediction_files import predict_file
predict_file(Predictor.load(sys.argv[1], threads=1), sys.argv[2], sys.argv[3])
# Not ru_maxrss, which begins with what the parent had.
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def peak_mb(exported, source, output):
    command = [sys.executable, "-c", MEMORY, str(exported), str(source), str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path, exported, kind):
    peaks = []
    for rows in (20_000, 60_000):
        source = write_csv(tmp_path / f"{rows}.csv", ["good film", "too dull and very bad story"] * (rows // 2))
        peaks.append(peak_mb(exported, source, tmp_path / f"{rows}-labeled.{kind}"))
    print(f"{kind}: {peaks} MiB")
    assert peaks[1] < 300
    assert peaks[1] - peaks[0] < 12  # a window's texts and the allocator's whims, not 40,000 rows


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_ten_million_rows_would_stay_under_600_mb(tmp_path, exported):
    """A line through two runs, 600,000 rows apart: 10 MiB of the allocator's whims are 155 at its end."""
    peaks = {}
    for rows in (100_000, 700_000):
        source = write_csv(tmp_path / f"{rows}.csv", ["good film", "too dull and very bad story"] * (rows // 2))
        peaks[rows] = peak_mb(exported, source, tmp_path / f"{rows}-labeled.csv")
        source.unlink()
    (fewer, low), (more, high) = peaks.items()
    slope = max(0.0, high - low) / (more - fewer)
    print(f"{peaks} MiB, {2**20 * slope:.1f} bytes a row")
    assert high + slope * (10_000_000 - more) < 600 * 1e6 / 2**20
