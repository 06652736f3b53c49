"""fastText's binaries: listed words and n-grams against a plain reading of the layout, and what is refused."""

import gzip
import struct
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.errors import DataError
from textlstm.text.fasttext_binary import MAGIC, bucket_of, character_ngrams
from textlstm.text.vectors import read_vectors, source_words, vector_width
from textlstm.text.word_matching import MISSING, SUBWORDS

WORDS = ["</s>", "the", "film", "naïve", "Paris"]
BUCKETS, WIDTH = 50, 6


def model(words=WORDS, *, minn=3, maxn=4, buckets=BUCKETS, pruned=-1, quantized=0, version=12, kind=2, labels=()):
    """Write a model as `FastText::saveModel` does; gives its bytes and its matrix."""
    rows = np.random.default_rng(0).standard_normal((len(words) + buckets, WIDTH)).astype("<f4")
    entries = [*words, *labels]
    head = MAGIC + struct.pack("<13id", version, WIDTH, 5, 5, 1, 5, 1, 2, kind, buckets, minn, maxn, 100, 1e-4)
    head += struct.pack("<3i2q", len(entries), len(words), len(labels), 1000, pruned)
    listed = b"".join(
        word.encode() + b"\0" + struct.pack("<qb", 9, number >= len(words)) for number, word in enumerate(entries)
    )
    return head + listed + bytes([quantized]) + struct.pack("<2q", *rows.shape) + rows.tobytes(), rows


