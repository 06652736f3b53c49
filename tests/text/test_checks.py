"""The data report: its numbers on small sets by hand, on real sets by their published counts, and its sentences."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from textlstm.text.checks import check_data, format_report, normalized_text
from textlstm.text.datasets import load_data
from textlstm.text.tokenization import train_tokenizer

DATA = Path(os.environ.get("TEXTLSTM_DATA_DIR", "/nonexistent"))


def report_of(train, *, max_length=None, **splits):
    sources = {"train": train, **splits}
    return check_data(
        load_data({name: tuple(zip(*rows, strict=True)) for name, rows in sources.items()}), max_length=max_length
    )


ROWS = [("Good  film", "pos"), ("good film", "neg"), ("GOOD FILM", "pos"), ("bad", "neg"), ("a b c d e", "pos")]


def test_numbers_by_hand():
    report = report_of(ROWS, max_length=2, test=[("Bad", "neg"), ("new good words", "pos")])
    assert report.rows == {"train": 5, "test": 2}
    assert report.labels == {"train": {"neg": 2, "pos": 3}, "test": {"neg": 1, "pos": 1}}
    assert report.duplicates["train"] == {"repeated": 2, "repeated_exact": 0, "conflicting": 1}
    assert report.shared == {"test in train": 1}
    assert report.lengths["train"] == {"mean": 2.4, "p50": 2, "p90": 5, "p95": 5, "p99": 5, "max": 5}
    assert report.truncated == {"train": 0.2, "test": 0.5}
    assert report.vocabulary["train"] == {"types": 8, "tokens": 12}
    assert report.vocabulary["test"] == {"types": 4, "tokens": 4, "types_in_train": 0.5, "tokens_in_train": 0.5}


def test_the_same_text_in_other_dress():
    assert normalized_text(" Ｓtraße\u00a0\n x") == normalized_text("STRASSE X")
    assert normalized_text("\tHello \n World ") == "hello world"


@pytest.mark.parametrize(
    ("train", "splits", "sentence"),
    [
        (ROWS, {"test": [("bad", "neg"), ("x", "pos")]}, r"1 row of test \(50.0 %\) has a text that is also in train"),
        (ROWS, {}, "1 text in train has different labels"),
        (ROWS, {}, r"2 rows of train \(40.0 %\) only repeat an earlier text"),
        (ROWS, {}, "2 classes have fewer than 10 training rows: 'neg', 'pos'"),
        ([("a", "Pos"), ("b", "pos"), ("c", "neg")], {}, "labels 'Pos', 'pos' differ only in spelling"),
        ([(f"t{i}", "big") for i in range(40)] + [("x", "small")], {}, r"largest class \(big\) has 40 times"),
        (ROWS, {"validation": [("q", "pos")]}, "All rows of validation have the label 'pos'"),
        (ROWS, {"validation": [("q", "pos")]}, "1 class of train has no row in validation: 'neg'"),
        (ROWS, {"test": [("zzz yyy", "pos")]}, "Only 0.0 % of the words in test occur in train"),
        ([("long " * 9, "a"), ("s", "b")], {}, "50.0 % of the train texts are longer than 3 tokens"),
    ],
)
def test_warnings_are_plain_sentences(train, splits, sentence):
    warnings = report_of(train, max_length=3, **splits).warnings
    assert any(re.search(sentence, warning) for warning in warnings), warnings
    assert all(warning.endswith(".") for warning in warnings)


def test_clean_data_has_no_warnings():
    rows = [(f"text number {i}", "ab"[i % 2]) for i in range(60)]
    report = report_of(rows, test=[("text number", "a"), ("number text", "b"), ("5 text", "a")])
    assert report.warnings == []
    assert "No warnings." in format_report(report)


def test_unlabeled_and_multi_label_splits():
    source = {"train": {"text": ["a", "a", "c"], "label": [["x", "y"], ["x"], []]}, "test": {"text": ["d"]}}
    report = check_data(load_data(source))
    assert report.labels == {"train": {"x": 2, "y": 1}, "test": {}}
    assert report.duplicates == {
        "train": {"repeated": 1, "repeated_exact": 1, "conflicting": 1},
        "test": {"repeated": 0, "repeated_exact": 0},
    }
    assert "several a row" in format_report(report)


def test_the_report_is_plain_and_the_same_twice():
    first, second = (report_of(ROWS, test=[("q", "pos")], max_length=2) for _ in range(2))
    assert first == second
    assert json.loads(json.dumps(first.to_dict())) == first.to_dict()
    shown = format_report(first)
    assert first.fingerprint in shown
    assert re.search(r"pos\s+3 \(60\.0 %\)\s+1 \(100\.0 %\)", shown)


def test_lengths_in_tokens_of_a_tokenizer():
    data = load_data((["one two three", "four"] * 10, ["a", "b"] * 10))
    tokenizer = train_tokenizer(
        data.splits["train"].text_list(), kind="word", vocab_size=100, min_frequency=1, lowercase=True, max_length=2
    )
    report = check_data(data, max_length=2, tokenizer=tokenizer)
    assert report.lengths["train"]["max"] == 3
    assert report.truncated == {"train": 0.5}


def test_chinese_texts_are_measured_in_the_tokens_of_training():
    rows = [("这部电影很好看", "pos"), ("这部电影真难看", "neg")] * 10
    report = report_of(rows, max_length=5, test=[("电影好", "pos"), ("真的难", "neg")])
    assert report.lengths["train"]["max"] == 7
    assert report.truncated == {"train": 1.0, "test": 0.0}
    assert report.vocabulary["train"] == {"types": 9, "tokens": 140}
    assert report.vocabulary["test"]["tokens_in_train"] == pytest.approx(5 / 6, abs=1e-4)
    assert "tokens, longest" in format_report(report)


def test_coverage_is_shown_only_beside_a_second_split():
    shown = format_report(report_of(ROWS))
    assert "different words" in shown and "in train" not in shown.split("Warnings")[0]
    assert "running words in train" in format_report(report_of(ROWS, test=[("x", "pos"), ("bad", "neg")]))


def test_the_check_loads_no_heavy_library():
    code = """
