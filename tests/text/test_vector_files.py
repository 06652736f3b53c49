"""Text files and word2vec binaries of vectors: what is written is what is read, and damage is counted by its line."""

import gzip
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textlstm.errors import DataError
from textlstm.text.vectors import read_vectors, source_words, vector_width

WORDS = st.lists(
    st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=6).filter(
        lambda word: not word[0].isdigit() and word.encode().split() == [word.encode()] and word[0] != "\ufeff"
    ),
    min_size=3,
    max_size=12,
    unique=True,
)


def vectors_of(words, width=4, seed=0):
    return np.random.default_rng(seed).standard_normal((len(words), width)).astype(np.float32)


def text_lines(words, rows, separator=" ", end="\n"):
    return [separator.join([word, *(repr(float(v)) for v in row)]) + end for word, row in zip(words, rows, strict=True)]


def as_binary(words, rows, newline=True):
    records = (
        w.encode() + b" " + r.astype("<f4").tobytes() + b"\n" * newline for w, r in zip(words, rows, strict=True)
    )
    return f"{len(words)} {rows.shape[1]}\n".encode() + b"".join(records)


def packed(path, content, way):
    if way == "gzip":
        path.write_bytes(gzip.compress(content))
    elif way == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.txt", content)
    else:
        path.write_bytes(content)
    return str(path)


def exact(found, words, rows):
    assert (found.ranks == 0).all()
    assert np.array_equal(found.rows, rows)
    assert found.report.words == len(words)
    assert found.report.damage == {}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    WORDS,
    st.booleans(),
    st.sampled_from([" ", "\t"]),
    st.sampled_from(["\n", "\r\n", " \n"]),
    st.sampled_from(["plain", "gzip", "zip"]),
    st.booleans(),
    st.booleans(),
)
def test_any_layout_of_a_text_file_gives_back_what_was_written(
    tmp_path, words, header, separator, end, way, mark, last_newline
):
    rows = vectors_of(words)
    lines = text_lines(words, rows, separator, end)
    text = (f"{len(words)} 4\n" if header else "") + "".join(lines)
    text = text if last_newline else text.rstrip("\r\n ")
    source = packed(tmp_path / "vectors", ("\ufeff" * mark + text).encode(), way)
    exact(read_vectors(source, words), words, rows)
    assert vector_width(source) == 4
    assert source_words(source, 2) == words[:2]
    some = read_vectors(source, [words[1], "not there \u2603"])
    assert np.array_equal(some.rows, np.stack([rows[1], np.zeros(4, np.float32)]))


@pytest.mark.parametrize("way", ["plain", "gzip", "zip"])
@pytest.mark.parametrize("newline", [True, False])
def test_a_binary_gives_back_what_was_written(tmp_path, way, newline):
    words = ["the", "naïve", "日本", "New_York", "x" * 300]
    rows = vectors_of(words, 7)
    source = packed(tmp_path / "v.bin", as_binary(words, rows, newline), way)
    exact(read_vectors(source, words), words, rows)
    assert (vector_width(source), source_words(source, 3)) == (7, words[:3])


def test_a_binary_longer_than_a_block_is_read_across_its_borders(tmp_path, monkeypatch):
    words = [f"word{n}" for n in range(500)]
    rows = vectors_of(words, 50)
    source = packed(tmp_path / "v.bin", as_binary(words, rows), "plain")
    monkeypatch.setattr("textlstm.text.vector_files._BLOCK", 777)
    exact(read_vectors(source, words), words, rows)


LINES = [f"w{n} {n}.5 -1 2e-1" for n in range(1, 31)]


def damaged(tmp_path, number, line, end="\n"):
    """A file of 30 sound lines in which one (counted from 1) is replaced, read for all its words."""
    lines = [*LINES[: number - 1], line, *LINES[number:]]
    content = "\n".join(lines) + end
    path = tmp_path / "damaged.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_vectors(str(path), [*(f"w{n}" for n in range(1, 31)), ". . .", "at x@y.com"])


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (" 1 2 3", "empty word"),
        ("w7 1 2", "wrong number of values"),
        ("w7 1 2 3 4", "wrong number of values"),
        ("w7", "wrong number of values"),
        ("w7 1 two 3", "value that is no number"),
        ("w7 1 nan 3", "value that is no number"),
        ("w7 1 1e60 3", "value that is no number"),  # for 32 bits
        ("w7 1 inf 3", "value that is no number"),
    ],
)
def test_a_damaged_line_is_left_out_counted_and_named(tmp_path, line, kind):
    found = damaged(tmp_path, 7, line)
    assert found.report.damage == {kind: (1, [7])}
    assert found.report.words == 29
    assert np.flatnonzero(found.ranks[:30]).tolist() == [6]
    assert not found.rows[6].any()
    assert found.rows[7].tolist() == pytest.approx([8.5, -1, 0.2])
    assert any(kind in sentence and "7" in sentence for sentence in found.report.describe())


def test_a_last_line_that_is_cut_off_is_told_from_a_wrong_one(tmp_path):
    assert damaged(tmp_path, 30, "w30 1 2", end="").report.damage == {"cut off": (1, [30])}
    assert damaged(tmp_path, 30, "w30 1 2").report.damage == {"wrong number of values": (1, [30])}


