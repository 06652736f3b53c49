"""Which of a file's words stands for a needed word: the stated order of forms, wherever each stands in the file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.text.word_matching import FORMS, MISSING, RANKS, WordMatcher, match_positions

LETTERS = st.text(st.sampled_from("aAbB-1#."), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("needed", "held", "form"),
    [
        ("film", "film", "exact"),
        ("Film", "film", "lower-case"),
        ("paris", "Paris", "capitalized"),
        ("nasa", "NASA", "upper-case"),
        ("co-op", "coop", "without punctuation"),
        ("U.S.", "us", "without punctuation, lower-case"),
        ("1999", "####", "digits as #"),
        ("film", "films", "missing"),
        ("-", "", "missing"),
        ("7", "#", "missing"),
    ],
)
def test_a_word_is_found_by_this_form(needed, held, form):
    matcher = WordMatcher([needed])
    positions, size = match_positions(matcher, [b"other", held.encode()])
    assert RANKS[matcher.ranks[0]] == form
    assert (positions[0], size) == (-1 if form == "missing" else 1, 2)


@given(
    st.lists(LETTERS, min_size=1, max_size=6, unique=True), st.lists(LETTERS, max_size=12, unique=True), st.randoms()
)
def test_the_best_form_wins_in_every_order_of_the_file(needed, held, random):
    """Against a plain search: for each word the first form that any word of the file has."""
    expected = []
    for word in needed:
        hits = [(rank, form(word)) for rank, form in enumerate(FORMS.values()) if form(word) and form(word) in held]
        expected.append(hits[0] if hits else (MISSING, None))
    shuffled = random.sample(held, len(held))
    matcher = WordMatcher(needed)
    positions, _ = match_positions(matcher, (word.encode() for word in shuffled))
    found = [None if place < 0 else shuffled[place] for place in positions.tolist()]
    assert found == [word for _, word in expected]
    assert matcher.ranks.tolist() == [rank for rank, _ in expected]


def test_one_word_of_the_file_may_serve_several():
    matcher = WordMatcher(["Film", "film", "FILM"])
    positions, _ = match_positions(matcher, [b"film"])
    assert positions.tolist() == [0, 0, 0]
    assert matcher.ranks.tolist() == [1, 0, 1]


def test_only_the_exact_form_counts_when_nothing_looser_is_wanted():
    matcher = WordMatcher(["Film", "film"], loose=False)
    match_positions(matcher, [b"film"])
    assert matcher.ranks.tolist() == [MISSING, 0]
    assert np.array_equal(WordMatcher(["film"]).ranks, [MISSING])
