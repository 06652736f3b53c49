"""Copies of texts: seeded, changed as their rule says, label kept, and never a text of a held-out split."""

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.recipe_transfer import NEGATIONS
from textlstm.text.augmentation import MASK, Augmenter, copies_for, strength_for
from textlstm.text.neighbors import Neighbors, find_neighbors
from textlstm.text.overlap import text_keys
from textlstm.text.splits import Split

RULES = ("deletion", "swap", "insertion", "neighbors", "masking", "casing", "typos", "ngrams", "sentences")
WORDS = "plot actors good never film, don't scene music a of the story wonderful".split()
NEAR = Neighbors({"film": ["movie"], "good": ["great", "fine"], "story": ["tale"]}, [])
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=20).map(" ".join)


def split_of(rows, labels=None):
    return Split(pa.array(rows, pa.large_string()), labels, np.arange(len(rows)))


def copies(rows, rules, *, seed=0, forbidden=(), **options):
    given = {"copies": 3, "strength": 0.2, "protected": frozenset(NEGATIONS), "neighbors": NEAR, **options}
    return Augmenter(rules=rules, **given).copies_of(split_of(rows), seed=seed, forbidden=forbidden)


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None, max_examples=25)
@given(rows=st.lists(texts, min_size=1, max_size=8))
def test_copies_repeat_by_seed_differ_from_all_texts_and_know_their_owner(rule, rows):
    made, again = copies(rows, [rule]), copies(rows, [rule])
    assert made.texts == again.texts
    assert made.owners.tolist() == again.owners.tolist() == sorted(made.owners.tolist())
    assert len(set(made.texts)) == len(made.texts) == len(made.labeled)
    assert not set(made.texts) & set(rows)
    assert np.bincount(made.owners, minlength=len(rows)).max(initial=0) <= 3


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(texts, min_size=1, max_size=6), strength=st.floats(0.01, 1.0))
def test_each_rule_changes_what_it_says_and_as_much(rows, strength):
    for rule in RULES:
        made = copies(rows, [rule], strength=strength)
        for text, owner in zip(made.texts, made.owners.tolist(), strict=True):
            before, after = rows[owner].split(), text.split()
            count = max(1, round(strength * len(before)))
            lost, gained = Counter(before) - Counter(after), Counter(after) - Counter(before)
            if rule == "deletion":
                assert not gained and 1 <= lost.total() <= count
            elif rule == "swap":
                assert not lost and not gained and before != after
            elif rule == "insertion":
                assert not lost and gained.total() == count
                assert set(gained) <= {"movie", "great", "fine", "tale"}
            elif rule == "neighbors":
                assert len(before) == len(after)
                assert 1 <= sum(one != other for one, other in zip(before, after, strict=True)) <= count
            elif rule == "masking":
                assert [k for k, word in enumerate(after) if word == MASK] == list(
                    range(after.index(MASK), after.index(MASK) + count)
                )
                assert all(one in (other, MASK) for one, other in zip(after, before, strict=True))
            elif rule == "casing":
                assert text.lower() == rows[owner].lower() and text != rows[owner]
            elif rule == "typos":
                changed = [k for k, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
                assert 1 <= len(changed) <= count
                assert all(before[k][0] == after[k][0] and abs(len(before[k]) - len(after[k])) < 2 for k in changed)
            elif rule == "ngrams":
                places = [k for k in range(len(before)) if before[k : k + len(after)] == after]
                assert places and len(before) > len(after) >= len(before) / 2


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(texts, min_size=1, max_size=6))
def test_negations_are_neither_lost_nor_moved_nor_replaced(rows):
    for rule in RULES:
        made = copies(rows, [rule], strength=0.5)
        for text, owner in zip(made.texts, made.owners.tolist(), strict=True):
            one, other = (re.findall(r"never|don't", words.lower()) for words in (rows[owner], text))
            assert one == other


class CountingGenerator(np.random.Generator):
    """Counts the places that are shuffled."""

    shuffled = 0

    def permutation(self, x, axis=0):
        self.shuffled += len(x)
        return super().permutation(x, axis)


@pytest.mark.parametrize("rule", ["_swap", "_insert"])
def test_what_is_drawn_grows_with_the_changes_and_not_with_the_length_of_the_text_too(rule):
    words = WORDS * 20
    rng = CountingGenerator(np.random.PCG64(0))
    assert getattr(Augmenter([], 1, 0.2, neighbors=NEAR), rule)(words, np.arange(len(words)), 40, rng) != words
    assert rng.shuffled <= len(words)


def test_each_two_words_change_places_equally_often():
    rng, swapped = np.random.default_rng(0), Counter()
    for _ in range(3000):
        swapped[" ".join(Augmenter([], 1, 0.2)._swap(list("abcd"), np.array([0, 1, 3]), 1, rng))] += 1
    assert set(swapped) == {"b a c d", "d b c a", "a d c b"}
    assert all(900 < count < 1100 for count in swapped.values())