@pytest.mark.parametrize(("line", "word"), [(". . . 1 2 3", ". . ."), ("at x@y.com 1 2 3", "at x@y.com")])
def test_words_of_several_tokens_are_words(tmp_path, line, word):
    found = damaged(tmp_path, 7, line)
    assert found.report.damage == {}
    assert found.rows[30 + [". . .", "at x@y.com"].index(word)].tolist() == [1, 2, 3]


def test_empty_lines_do_not_count(tmp_path):
    found = damaged(tmp_path, 7, "")
    assert (found.report.damage, found.report.words) == ({}, 29)


def test_the_first_of_a_word_given_twice_counts(tmp_path):
    found = damaged(tmp_path, 7, "w3 9 9 9")
    assert found.rows[2].tolist() == pytest.approx([3.5, -1, 0.2])
    assert found.report.damage == {"word given twice (the first counts)": (1, [7])}


def test_words_of_windows_are_read_as_cp1252(tmp_path):
    path = tmp_path / "v.txt"
    path.write_bytes(b"the 1 2 3\nclich\xe9 4 5 6\nmore 1 1 1\n\x93quoted\x94 7 8 9\nand 2 2 2\n")
    found = read_vectors(str(path), ["cliché", "“quoted”"])
    assert found.rows.tolist() == [[4, 5, 6], [7, 8, 9]]
    assert found.report.damage == {"word not in UTF-8 (read as cp1252)": (2, [2, 4])}
    assert found.report.words == 5


@pytest.mark.parametrize(
    ("first", "words"),
    [("31 3", "says 31 vectors, and the file holds 30"), ("30 5", "says 5 values a word, and the lines have 3")],
)
def test_a_header_that_is_wrong_is_told_and_the_lines_count(tmp_path, first, words):
    path = tmp_path / "v.vec"
    path.write_text("\n".join([first, *LINES]) + "\n")
    found = read_vectors(str(path), ["w30"])
    assert found.rows.tolist() == [pytest.approx([30.5, -1, 0.2])]
    assert any(words in note for note in found.report.describe())


def test_line_numbers_count_the_header(tmp_path):
    path = tmp_path / "v.vec"
    path.write_text("\n".join(["30 3", *LINES[:6], "w7 1 2", *LINES[7:]]) + "\n")
    assert read_vectors(str(path), ["w1"]).report.damage == {"wrong number of values": (1, [8])}


def test_a_file_with_too_much_damage_is_refused_with_kinds_and_lines(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("\n".join([*LINES, *(f"v{n} 1 2" for n in range(12))]) + "\n")
    with pytest.raises(DataError, match=r"12 of 42 lines do not fit \(12 x wrong number of values \(line 31, 32"):
        read_vectors(str(path), ["w1"])


@pytest.mark.parametrize(
    "content", ["A report on words.\nIt holds none.\n", "word\nother\n", '{"a": [1, 2]}\n', "text,label\nfine film,1\n"]
)
def test_what_holds_no_vectors_is_refused(tmp_path, content):
    path = tmp_path / "v.txt"
    path.write_text(content)
    with pytest.raises(DataError, match="should hold word vectors"):
        read_vectors(str(path), ["word"])


def test_a_binary_that_is_cut_off_gives_what_it_holds(tmp_path):
    words = [f"w{n}" for n in range(20)]
    rows = vectors_of(words, 6)
    path = tmp_path / "v.bin"
    path.write_bytes(as_binary(words[:18], rows[:18])[:-9].replace(b"18 6", b"20 6"))
    found = read_vectors(str(path), words)
    assert np.array_equal(found.rows[:17], rows[:17])
    assert np.flatnonzero(found.ranks).tolist() == [17, 18, 19]
    assert found.report.damage == {"cut off": (1, [18])}
    assert any("says 20 vectors, and the file holds 18" in note for note in found.report.describe())


def test_a_binary_with_values_that_are_no_numbers_leaves_them_out(tmp_path):
    words = [f"w{n}" for n in range(20)]
    rows = vectors_of(words, 6)
    rows[3, 2] = np.nan
    path = tmp_path / "v.bin"
    path.write_bytes(as_binary(words, rows))
    found = read_vectors(str(path), words)
    assert found.report.damage == {"value that is no number": (1, [4])}
    assert not found.rows[3].any()


def test_a_binary_of_other_values_is_refused_and_not_read_as_noise(tmp_path):
    path = tmp_path / "v.bin"
    path.write_bytes(b"30 4\n" + b"".join(b"w%d " % n + struct.pack("<4d", 1, 2, 3, 4) + b"\n" for n in range(30)))
    with pytest.raises(DataError, match=r"unreadable word.*fetch it again"):
        read_vectors(str(path), ["w1"])


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_an_archive_that_was_cut_off_gives_the_lines_before_that(tmp_path, share):
    words = [f"w{n}" for n in range(20_000)]
    rows = vectors_of(words, 10)
    content = gzip.compress("".join(text_lines(words, rows)).encode())
    path = tmp_path / "v.txt.gz"
    path.write_bytes(content[: int(share * len(content))])
    found = read_vectors(str(path), words)
    held = int((found.ranks == 0).sum())
    assert found.report.words == held == pytest.approx(share * len(words), rel=0.2)  # but for the last buffer
    assert np.array_equal(found.rows[:held], rows[:held])
    assert found.report.damage["cut off"] == (1, [held + 1])
