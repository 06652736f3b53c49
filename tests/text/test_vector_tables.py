"""Tables with a vocabulary beside them: the row of each word, pieces put together, and what does not go together."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from textlstm.errors import DataError
from textlstm.text.vector_lookup import word_pieces
from textlstm.text.vectors import piece_vectors, read_vectors, source_words, vector_width
from textlstm.text.word_matching import MISSING, PIECES

WORDS = ["the", "film", "Paris", "naïve", "##ing"]
ROWS = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
PIECE_NAMES = ["[UNK]", "play", "##ing", "##ed", "film", "a", "##b"]


def save_npy(folder, rows=ROWS):
    np.save(folder / "v.npy", rows)
    return folder / "v.npy"


def save_npz(folder, rows=ROWS):
    np.savez(folder / "v.npz", rows=rows, words=np.array(WORDS))
    return folder / "v.npz"


def save_tensors(folder, rows=ROWS):
    save_file({"embedding.weight": rows, "position.weight": np.zeros((2, 2), np.float32)}, folder / "v.safetensors")
    return folder / "v.safetensors"


def wordpiece():
    backend = Tokenizer(models.WordPiece({name: row for row, name in enumerate(PIECE_NAMES)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return backend


def test_a_header_that_an_old_python_wrote_is_read_without_a_remark(tmp_path):
    """Python 2 wrote long integers as 3L; numpy reads them, and warns."""
    path = save_npy(tmp_path)
    shape = f"({len(WORDS)}, ".encode()
    path.write_bytes(path.read_bytes().replace(shape, shape[:-2] + b"L,", 1))
    assert b"L," in path.read_bytes()[:80]
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    assert np.array_equal(read_vectors(str(path), WORDS).rows, ROWS)


@pytest.mark.parametrize("save", [save_npy, save_npz, save_tensors])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_a_words_vector_is_its_row(tmp_path, save, dtype):
    source = str(save(tmp_path, ROWS.astype(dtype)))
    (tmp_path / "v.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    found = read_vectors(source, ["naïve", "nowhere", "the", "paris"])
    assert found.rows[[0, 2, 3]].tolist() == ROWS.astype(dtype).astype(np.float32)[[3, 0, 2]].tolist()
    assert found.ranks[1] == MISSING
    assert not found.rows[1].any()
    assert (vector_width(source), source_words(source, 2)) == (3, WORDS[:2])
    assert found.report.words == 5


def test_bfloat16_is_read(tmp_path):
    import torch
    from safetensors.torch import save_file as save_torch

    rows = torch.tensor(ROWS).to(torch.bfloat16)
    save_torch({"embeddings": rows}, tmp_path / "v.safetensors")
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    assert np.array_equal(read_vectors(str(tmp_path / "v.safetensors"), WORDS).rows, rows.float().numpy())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("v.txt", "\n".join(WORDS)),
        ("v.vocab.txt", "\n".join(WORDS) + "\n"),
        ("v.json", json.dumps(WORDS)),
        ("vocab.json", json.dumps({word: row for row, word in enumerate(WORDS)})),
        ("words.txt", "\n".join(WORDS)),
    ],
)
def test_the_vocabulary_is_found_under_each_of_its_names(tmp_path, name, content):
    (tmp_path / name).write_text(content, "utf-8")
    assert np.array_equal(read_vectors(str(save_npy(tmp_path)), WORDS).rows, ROWS)


@pytest.mark.parametrize(
    ("rows", "words", "message"),
    [
        (ROWS, None, "rows without words; put the words beside it"),
        (ROWS, "the\nfilm\n", "5 rows and its vocabulary 2 words"),
        (ROWS[0], "the\n", "should hold a matrix of floating-point numbers"),
        (np.arange(10).reshape(5, 2), "\n".join(WORDS), "should hold a matrix of floating-point numbers"),
    ],
)
def test_rows_and_words_that_do_not_go_together_are_refused(tmp_path, rows, words, message):
    if words is not None:
        (tmp_path / "v.txt").write_text(words)
    with pytest.raises(DataError, match=message):
        read_vectors(str(save_npy(tmp_path, rows)), ["the"])


def test_arrays_of_objects_are_pickles_and_not_read(tmp_path):
    np.save(tmp_path / "v.npy", np.array([{"the": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "v.npz", rows=ROWS, words=np.array(WORDS, dtype=object))
    for name in ("v.npy", "v.npz"):
        with pytest.raises(DataError, match="Python objects"):
            read_vectors(str(tmp_path / name), ["the"])


def test_a_damaged_safetensors_file_is_refused(tmp_path):
    path = save_tensors(tmp_path)
    path.write_bytes(path.read_bytes()[:-4])
    (tmp_path / "v.txt").write_text("\n".join(WORDS))
    with pytest.raises(DataError, match="is damaged"):
        read_vectors(str(path), ["the"])


def test_a_table_inside_an_archive_is_to_be_unpacked(tmp_path):
    import gzip

    path = tmp_path / "v.npy.gz"
    path.write_bytes(gzip.compress(save_npy(tmp_path).read_bytes()))
    with pytest.raises(DataError, match="table inside an archive; unpack it"):
        read_vectors(str(path), ["the"])


def save_model(folder, rows, backend, **more):
    save_file({"embeddings": rows, **more}, folder / "model.safetensors")
    backend.save(str(folder / "tokenizer.json"))
    return str(folder)


def test_a_word_is_the_mean_of_its_pieces_and_a_piece_is_its_row(tmp_path):
    rows = np.random.default_rng(1).standard_normal((7, 4)).astype(np.float32)
    source = save_model(tmp_path, rows, wordpiece())
    found = read_vectors(source, ["film", "playing", "abb", "Films?", "xyz", "FILM"])
    assert found.rows[0].tolist() == rows[4].tolist() == found.rows[5].tolist()
    assert found.rows[1] == pytest.approx(rows[[1, 2]].mean(axis=0), abs=1e-6)
    assert found.rows[2] == pytest.approx(rows[[5, 6, 6]].mean(axis=0), abs=1e-6)
    assert found.ranks.tolist() == [0, PIECES, PIECES, MISSING, MISSING, 0]
    same = piece_vectors(source, PIECE_NAMES)
    assert np.array_equal(same.rows, rows)
    assert piece_vectors(source, [f"other{n}" for n in range(50)]) is None
    assert source_words(source, 9) == ["play", "film", "a"]


def test_weights_and_shared_rows_of_a_static_model_count(tmp_path):
    rng = np.random.default_rng(2)
    rows, weights = rng.standard_normal((3, 4)).astype(np.float32), rng.random(7).astype(np.float32)
    mapping = np.array([0, 1, 2, 0, 1, 2, 0], dtype=np.int32)
    source = save_model(tmp_path, rows, wordpiece(), weights=weights, mapping=mapping)
    full = rows[mapping] * weights[:, None]
    found = read_vectors(source, ["film", "playing"])
    assert found.rows == pytest.approx(np.stack([full[4], full[[1, 2]].mean(axis=0)]), abs=1e-6)
    assert piece_vectors(source, PIECE_NAMES).rows == pytest.approx(full, abs=1e-6)


def test_a_model2vec_model_gives_what_its_library_gives(tmp_path):
    model2vec = pytest.importorskip("model2vec")
    rows = np.random.default_rng(3).standard_normal((7, 4)).astype(np.float32)
    model = model2vec.StaticModel(rows, wordpiece(), weights=np.linspace(0.1, 1, 7).astype(np.float32))
    model.save_pretrained(tmp_path / "static")
    words = ["film", "playing", "abb", "played"]
    assert read_vectors(str(tmp_path / "static"), words).rows == pytest.approx(model.encode(words), abs=1e-5)


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    source = save_model(tmp_path, ROWS[:2], wordpiece())
    with pytest.raises(DataError, match="they are not of one model"):
        read_vectors(source, ["film"])


@pytest.mark.parametrize(
    ("rows", "more"),
    [
        (6, {}),
        (7, {"weights": np.ones(6, dtype=np.float32)}),
        (3, {"mapping": np.array([0, 1, 2, 0, 1, 2], dtype=np.int32)}),
        (3, {"mapping": np.array([0, 1, 2, 0, 1, 2, 3], dtype=np.int64)}),
        (3, {"mapping": np.array([0, 1, 2, 0, 1, 2, -1], dtype=np.int64)}),
    ],
)
def test_a_piece_that_a_table_lacks_has_no_row_and_breaks_no_word_beside_it(tmp_path, rows, more):
    table = np.random.default_rng(5).standard_normal((rows, 4)).astype(np.float32)
    source = save_model(tmp_path, table, wordpiece(), **more)
    same = piece_vectors(source, PIECE_NAMES)
    assert same.ranks.tolist() == [0] * 6 + [MISSING]
    assert np.array_equal(same.rows[:6], table[more["mapping"][:6] if "mapping" in more else slice(6)])
    assert not same.rows[6].any()
    assert read_vectors(source, ["film"]).ranks.tolist() == [0]
    with pytest.raises(DataError, match="lacks piece 6; they are not of one model"):
        read_vectors(source, ["abb"])


@pytest.mark.parametrize("kind", ["BertModel", "GPT2Model", "T5EncoderModel", "DistilBertModel"])
def test_the_input_embeddings_of_a_transformer_are_the_models_own(tmp_path, kind):
    import transformers

    configs = {
        "BertModel": transformers.BertConfig(vocab_size=9, hidden_size=8, num_attention_heads=2, intermediate_size=8),
        "GPT2Model": transformers.GPT2Config(vocab_size=9, n_embd=8, n_head=2, n_layer=1, n_positions=11),
        "T5EncoderModel": transformers.T5Config(vocab_size=9, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2),
        "DistilBertModel": transformers.DistilBertConfig(vocab_size=9, dim=8, n_layers=1, n_heads=2, hidden_dim=8),
    }
    model = getattr(transformers, kind)(configs[kind])
    model.save_pretrained(tmp_path)
    wordpiece().save(str(tmp_path / "tokenizer.json"))
    expected = model.get_input_embeddings().weight.detach().numpy()[:7]
    found = read_vectors(str(tmp_path), ["film", "a"])
    assert np.array_equal(found.rows, expected[[4, 5]])
    assert "input embeddings of a model" in found.report.format
    assert np.array_equal(piece_vectors(str(tmp_path), PIECE_NAMES).rows, expected)


def test_a_static_module_of_sentence_transformers_is_read(tmp_path):
    rows = np.random.default_rng(4).standard_normal((7, 4)).astype(np.float32)
    inner = tmp_path / "0_StaticEmbedding"
    inner.mkdir()
    (tmp_path / "config_sentence_transformers.json").write_text("{}")
    save_file({"embedding.weight": rows}, inner / "model.safetensors")
    wordpiece().save(str(inner / "tokenizer.json"))
    assert read_vectors(str(tmp_path), ["film"]).rows.tolist() == rows[[4]].tolist()


def test_weights_in_several_files_are_one_model(tmp_path):
    rows = np.random.default_rng(5).standard_normal((7, 4)).astype(np.float32)
    save_file({"layer.weight": rows[:2]}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"model.embed_tokens.weight": rows}, tmp_path / "model-00002-of-00002.safetensors")
    wordpiece().save(str(tmp_path / "tokenizer.json"))
    assert read_vectors(str(tmp_path), ["film"]).rows.tolist() == rows[[4]].tolist()


def test_a_model_without_known_input_embeddings_is_refused_by_what_it_holds(tmp_path):
    save_file({"a.weight": ROWS, "b.weight": ROWS}, tmp_path / "model.safetensors")
    wordpiece().save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(DataError, match=r"should hold input embeddings.*holds a.weight, b.weight"):
        read_vectors(str(tmp_path), ["film"])


def test_a_folder_without_safetensors_is_refused(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(DataError, match="pickled weights are not read"):
        read_vectors(str(tmp_path), ["the"])


@pytest.mark.parametrize("kind", ["bpe", "unigram", "wordpiece"])
def test_words_are_cut_as_inside_a_text(kind):
    from textlstm.text.tokenization import train_tokenizer

    texts = ["the film was playing in paris", "a film of the plays"] * 30
    backend = train_tokenizer(texts, kind=kind, vocab_size=300, min_frequency=1).backend_tokenizer
    inner = backend.encode("the film", add_special_tokens=False)
    start = next(place for place, (begin, _) in enumerate(inner.offsets) if begin >= 3)
    assert word_pieces(backend, ["film"]) == [inner.ids[start:]]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e60])
def test_a_needed_row_that_is_no_vector_of_32_bits_is_refused_and_others_do_no_harm(tmp_path, value):
    rows = ROWS.astype(np.float64)
    rows[1, 0] = value
    path = str(save_npy(tmp_path, rows))
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    with pytest.raises(DataError, match="1 of its vectors that are needed here do not, row 1 "):
        read_vectors(path, WORDS)
    assert np.array_equal(read_vectors(path, WORDS[:1]).rows, ROWS[:1])
