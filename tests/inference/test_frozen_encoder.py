"""Frozen encoders: the mean over a text's own tokens, whatever the batch, from both kinds of folder."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModel, BertConfig, BertModel, PreTrainedTokenizerFast

from textlstm.errors import ModelError
from textlstm.inference.frozen_encoder import encode_frozen, encoder_digest, find_encoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "good", "bad", "film"]
SPECIAL = dict(zip(["pad_token", "unk_token", "cls_token", "sep_token"], WORDS, strict=False))
TEXTS = ["a good film", "bad", "a a a a bad film good good", "film unheard"]


def word_tokenizer():
    backend = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token=WORDS[1]))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return backend


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), **SPECIAL).save_pretrained(folder)
    return folder


def save_table(folder, *, name="embeddings", inner=".", normalize=None, **others):
    (folder / inner).mkdir(parents=True, exist_ok=True)
    table = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)
    save_file({name: table, **others}, folder / inner / "model.safetensors")
    word_tokenizer().save(str(folder / inner / "tokenizer.json"))
    if normalize is not None:
        (folder / "config.json").write_text(json.dumps({"normalize": normalize}))
    return table


def test_a_vector_is_the_mean_over_the_texts_own_states_in_any_batch(bert):
    model, tokenizer = AutoModel.from_pretrained(bert).eval(), word_tokenizer()
    vectors = encode_frozen(find_encoder(str(bert)), TEXTS, max_length=100)
    assert vectors.shape == (4, 8) and vectors.dtype == np.float32
    for text, vector in zip(TEXTS, vectors, strict=True):
        with torch.inference_mode():
            states = model(torch.tensor([tokenizer.encode(text).ids])).last_hidden_state[0]
        np.testing.assert_allclose(vector, states.mean(0).numpy(), atol=1e-5)
    alone = np.concatenate([encode_frozen(bert, [text], max_length=100) for text in TEXTS])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)


def test_the_first_state_is_taken_where_the_encoder_was_trained_so(bert, tmp_path):
    folder = tmp_path / "encoder"
    shutil.copytree(bert, folder)
    means = encode_frozen(folder, TEXTS, max_length=100)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    assert np.array_equal(encode_frozen(folder, TEXTS, max_length=100), means)
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    firsts = encode_frozen(folder, TEXTS, max_length=100)
    model, tokenizer = AutoModel.from_pretrained(bert).eval(), word_tokenizer()
    for text, vector in zip(TEXTS, firsts, strict=True):
        with torch.inference_mode():
            states = model(torch.tensor([tokenizer.encode(text).ids])).last_hidden_state[0]
        np.testing.assert_allclose(vector, states[0].numpy(), atol=1e-5)


def with_modules(bert, tmp_path, pooling, *further):
    """A folder as sentence-transformers writes one: modules, and settings of the pooling."""
    folder = tmp_path / "modules"
    shutil.copytree(bert, folder, dirs_exist_ok=True)
    kinds = ["Transformer", "Pooling", *further]
    modules = [{"idx": k, "path": f"{k}_{kind}" if k else "", "type": f"s.{kind}"} for k, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def test_both_forms_of_the_settings_of_sentence_transformers_mean_the_same(bert, tmp_path):
    """Version 6 writes "pooling_mode"; before, there was a truth value a mode."""
    vectors, digests = {}, {}
    for mode in ("mean", "cls"):
        older = {"pooling_mode_cls_token": mode == "cls", "pooling_mode_mean_tokens": mode == "mean"}
        for form, pooling in (("older", older), ("newer", {"pooling_mode": mode}), ("list", {"pooling_mode": [mode]})):
            folder = with_modules(bert, tmp_path, pooling, "Normalize")
            vectors[mode, form] = encode_frozen(folder, TEXTS, max_length=100)
            digests[mode, form] = encoder_digest(folder)
        assert np.array_equal(vectors[mode, "older"], vectors[mode, "newer"])
        assert np.array_equal(vectors[mode, "older"], vectors[mode, "list"])
    assert not np.allclose(vectors["mean", "newer"], vectors["cls", "newer"])
    assert len(set(digests.values())) == len(digests)


@pytest.mark.parametrize(
    ("pooling", "further", "words"),
    [
        ({"pooling_mode": "lasttoken"}, [], "pools by lasttoken"),
        ({"pooling_mode_max_tokens": True}, [], "pools by max,"),
        ({"pooling_mode": ["cls", "mean"]}, [], "pools by cls, mean"),
        ({"pooling_mode": "mean"}, ["Dense"], "a module 'Dense'"),
    ],
)
def test_vectors_that_are_made_in_another_way_are_refused_and_not_made_wrong(bert, tmp_path, pooling, further, words):
    folder = with_modules(bert, tmp_path, pooling, *further)
    with pytest.raises(ModelError, match=words):
        encode_frozen(folder, TEXTS, max_length=100)
    encoder_digest(folder)  # says nothing of it


def test_a_changed_vocabulary_is_another_encoder_where_it_is_no_part_of_a_tokenizer_json(tmp_path):
    folder = tmp_path / "e"
    folder.mkdir()
    save_file({"x": np.zeros((1, 1), np.float32)}, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("a\nb")
    before = encoder_digest(folder)
    (folder / "vocab.txt").write_text("b\na")
    assert encoder_digest(folder) != before


def test_a_long_text_is_cut_at_the_smaller_limit(bert):
    long = " ".join(["good"] * 50)
    cut = encode_frozen(bert, [long], max_length=100)  # the encoder itself reads 16
    np.testing.assert_allclose(cut, encode_frozen(bert, [" ".join(["good"] * 14)], max_length=100), atol=1e-6)
    short = encode_frozen(bert, [long], max_length=6)
    np.testing.assert_allclose(short, encode_frozen(bert, [" ".join(["good"] * 4)], max_length=100), atol=1e-6)
    assert not np.allclose(cut, short)


def test_the_number_of_threads_is_as_it_was(bert):
    before = torch.get_num_threads()
    encode_frozen(bert, TEXTS, max_length=8, threads=before + 1)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("name", "inner"), [("embeddings", "."), ("embedding.weight", "0_StaticEmbedding")])
def test_a_static_model_is_the_mean_of_its_rows(tmp_path, name, inner):
    table = save_table(tmp_path, name=name, inner=inner)
    vectors = encode_frozen(find_encoder(str(tmp_path)), [*TEXTS, "unheard of"], max_length=100)
    for text, vector in zip(TEXTS, vectors, strict=False):
        rows = [WORDS.index(word) for word in text.split() if word in WORDS]
        np.testing.assert_allclose(vector, table[rows].mean(0), rtol=1e-5)
    assert (vectors[4] == 0).all()


def test_weights_mapping_and_length_of_a_static_model_are_followed(tmp_path):
    weights = np.arange(len(WORDS), dtype=np.float32)
    mapping = np.array([0, 0, 0, 0, 7, 6, 5, 4])
    table = save_table(tmp_path, weights=weights, mapping=mapping, normalize=True)
    (vector,) = encode_frozen(tmp_path, ["a good film"], max_length=100)
    mean = (table[7] * 4 + table[6] * 5 + table[4] * 7) / 3
    np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), rtol=1e-5)


def test_other_weights_have_another_digest(tmp_path):
    save_table(tmp_path)
    first = encoder_digest(tmp_path)
    assert encoder_digest(tmp_path) == first
    save_table(tmp_path, weights=np.ones(len(WORDS), np.float32))
    assert encoder_digest(tmp_path) != first


def test_what_is_no_encoder_is_refused_with_a_reason(tmp_path):
    with pytest.raises(ModelError, match="has none"):
        find_encoder(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="neither"):
        encode_frozen(find_encoder(str(tmp_path)), TEXTS, max_length=8)
    word_tokenizer().save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelError, match="damaged"):
        encode_frozen(tmp_path, TEXTS, max_length=8)


def test_a_name_that_is_nothing_is_refused(tmp_path):
    with pytest.raises(ModelError, match="neither"):
        find_encoder(str(tmp_path / "nowhere" / "at" / "all"))
