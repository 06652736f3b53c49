"""Texts as one stream of ids: nothing is lost, what is kept out is small, and parts are cut without a gap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.errors import DataError
from textlstm.recipe_sections import DataSection
from textlstm.text.running_text import RunningText
from textlstm.text.token_stream import side_by_side, write_stream
from textlstm.text.tokenization import train_tokenizer

TEXTS = [f"word{number % 7} and word{number % 5}" for number in range(200)]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, min_frequency=1)


def test_every_text_is_in_the_stream_or_kept_out_begun_by_the_mark(tokenizer, tmp_path):
    stream = write_stream([TEXTS[:90], TEXTS[90:]], tokenizer, tmp_path / "ids", validation_tokens=1_000)
    assert stream.texts == 200
    words = sum(len(tokenizer(text)["input_ids"]) + 1 for text in TEXTS)
    assert len(stream.train) + len(stream.validation) == words
    assert (stream.train == tokenizer.pad_token_id).sum() == 196  # every fiftieth is kept out
    assert (stream.validation == tokenizer.pad_token_id).sum() == 4
    np.testing.assert_array_equal(stream.counts, np.bincount(stream.train, minlength=len(tokenizer)))
    again = write_stream([TEXTS], tokenizer, tmp_path / "again", validation_tokens=1_000)
    assert again.digest == stream.digest
    other = write_stream([TEXTS[:-1]], tokenizer, tmp_path / "other", validation_tokens=1_000)
    assert other.digest != stream.digest


def test_of_few_texts_the_tail_is_kept_out(tokenizer, tmp_path):
    stream = write_stream([["word1 and word2 " * 100]], tokenizer, tmp_path / "ids", validation_tokens=20)
    assert (len(stream.validation), len(stream.train)) == (
        20,
        len(tokenizer("word1 and word2 " * 100)["input_ids"]) - 19,
    )


def test_too_little_text_is_refused(tokenizer, tmp_path):
    with pytest.raises(DataError, match="running text"):
        write_stream([["word1"]], tokenizer, tmp_path / "ids", validation_tokens=20)


@given(st.integers(1, 300), st.integers(1, 9), st.integers(0, 5))
def test_parts_side_by_side_are_the_stream(tokens, streams, offset):
    ids = np.arange(tokens)
    parts = side_by_side(ids, streams=streams, offset=min(offset, tokens))
    assert parts.shape[0] == streams
    np.testing.assert_array_equal(parts.ravel(), ids[min(offset, tokens) :][: parts.size])
    assert tokens - min(offset, tokens) - parts.size < streams
    turned = side_by_side(ids[::-1], streams=streams)
    np.testing.assert_array_equal(turned.ravel(), ids[::-1][: turned.size])


def texts_of(source, **part):
    texts = RunningText(DataSection(source=str(source), **part))
    return [text for batch in texts.batches() for text in batch], texts.notes


def test_files_give_their_texts_and_blank_ones_are_left_out(tmp_path):
    (tmp_path / "t.txt").write_text("one\n\n  \ntwo\n")
    assert texts_of(tmp_path / "t.txt")[0] == ["one", "two"]
    (tmp_path / "t.csv").write_text("id,review,label\n1,good,a\n2,,b\n3,bad,a\n")
    assert texts_of(tmp_path / "t.csv")[0] == ["good", "bad"]
    assert texts_of(tmp_path / "t.csv", text_columns=["label"])[0] == ["a", "b", "a"]
    with pytest.raises(DataError, match=r"no column 'revew'.*Did you mean 'review'"):
        texts_of(tmp_path / "t.csv", text_columns=["revew"])


def test_a_file_is_streamed_up_to_its_limit(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("\n".join(map(str, range(10_000))))
    texts = RunningText(DataSection(source=str(path)), limit=5_000)
    batches = list(texts.batches())
    assert [text for batch in batches for text in batch] == list(map(str, range(5_000)))
    assert max(map(len, batches)) <= 4_096


def test_a_test_split_stays_unseen(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"{split}.csv").write_text(f"text,label\n{split} text,a\n")
    found, notes = texts_of(tmp_path)
    assert found == ["train text"]
    assert notes == [f"{tmp_path}: only the train split is read, test stay unseen."]


def test_a_source_without_texts_is_refused(tmp_path):
    (tmp_path / "t.txt").write_text("\n\n")
    with pytest.raises(DataError, match="holds no texts"):
        texts_of(tmp_path / "t.txt")
    (tmp_path / "t.csv").write_text("a,b\nx,y\n")
    with pytest.raises(DataError, match="no column is plainly the text"):
        texts_of(tmp_path / "t.csv")