def slow_vector(word, rows, *, minn=3, maxn=4, buckets=BUCKETS):
    """`FastText::getWordVector` in plain words: mean of the word's row, when listed, and its n-grams' rows."""
    parts = [rows[WORDS.index(word)]] if word in WORDS else []
    text = f"<{word}>"
    for start in range(len(text)):
        for size in range(minn, maxn + 1):
            gram = text[start : start + size]
            if len(gram) == size and not (size == 1 and (start == 0 or start == len(text) - 1)):
                value = 2166136261
                for byte in np.frombuffer(gram.encode(), np.int8).tolist():
                    value = ((value ^ (byte & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
                parts.append(rows[len(WORDS) + value % buckets])
    return np.mean(parts, axis=0)


def test_the_hash_is_fnv_1a():
    """Published values of the 32-bit function; ASCII bytes have no sign."""
    known = {b"": 0x811C9DC5, b"a": 0xE40C292C, b"foobar": 0xBF9CF968}
    assert {text: bucket_of(text, 2**32) for text in known} == known


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=8), st.integers(1, 4), st.integers(0, 3))
def test_ngrams_are_all_stretches_of_characters(word, shortest, more):
    text = f"<{word}>"
    stretches = [
        text[start : start + size]
        for start in range(len(text))
        for size in range(shortest, shortest + more + 1)
        if start + size <= len(text) and not (size == 1 and start in (0, len(text) - 1))
    ]
    found = character_ngrams(word.encode(), shortest=shortest, longest=shortest + more)
    assert [gram.decode() for gram in found] == stretches


@pytest.mark.parametrize("lengths", [(3, 4), (1, 2), (2, 5)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_words_are_put_together_as_the_tool_does(tmp_path, lengths, pack):
    minn, maxn = lengths
    content, rows = model(minn=minn, maxn=maxn)
    path = tmp_path / "model.bin"
    path.write_bytes(pack(content))
    words = ["film", "naïve", "unlisted", "日本語の本"]
    found = read_vectors(str(path), words)
    for row, word in enumerate(words):
        assert found.rows[row] == pytest.approx(slow_vector(word, rows, minn=minn, maxn=maxn), abs=1e-6)
    assert found.ranks.tolist() == [0, 0, SUBWORDS, SUBWORDS]
    assert (vector_width(str(path)), source_words(str(path), 3)) == (WIDTH, WORDS[:3])


def test_the_matrix_is_read_in_stretches(tmp_path, monkeypatch):
    content, rows = model()
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    monkeypatch.setattr("textlstm.text.fasttext_binary._CHUNK_ROWS", 7)
    found = read_vectors(str(path), ["unlisted", "film"])
    assert found.rows == pytest.approx(np.stack([slow_vector(word, rows) for word in ("unlisted", "film")]), abs=1e-6)


def test_a_word_listed_in_another_form_takes_that_ones_vector(tmp_path):
    content, rows = model()
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    found = read_vectors(str(path), ["paris"])
    assert found.rows[0] == pytest.approx(slow_vector("Paris", rows), abs=1e-6)


def test_without_ngrams_a_word_is_its_row_and_others_have_none(tmp_path):
    content, rows = model(minn=0, maxn=0, buckets=0)
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    found = read_vectors(str(path), ["film", "unlisted"])
    assert np.array_equal(found.rows, [rows[2], np.zeros(WIDTH)])
    assert found.ranks.tolist() == [0, MISSING]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_needed_vector_that_is_no_number_is_refused_and_others_do_no_harm(tmp_path, value):
    content, rows = model(minn=0, maxn=0, buckets=0)
    damaged = rows.copy()
    damaged[2, 3] = value
    path = tmp_path / "model.bin"
    path.write_bytes(content[: -rows.nbytes] + damaged.tobytes())
    with pytest.raises(DataError, match="vectors of 1 of 2 needed words are none, that of 'film' among them"):
        read_vectors(str(path), ["the", "film"])
    assert np.array_equal(read_vectors(str(path), ["the"]).rows, rows[1:2])


def test_labels_of_a_supervised_model_are_no_words(tmp_path):
    content, rows = model(labels=["__label__good"], kind=3, minn=0, maxn=0, buckets=0)
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    found = read_vectors(str(path), ["__label__good", "Paris"])
    assert found.ranks.tolist() == [MISSING, 0]
    assert np.array_equal(found.rows[1], rows[4])
    assert source_words(str(path), 99) == WORDS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantized": 1}, "quantized"),
        ({"pruned": 7}, "quantized"),
        ({"version": 9}, "version 9"),
    ],
)
def test_a_model_of_another_kind_is_refused(tmp_path, change, message):
    path = tmp_path / "model.bin"
    path.write_bytes(model(**change)[0])
    with pytest.raises(DataError, match=message):
        read_vectors(str(path), ["unlisted"])


@pytest.mark.parametrize("kept", [20, 110, 130, 0.5, 0.99])
@pytest.mark.parametrize("pack", [False, True])
def test_a_model_that_is_cut_off_is_refused_wherever_it_ends(tmp_path, kept, pack):
    content = model()[0]
    size = kept if kept > 1 else int(kept * len(content))
    path = tmp_path / "model.bin"
    if pack:
        whole = BytesIO()
        with gzip.GzipFile(fileobj=whole, mode="wb", compresslevel=0) as file:
            file.write(content)
        path.write_bytes(whole.getvalue()[: size + 20])
    else:
        path.write_bytes(content[:size])
    with pytest.raises(DataError, match=r"fetch it again|cut off or damaged"):
        read_vectors(str(path), ["unlisted", "film", "a word that has many n-grams and so needs rows to the end"])


def test_the_reference_implementation_agrees(tmp_path):
    fasttext = pytest.importorskip("fasttext")
    path = tmp_path / "model.bin"
    text = tmp_path / "text.txt"
    text.write_text("the film was naïve and the plot was thin\n" * 20)
    # The library draws a tenth of its first numbers a thread, and leaves the rest as memory had them: ten threads, and
    # 8 words and 102 buckets of 8 numbers, which ten parts divide without a remainder.
    trained = fasttext.train_unsupervised(str(text), dim=8, epoch=1, minCount=1, bucket=102, thread=10)
    trained.save_model(str(path))
    theirs = fasttext.load_model(str(path))
    words = ["film", "naïve", "unlisted", "plots"]
    assert read_vectors(str(path), words).rows == pytest.approx(
        np.stack([theirs.get_word_vector(word) for word in words]), abs=1e-6
    )