@settings(deadline=None, max_examples=40)
@given(free=st.lists(st.booleans(), min_size=2, max_size=12), count=st.integers(1, 12))
def test_every_run_of_free_words_may_be_masked_and_no_other(free, count):
    places, words = np.flatnonzero(free), [str(place) for place in range(len(free))]
    rng, found = np.random.default_rng(0), set()
    for _ in range(150):
        masked = Augmenter([], 1, 0.2)._mask(words, places, count, rng)
        found.add(None if masked is None else masked.index(MASK))
    runs = {start for start in range(len(free) - count + 1) if all(free[start : start + count])}
    assert found == ({None} if not runs or count >= len(free) else runs)


def test_short_ngrams_have_up_to_five_words_and_no_label():
    rows = ["one two three four five six seven eight nine ten"] * 1
    made = copies(rows, ["ngrams"], copies=40, short_ngrams=True)
    assert {len(text.split()) for text in made.texts} == {1, 2, 3, 4, 5}
    assert not made.labeled.any()
    assert copies(rows, ["deletion"], short_ngrams=True).labeled.all()
    assert copies(rows, ["ngrams"], copies=40).labeled.all()


def test_sentences_change_places_and_short_texts_are_left_out():
    text = "It began. Then it rained! Who knew? The end."
    made = copies([text, "One sentence alone here."], ["sentences"], copies=8)
    assert set(made.owners.tolist()) == {0}
    assert all(sorted(re.split(r"(?<=[.!?]) ", one)) == sorted(re.split(r"(?<=[.!?]) ", text)) for one in made.texts)
    assert "were no different" in made.notes[0]


def test_a_copy_that_says_what_a_held_out_text_says_is_left_out():
    rows = ["a b c"]
    free = copies(rows, ["deletion"], copies=30, strength=0.3)
    assert set(free.texts) == {"a b", "a c", "b c"}
    held_out = split_of(["A, B!"])
    made = copies(rows, ["deletion"], copies=30, strength=0.3, forbidden=[held_out])
    assert set(made.texts) == {"a c", "b c"}
    assert len(made.texts) == len(made.owners) == len(made.labeled)
    assert not np.isin(text_keys(pa.array(made.texts, pa.large_string())), text_keys(held_out.texts)).any()
    assert any("1 copies that say what held-out texts say" in note for note in made.notes)


def test_what_a_text_becomes_does_not_hang_on_the_texts_around_it():
    rows = [f"word{k} " + " ".join(WORDS) for k in range(6)]
    whole, part = copies(rows, ["deletion", "swap"]), copies(rows[3:], ["deletion", "swap"])
    of_whole = {text for text, owner in zip(whole.texts, whole.owners.tolist(), strict=True) if owner >= 3}
    assert of_whole == set(part.texts)
    assert set(copies(rows, ["deletion", "swap"], seed=1).texts) != set(whole.texts)


def test_letters_that_are_written_without_blanks_are_words_and_stay_so():
    made = copies(["我喜欢这部电影"], ["deletion"], copies=10, strength=0.15)
    assert made.texts
    assert all(len(text) == 6 and " " not in text for text in made.texts)


def test_a_neighbor_takes_over_case_and_punctuation():
    rng = np.random.default_rng(0)
    assert [NEAR.draw(word, rng) for word in ('"Film,"', "FILM", "film")] == ['"Movie,"', "MOVIE", "movie"]
    assert NEAR.draw("plot", rng) is None
    assert NEAR.draw("...", rng) is None


def test_neighbors_are_near_by_vectors_and_do_not_lean_to_another_class(tmp_path):
    vectors = {"good": (1, 0.1), "fine": (1, 0.15), "bad": (1, 0.12), "film": (0, 1), "movie": (0.05, 1)}
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{word} {' '.join(map(str, row))}\n" for word, row in vectors.items()))
    rows = ["good film", "bad film", "good movie", "bad movie", "good film fine", "bad film fine"] * 3
    train = split_of(rows, np.array([1, 0, 1, 0, 1, 0] * 3))
    near = find_neighbors(str(path), train, classes=2, least=0.9).near
    assert near == {"good": ["fine"], "bad": ["fine"], "film": ["movie"], "movie": ["film"]}
    unlabeled = find_neighbors(str(path), split_of(rows), classes=2, least=0.9).near
    assert unlabeled["good"] == ["bad", "fine"]  # nothing says that they are opposites
    assert find_neighbors(str(path), train, classes=2, least=1.0).near == {}


@pytest.mark.parametrize(("rows", "number", "strength"), [(100, 16, 0.05), (501, 8, 0.05), (5000, 4, 0.1)])
def test_less_data_gets_more_copies(rows, number, strength):
    assert (copies_for(rows), strength_for(rows)) == (number, strength)
