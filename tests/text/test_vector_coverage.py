"""What of a text has vectors: by word, by occurrence, by way of finding, and what is missed most."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.text.coverage import count_types, coverage_of, data_coverage, format_coverage
from textlstm.text.tokenization import train_tokenizer
from textlstm.text.word_matching import MISSING

TEXTS = ["The film was THE film.", "don't\nask; it's 1999", "", "日本語 naïve naïve"]


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0, 1, 3, MISSING])), max_size=30))
def test_shares_add_up(rows):
    words = [f"w{n}" for n in range(len(rows))]
    counts = np.array([count for count, _ in rows], dtype=np.int64)
    ranks = np.array([rank for _, rank in rows], dtype=np.int8)
    found = coverage_of(words, counts, ranks)
    assert found.types == sum(count > 0 for count, _ in rows)
    assert found.tokens == sum(count for count, _ in rows)
    assert found.types_found == sum(types for types, _ in found.how.values())
    assert found.tokens_found == sum(tokens for _, tokens in found.how.values())
    lost = sorted((count for count, rank in rows if rank == MISSING and count), reverse=True)
    assert [count for _, count in found.misses] == lost[:20]
    assert found.tokens - found.tokens_found == sum(lost)
    assert found.describe()


@pytest.mark.parametrize("lowercase", [True, False])
def test_words_are_those_of_the_word_tokenizer(lowercase):
    words, counts = count_types(TEXTS, lowercase=lowercase)
    tokenizer = train_tokenizer(TEXTS, kind="word", min_frequency=1, lowercase=lowercase)
    cut = Counter(token for text in TEXTS for token in tokenizer.tokenize(text))
    assert dict(zip(words, counts.tolist(), strict=True)) == dict(cut)
    assert counts.tolist() == sorted(counts.tolist(), reverse=True)


def test_a_data_set_is_covered_split_by_split(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("the 1 2\nfilm 3 4\nNaïve 5 6\n", "utf-8")
    splits = {"train": pa.array(TEXTS), "test": pa.chunked_array([["the film"], ["unseen unseen film"]])}
    notes, covered = data_coverage(str(path), splits)
    assert "3 vectors of 2" in notes[0]
    train, test = covered["train"], covered["test"]
    assert (train.types_found, train.tokens_found) == (3, 6)
    assert train.how == {"exact": (2, 4), "capitalized": (1, 2)}
    assert (test.types, test.types_found, test.tokens, test.tokens_found) == (3, 2, 5, 3)
    assert test.misses == [("unseen", 2)]
    shown = format_coverage(notes, covered)
    assert "test: 2 of 3 words (66.7%) and 60.0% of their occurrences have vectors (exact 2)" in shown
    assert "missed most: 'unseen' 2" in shown


def test_no_words_are_said_to_be_none():
    nothing = coverage_of([], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int8))
    assert nothing.describe() == ["no words to cover"]
    assert nothing.to_dict()["misses"] == []
