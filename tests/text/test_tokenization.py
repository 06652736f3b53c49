"""Tokenizers are complete, survive a save, read every script, and cut where they should."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from textlstm.errors import DataError, ModelError, RecipeError
from textlstm.recipe_sections import SMALLEST_VOCABULARY
from textlstm.text.tokenization import (
    count_words,
    encode,
    load_tokenizer,
    save_tokenizer,
    train_tokenizer,
    vocabulary_size,
)
from textlstm.text.word_pipeline import add_pipeline

KINDS = ("word", "bpe", "wordpiece", "unigram")
TEXTS = [
    "I don't like this film, it's awful!!! 3.5 stars of 10 in 1999.",
    "You won't find a better film; it's a naïve, wonderful 10/10.",
    "我爱北京天安门，今天天气很好。", "北京的天气今天不好。",
    "これは日本語の映画です。カタカナも読めます。", "ภาษาไทยที่ไม่มีช่องว่าง", "Это хороший фильм. Плохой фильм?",
    "فیلم خوبی می‌خواهم", "यह फ़िल्म अच्छी है", "so good 👍🏽 ❤️ 👨‍👩‍👧", "", "   ",
] * 3  # fmt: skip

WORD_CUTTER = Tokenizer(models.WordPiece())
add_pipeline(WORD_CUTTER, "wordpiece", lowercase=True)


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request):
    return train_tokenizer(TEXTS, kind=request.param, vocab_size=600, max_length=40)


def test_a_trained_tokenizer_is_complete(tokenizer):
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (0, 1)
    assert (tokenizer.pad_token, tokenizer.unk_token) == ("<pad>", "<unk>")
    assert tokenizer.padding_side == tokenizer.truncation_side == "right"
    assert tokenizer.model_input_names == ["input_ids", "attention_mask"]
    assert tokenizer.model_max_length == 40
    assert vocabulary_size(tokenizer) == len(tokenizer) <= 600
    batch = tokenizer(["good film", "it's a film of stars " * 30], padding=True, truncation=True)
    assert set(batch) == {"input_ids", "attention_mask"}
    assert [len(row) for row in batch["input_ids"]] == [40, 40]
    assert batch["input_ids"][0][-1] == 0
    assert batch["attention_mask"][0][-1] == 0


@given(
    st.text(
        st.one_of(st.characters(codec="utf-8"), st.sampled_from(" \t\n\x1c\x85\xa0\u2028\u3000'n\u0301\u00b4")),
        max_size=30,
    )
)
@settings(deadline=None, max_examples=300)
def test_no_word_goes_over_white_space(text):
    """WordPiece takes its letters from each different part between white space, which is read once."""
    assert _words_of(text) == [word for part in text.split() for word in _words_of(part)]


def _words_of(text: str) -> list[str]:
    words = WORD_CUTTER.pre_tokenizer.pre_tokenize_str(WORD_CUTTER.normalizer.normalize_str(text))
    return [word for word, _ in words]


def test_saving_keeps_every_id_and_bakes_truncation_in(tokenizer, tmp_path):
    long = [*TEXTS, "film " * 200]
    expected = encode(tokenizer, long, max_length=40)
    tokenizer("a call without truncation resets the backend's")
    save_tokenizer(tokenizer, tmp_path)
    assert json.loads((tmp_path / "tokenizer.json").read_text())["truncation"]["max_length"] == 40
    by_auto = AutoTokenizer.from_pretrained(tmp_path)
    ids = by_auto(long, truncation=True)["input_ids"]
    assert [row or [1] for row in ids] == [row.tolist() for row in expected]
    assert by_auto.model_max_length == 40
    assert by_auto.pad_token_id == 0
    again = encode(load_tokenizer(tmp_path, max_length=40), long, max_length=40)
    assert (again.ids == expected.ids).all()
    # What the ONNX path and JavaScript see: the file alone.
    alone = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert [alone.encode(text).ids or [1] for text in long] == [row.tolist() for row in expected]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=[]), max_size=60), min_size=1, max_size=5))
def test_any_text_gives_known_ids_whatever_is_beside_it(tokenizer, texts):
    encoded = encode(tokenizer, texts, max_length=40)
    assert encoded.ids.dtype == np.int32
    assert (encoded.lengths >= 1).all()
    assert (encoded.lengths <= 40).all()
    assert encoded.ids.min() >= 1
    assert encoded.ids.max() < vocabulary_size(tokenizer)
    for row, text in enumerate(texts):
        assert (encode(tokenizer, [text], max_length=40).ids == encoded[row]).all()


def test_encoding_counts_what_it_cuts_and_changes_no_tokenizer(tokenizer):
    texts = ["film " * n for n in (1, 4, 5, 6, 50)]
    plain = {"truncation": tokenizer.backend_tokenizer.truncation, "padding": tokenizer.backend_tokenizer.padding}
    pieces = np.diff(encode(tokenizer, texts, max_length=1000).offsets)
    short = encode(tokenizer, texts, max_length=5)
    assert short.truncated == (pieces > 5).sum() == len(short.cut_rows)
    assert (short.lengths == np.minimum(pieces, 5)).all()
    backend = tokenizer.backend_tokenizer
    assert plain == {"truncation": backend.truncation, "padding": backend.padding}
    few = short.take(np.array([4, 0, 4]))
    assert few.truncated == 2
    assert [row.tolist() for row in few] == [short[4].tolist(), short[0].tolist(), short[4].tolist()]


def test_arrow_and_list_give_equal_ids(tokenizer):
    array = pa.chunked_array([pa.array(TEXTS[:7], pa.large_string()), pa.array(TEXTS[7:], pa.large_string())])
    assert (encode(tokenizer, array, max_length=40).ids == encode(tokenizer, TEXTS, max_length=40).ids).all()
    assert len(encode(tokenizer, [], max_length=40)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_the_same_in_every_process(kind):
    code = (
        "import sys, json; from textlstm.text.tokenization import train_tokenizer; "
        f"print(train_tokenizer(json.load(sys.stdin), kind={kind!r}, vocab_size=600).backend_tokenizer.to_str())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    here = train_tokenizer(iter(TEXTS), kind=kind, vocab_size=600).backend_tokenizer.to_str()
    assert json.loads(answer.stdout) == json.loads(here)


def words(tokenizer, text):
    return tokenizer.tokenize(text)


def test_words_are_cut_for_classification():
    text = "I don't, it’s «well-made»!!!! In 1999 123456 [MAX 2 __init__ ภาษาที่ 我爱abc カナ 👍🏽❤️👨‍👩‍👧"
    word = train_tokenizer([text], min_frequency=1)
    assert words(word, text) == [
        *["i", "do", "n't", ",", "it", "'s", "«", "well", "-", "made", "»", "!!!", "!", "in", "1999", "1234", "56"],
        *["[", "max", "2", "__", "init", "__", "ภ", "า", "ษ", "า", "ที่", "我", "爱", "abc", "カ", "ナ"],
        *["👍", "🏽", "❤", "👨", "👩", "👧"],
    ]
    # Text that was cut by the rules of the Penn Treebank comes out the same.
    assert words(word, "I do n't , it 's") == words(word, "I don't, it's")
    assert words(train_tokenizer(["Film FILM"], min_frequency=1, lowercase=False), "FILM Film") == ["FILM", "Film"]
    assert words(word, "\ufb01 ＭＡＤＥ \u00adin") == [
        "<unk>",
        "made",
        "in",
    ]  # NFKC; a ligature, full width, soft hyphen


def test_special_tokens_in_a_text_are_text():
    word = train_tokenizer(["< pad > unk"], min_frequency=1)
    assert words(word, "<pad><unk>") == ["<", "pad", ">", "<", "unk", ">"]
    assert 0 not in encode(word, ["<pad>"], max_length=9).ids


def test_the_vocabulary_holds_what_the_data_needs():
    texts = ["a a a b b c"]
    assert set(train_tokenizer(texts, min_frequency=2).get_vocab()) == {"<pad>", "<unk>", "a", "b"}
    assert set(train_tokenizer(texts, min_frequency=1, vocab_size=3).get_vocab()) == {"<pad>", "<unk>", "a"}
    rich = train_tokenizer(TEXTS, kind="unigram", min_frequency=1, vocab_size=600)
    poor = train_tokenizer(TEXTS, kind="unigram", min_frequency=5, vocab_size=600)
    assert len(poor) < len(rich)
    assert 1 not in encode(poor, [text for text in TEXTS if text.strip()], max_length=99).ids


def test_a_long_text_without_spaces_is_learned_in_pieces():
    blob = "".join(chr(0x4E00 + i * 7919 % 5000) for i in range(20_000)) + "x" * 20_000
    for kind in KINDS:
        assert len(train_tokenizer([blob, "some words"] * 2, kind=kind, vocab_size=8000)) <= 8000


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"kind": "char"}, "kind"),
        ({"vocab_size": 2}, "vocab_size"),
        ({"kind": "bpe", "vocab_size": 200}, "258"),
        ({"min_frequency": 0}, "min_frequency"),
        ({"max_length": 0}, "max_length"),
    ],
)
def test_options_out_of_range_are_named(options, word):
    with pytest.raises(RecipeError, match=word):
        train_tokenizer(TEXTS, **options)


def test_texts_without_words_and_rows_without_text_are_data_errors():
    with pytest.raises(DataError, match="no words"):
        train_tokenizer(["", " "])
    with pytest.raises(DataError, match="at least 2 times"):
        train_tokenizer(["every word once"])
    with pytest.raises(DataError, match="Row 1 was to be a text and is None"):
        encode(train_tokenizer(TEXTS), ["a", None], max_length=9)
    with pytest.raises(DataError, match="Row 0"):
        train_tokenizer(pa.array([None, "b"]))


def bare_tokenizer(*, unk):
    vocabulary = {"[CLS]": 0, "[SEP]": 1, "good": 2, "film": 3} | ({"[UNK]": 4} if unk else {})
    backend = Tokenizer(models.WordLevel(vocabulary, **{"unk_token": "[UNK]"}))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 0), ("[SEP]", 1)])
    return backend


def test_a_reused_tokenizer_keeps_its_ways_and_gets_what_it_lacks(tmp_path, caplog):
    file = tmp_path / "tokenizer.json"
    bare_tokenizer(unk=True).save(str(file))
    tokenizer = load_tokenizer(file, max_length=5)
    assert tokenizer.unk_token_id == 4
    assert (tokenizer.pad_token_id, vocabulary_size(tokenizer)) == (5, 6)
    assert "5 -> 6" in caplog.text
    encoded = encode(tokenizer, ["good film", "", "bad", "good " * 9], max_length=5)
    assert [row.tolist() for row in encoded] == [[0, 2, 3, 1], [0, 1], [0, 4, 1], [0, 2, 2, 2, 1]]
    assert encoded.truncated == 1
    save_tokenizer(tokenizer, tmp_path / "again")
    caplog.clear()
    again = load_tokenizer(tmp_path / "again", max_length=5)
    assert (encode(again, ["good bad"], max_length=5).ids == [0, 2, 4, 1]).all()
    assert caplog.text == ""
    with pytest.raises(RecipeError, match="at least 3"):
        load_tokenizer(file, max_length=2)


def test_a_gpt2_like_tokenizer_gets_both_tokens(tmp_path):
    backend = train_tokenizer(TEXTS, kind="bpe", vocab_size=400).backend_tokenizer
    bare = Tokenizer(models.BPE(vocab={"a": 0, "b": 1, "ab": 2}, merges=[("a", "b")]))
    bare.pre_tokenizer = backend.pre_tokenizer
    PreTrainedTokenizerFast(tokenizer_object=bare).save_pretrained(tmp_path)
    tokenizer = load_tokenizer(tmp_path, max_length=8)
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id, vocabulary_size(tokenizer)) == (3, 4, 5)
    assert encode(tokenizer, ["ab", "zzz"], max_length=8)[1].tolist() == [4]  # nothing known: one unk


def test_a_place_without_a_tokenizer_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text("[1]")
    for place in ("empty", "broken.json", "other.json", "absent"):
        with pytest.raises(ModelError) as caught:
            load_tokenizer(tmp_path / place, max_length=8)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="some/where"):
        load_tokenizer("some/where", max_length=8)


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(
        st.one_of(st.text("aZ9 '’s!?.n't字好カハ\u3099ﾊﾞก\u0e34é\u0301\u200d\ufe0f👍\t\n\u00a0\u3000¨㍿"), st.text())
    )
)
def test_words_are_counted_as_the_word_tokenizer_cuts_them(texts):
    array = pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.large_string())
    trained = train_tokenizer(["a"], kind="word", min_frequency=1)
    expected = encode(trained, array, max_length=2**31 - 1).lengths
    assert count_words(array).tolist() == expected.tolist()
    assert count_words(pa.chunked_array([array, array])[len(array) :]).tolist() == expected.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_vocabulary_is_enough_and_one_less_is_refused(kind):
    smallest = SMALLEST_VOCABULARY[kind]
    with pytest.raises(RecipeError, match=f"at least {smallest}"):
        train_tokenizer(["a a a"], kind=kind, vocab_size=smallest - 1, min_frequency=1)
    if kind != "unigram":  # its trainer needs room for every letter it meets
        assert vocabulary_size(train_tokenizer(["a a a"], kind=kind, vocab_size=smallest, min_frequency=1)) == smallest
