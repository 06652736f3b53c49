"""Rows that sets share: what counts as the same text, real sets by known figures, and nothing left after exclusion."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.errors import DataError
from textlstm.text import overlap
from textlstm.text.checks import check_data, format_report
from textlstm.text.datasets import TextData, load_data
from textlstm.text.overlap import (
    exclude_shared,
    overlap_report,
    shared_notes,
    shared_rows,
    text_keys,
    with_shared_rows_noted,
    without_rows_of,
    word_form,
)
from textlstm.text.protocol import load_recipe_data
from textlstm.text.splits import Split

DATA = Path(os.environ.get("TEXTLSTM_DATA_DIR", "/nonexistent"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="TEXTLSTM_DATA_DIR is not set")
WORDS = "sun moon star sky rain".split()


def split_of(texts, labels=None):
    return Split(
        pa.array(texts, pa.large_string()),
        np.arange(len(texts)) % 2 if labels is None else np.array(labels),
        np.arange(len(texts)),
    )


def data_of(source="here", **splits):
    return TextData({name: split_of(texts) for name, texts in splits.items()}, ["a", "b"], False, source, "0" * 16)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It 's -LRB- not -RRB- a film .", "it's (not) a film."),
        ("a `` cliché '' , really", "A “clich\u0065\u0301”, really"),
        ("Straße\u00a01", "STRASSE 1"),
        ("1\\/2 star -- no", "1/2 star — no"),
        ("ﬁlm ①", "film 1"),
        ("good \u2764\ufe0f", "good\u2764"),
    ],
)
def test_tokenization_case_and_accents_make_no_other_text(one, other):
    assert word_form(one) == word_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (":)", ":("),
        ("good 1", "good 2"),
        ("c++", "c"),
        ("が", "か"),  # a voiced sound mark makes another letter, not an accent
        ("कि", "की"),
        ("good \U0001f600", "good \U0001f622"),
        ("not good", "good"),
        ("", "a"),
    ],
)
def test_other_words_are_other_texts(one, other):
    assert word_form(one) != word_form(other)


@given(st.lists(st.sampled_from([*"aBéß1+", "-", " ", "\t", ".", "«", "'", "`", "\u00a0", "-LRB-"])), st.data())
def test_case_spaces_and_punctuation_never_matter(pieces, data):
    dressed = "".join(piece + data.draw(st.sampled_from(["", " ", ",", "\n", '"'])) for piece in ["x", *pieces])
    letters = "".join(piece for piece in pieces if piece in "aBéß1+")
    plain = letters.lower().replace("é", "e").replace("ß", "ss")
    assert word_form(dressed) == word_form(dressed.upper()) == f"x{plain}"
    assert word_form(word_form(dressed)) == word_form(dressed)


@given(st.text(), st.text())
def test_any_two_texts_are_compared_alike_from_both_sides(one, other):
    assert (word_form(one) == word_form(other)) == (word_form(f" {one}") == word_form(f"{other} "))


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join), max_size=12))
def test_keys_are_equal_where_forms_are(texts):
    keys = text_keys(pa.array(texts, pa.large_string()))
    assert keys.dtype == np.uint64 and keys.shape == (len(texts),)
    forms = [word_form(text) for text in texts]
    same = [[a == b for b in forms] for a in forms]
    assert (keys[:, None] == keys[None, :]).tolist() == same or not texts


def test_keys_do_not_depend_on_chunks_nor_on_slices(monkeypatch):
    texts = pa.chunked_array([["a b", "c"], [], ["A-B", "d"]], pa.large_string())
    whole = text_keys(texts)
    monkeypatch.setattr(overlap, "_CHUNK_ROWS", 3)
    assert text_keys(texts).tolist() == whole.tolist()
    assert text_keys(texts.slice(1, 2)).tolist() == whole[1:3].tolist()
    assert whole[0] == whole[2]


texts_of_words = st.lists(st.sampled_from([f"{a} {b}" for a in WORDS for b in WORDS]), max_size=15)


@given(texts_of_words, texts_of_words)
def test_what_is_shared_is_what_a_set_would_say(ours, theirs):
    ours, theirs = ["Both, of them!", *ours], ["both of THEM", *theirs]
    found = shared_rows(split_of(ours), split_of(theirs))
    forms, other_forms = {word_form(text) for text in ours}, {word_form(text) for text in theirs}
    expected = [row for row, text in enumerate(ours) if word_form(text) in other_forms]
    assert found.indices.tolist() == expected
    assert found.count == len(expected)
    assert found.share == pytest.approx(len(expected) / len(ours))
    assert found.other_share == pytest.approx(sum(word_form(text) in forms for text in theirs) / len(theirs))
    rest, removed = without_rows_of(split_of(ours), split_of(theirs))
    assert removed == len(expected) and len(rest) + removed == len(ours)
    assert shared_rows(rest, split_of(theirs)).count == 0
    assert rest.rows.tolist() == sorted(set(range(len(ours))) - set(expected))  # source rows, in source order


def test_excluding_takes_the_rows_out_of_every_split_and_says_so():
    source = data_of("films", train=["One .", "two", "three"], validation=["ONE", "four"], test=["two!"])
    kept = exclude_shared(source, [split_of(["one", "nine"]), split_of(["(two)"])])
    assert {name: rows.text_list() for name, rows in kept.splits.items()} == {
        "train": ["three"],
        "validation": ["four"],
    }
    assert kept.notes == [
        "left out, because their texts are in a protected split: 2 of 3 train, 1 of 2 validation, 1 of 1 test rows"
    ]
    assert kept.fingerprint != source.fingerprint and source.notes == []
    assert exclude_shared(source, [split_of(["nine"])]) is source
    assert exclude_shared(source, []) is source
    with pytest.raises(DataError, match="All 3 training rows of films"):
        exclude_shared(source, [source.splits["train"]])


def test_the_report_has_a_line_for_each_pair_of_splits():
    ours = data_of(train=["a", "b", "c", "d"], test=["e", "f"])
    theirs = data_of(train=["A.", "e", "e", "x"])
    lines = overlap_report(ours, {"others": theirs})
    assert [(line.split, line.other, line.other_split, line.count, line.share, line.other_share) for line in lines] == [
        ("train", "others", "train", 1, 0.25, 0.25),
        ("test", "others", "train", 1, 0.5, 0.5),
    ]


def test_the_check_warns_of_other_sets_and_of_nothing_where_nothing_is_shared():
    ours = data_of("ours", train=[f"text {row}" for row in range(40)], test=["text x", "text y"])
    films = data_of("films", train=["Text 1", "text (x)", "z"])
    clean = data_of("clean", train=["q", "r"])
    report = check_data(ours, against=[films, clean])
    warned = [warning for warning in report.warnings if "films" in warning or "clean" in warning]
    assert warned == [
        "films holds texts of this data set: 1 train text (2.5 %) in its train, 1 test text (50.0 %) in its train."
        " Use no text, label, teacher or language model of one for the other before these rows are removed."
    ]
    shown = format_report(report)
    assert "also in films, train  1 (2.5 %)  1 (50.0 %)" in shown
    assert "also in clean, train  0 (0.0 %)   0 (0.0 %)" in shown
    assert report.to_dict()["against"][0]["other"] == "films"


def test_shared_rows_are_noted_when_data_is_loaded_and_not_said_twice(tiny_recipe, monkeypatch):
    rows = ["red", "green", "blue", "gray"]
    source = {"train": (rows, list("abab")), "test": (["Red !", "black"], ["a", "b"])}
    data = load_recipe_data(tiny_recipe(), source=source)
    assert "1 of the 2 test texts is also in train" in data.notes
    report = check_data(data)
    assert not any("also in train" in note for note in report.notes)
    assert any("1 row of test (50.0 %) has a text that is also in train" in warning for warning in report.warnings)
    alone = data_of(train=rows)
    assert with_shared_rows_noted(alone) is alone
    apart = data_of(train=rows, test=["black"])
    assert with_shared_rows_noted(apart) is apart
    monkeypatch.setattr(overlap, "COUNTED_BYTES", 3)
    assert "were not counted" in next(shared_notes(apart.splits))


@pytest.fixture(scope="module")
def real():
    """Loads real sets by name."""
    patch = pytest.MonkeyPatch()
    patch.setenv("TEXTLSTM_DATA_DIR", str(DATA))
    yield lambda name: load_data(name, on_bad_rows="drop")
    patch.undo()


@needs_data
@pytest.mark.parametrize(
    ("first", "split", "second", "least"),
    [
        ("sst2", "test", "mr", 0.79),  # the shares that exact matches without spaces and punctuation had given
        ("mr", "train", "sst2_phrases", 0.53),
        ("mr", "train", "sst5_phrases", 0.53),
        ("subj", "train", "mr", 0.416),
    ],
)
def test_sets_that_are_known_to_share_rows(real, first, split, second, least):
    share = shared_rows(real(first).splits[split], real(second).splits["train"]).share
    assert least <= share <= least + 0.12


@needs_data
def test_no_text_of_sst_is_left_in_mr_or_the_phrases_once_excluded(real):
    sst = real("sst2")
    protect = [sst.splits["validation"], sst.splits["test"]]
    for name, removed in (("mr", 1496 + 731), ("subj", 859), ("sst2_phrases", 0)):
        source = real(name)
        kept = exclude_shared(source, protect)
        assert sum(shared_rows(rows, guarded).count for rows in kept.splits.values() for guarded in protect) == 0
        assert len(source.splits["train"]) - len(kept.splits["train"]) >= removed * 0.99
        assert shared_rows(source.splits["train"], protect[1]).count > 0
    assert "left out, because" in kept.notes[-1]