import sys
from textlstm.text.checks import check_data, format_report
from textlstm.text.datasets import load_data
format_report(check_data(load_data((["a b", "c"], ["x", "y"])), max_length=1))
print(*sorted({"torch", "transformers", "datasets"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.skipif(not DATA.is_dir(), reason="TEXTLSTM_DATA_DIR is not set")
@pytest.mark.parametrize(
    "name", ["trec", "trec_fine", "sst2", "sst5", "mr", "subj", "reuters_r8", "reuters_r52", "ohsumed", "sst2_phrases"]
)
def test_duplicates_of_real_sets_are_the_published_ones(name, monkeypatch):
    monkeypatch.setenv("TEXTLSTM_DATA_DIR", str(DATA))
    report = check_data(load_data(name))
    published = re.search(r"- Duplicates: (.*)", (DATA / name / "README.md").read_text())[1]
    assert f"{report.duplicates['train']['repeated_exact']} repeated texts in train" in published
    assert report.duplicates["train"]["repeated"] >= report.duplicates["train"]["repeated_exact"]
    for split in ("validation", "test"):
        if exact := re.search(rf"(\d+) {split} rows have a text that is also in train", published):
            assert report.shared[f"{split} in train"] >= int(exact[1])
    if name in {"mr", "subj", "reuters_r8", "reuters_r52"}:  # lower-cased at the source: the two ways to count agree
        assert f"{report.duplicates['train']['conflicting']} train texts with more than one label" in published
        assert report.duplicates["train"]["repeated"] == report.duplicates["train"]["repeated_exact"]
