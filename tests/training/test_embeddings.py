"""Pretrained vectors in a run: the rows it starts from, what each key does to them, how training may change them."""

import numpy as np
import pytest
import torch

from textlstm.errors import RecipeError, RunFolderError
from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import serial
from textlstm.experiment.grid import plan_cells
from textlstm.experiment.runs import finished_run
from textlstm.experiment.shared_rows import MappedRows, rows_key
from textlstm.experiment.sweep import run_grid
from textlstm.training.embeddings import frozen_updates, update_settings
from textlstm.training.finetuning import train
from textlstm.training.preparation import prepare

HELD = "the a film story it was and of plot good bad".split()
LOST = "seen"
EXTRA = ["Zebra", "yak", "two words"]
WIDTH = 8
VECTORS = (np.random.default_rng(7).standard_normal((len(HELD) + len(EXTRA), WIDTH)) * 3 + 1).astype(np.float32)


def write(path, vectors=VECTORS):
    lines = [" ".join([word, *map(repr, row.tolist())]) for word, row in zip([*HELD, *EXTRA], vectors, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write(tmp_path_factory.mktemp("vectors") / "v.txt")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A tiny BERT with a tokenizer that knows letters."""
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    letters = "abcdefghijklmnopqrstuvwxyz"
    names = ["[PAD]", "[UNK]", *letters, *(f"##{letter}" for letter in letters)]
    backend = Tokenizer(models.WordPiece({name: row for row, name in enumerate(names)}, unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")
    tokenizer.save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(names), hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)


def rows_of(recipe, data):
    """The run's vectors by token, as they stand in its embeddings."""
    prepared = prepare(recipe, data)
    vocabulary = prepared.tokenizer.get_vocab()
    return {token: prepared.vectors.rows[row] for token, row in vocabulary.items()}, prepared


def embedding(trained):
    return trained.model.get_input_embeddings().weight.detach().numpy()


def test_each_words_row_is_its_vector_at_unit_variance(tiny_recipe, tiny_data, source):
    rows, prepared = rows_of(tiny_recipe({"embeddings.source": source}), tiny_data)
    used = VECTORS[: len(HELD)]
    for row, word in enumerate(HELD):
        assert rows[word] == pytest.approx(used[row] / used.std(), rel=1e-4)
    assert not prepared.vectors.rows[prepared.tokenizer.pad_token_id].any()
    assert rows[LOST].any()
    assert not any(np.array_equal(rows[LOST], rows[word]) for word in HELD)
    notes = "\n".join(prepared.vectors.notes)
    assert "14 vectors of 8" in notes
    assert "missed most: 'seen'" in notes


@pytest.mark.parametrize(
    ("change", "base"),
    [
        ({"embeddings.scale": None}, {}),
        ({"embeddings.scale": 0.3}, {}),
        ({"embeddings.missing": "zero"}, {}),
        ({"embeddings.missing": "mean"}, {}),
        ({"embeddings.projection": "random"}, {"model.embedding_size": 4}),
        ({"embeddings.pieces": "average"}, {"tokenizer.kind": "bpe", "tokenizer.vocab_size": 275}),
        ({"embeddings.extra_words": 13}, {}),
        ({"seed": 1}, {}),
    ],
)
def test_each_key_of_the_start_has_an_effect(tiny_recipe, tiny_data, source, change, base):
    base = {"embeddings.source": source, **base}
    before, after = (prepare(tiny_recipe({**base, **more}), tiny_data).vectors.rows for more in ({}, change))
    assert before.shape != after.shape or not np.allclose(before, after)


def test_what_is_missing_is_filled_as_asked(tiny_recipe, tiny_data, source):
    used = VECTORS[: len(HELD)] / VECTORS[: len(HELD)].std()
    filled = {
        way: rows_of(tiny_recipe({"embeddings.source": source, "embeddings.missing": way}), tiny_data)[0][LOST]
        for way in ("mean", "zero")
    }
    assert filled["mean"] == pytest.approx(used.mean(axis=0), rel=1e-4)
    assert not filled["zero"].any()


def test_extra_words_join_the_vocabulary_with_their_vectors(tiny_recipe, tiny_data, source):
    settings = {"embeddings.source": source, "embeddings.extra_words": len(HELD) + len(EXTRA), "embeddings.scale": None}
    rows, prepared = rows_of(tiny_recipe(settings), tiny_data)
    assert rows["zebra"] == pytest.approx(VECTORS[len(HELD)])  # the vocabulary is in lower case
    assert rows["yak"] == pytest.approx(VECTORS[len(HELD) + 1])
    assert "two words" not in rows  # no tokenizer would give it
    plain = prepare(tiny_recipe(), tiny_data)
    assert np.array_equal(prepared.encoded["test"].ids, plain.encoded["test"].ids)


def test_a_subword_vocabulary_is_composed_of_the_texts_words(tiny_recipe, tiny_data, source):
    settings = {"tokenizer.kind": "bpe", "tokenizer.vocab_size": 400, "embeddings.scale": None}
    recipe = tiny_recipe({"embeddings.source": source, **settings})
    prepared = prepare(recipe, tiny_data)
    backend = prepared.tokenizer.backend_tokenizer
    for row, word in enumerate(HELD):
        ids = backend.encode(f" {word}", add_special_tokens=False).ids
        if len(ids) == 1:  # what rebuilds it best is near it
            got, asked = prepared.vectors.rows[ids[0]], VECTORS[row]
            assert got @ asked > 0.9 * np.linalg.norm(got) * np.linalg.norm(asked)
    assert any("pieces put together from these words by least squares" in note for note in prepared.vectors.notes)


def test_distilled_rows_are_the_encoders_outputs_and_not_its_input_embeddings(tiny_recipe, tiny_data, encoder):
    base = {"embeddings.source": encoder}
    plain, distilled = (
        rows_of(tiny_recipe({**base, "embeddings.distill": asked}), tiny_data) for asked in (False, True)
    )
    assert not np.allclose(plain[0]["good"], distilled[0]["good"])
    assert "input embeddings of a model" in plain[1].vectors.notes[0]
    assert "outputs of an encoder, word by word" in distilled[1].vectors.notes[0]
    assert distilled[0][LOST].any()  # an encoder misses nothing
    settings = {**base, "embeddings.distill": True, "embeddings.missing": "zero"}
    rows, prepared = rows_of(tiny_recipe(settings), tiny_data)
    assert not rows[prepared.tokenizer.unk_token].any()  # but a special token is no word


def test_distillation_centers_reduces_and_weighs_by_frequency(encoder):
    from pathlib import Path

    from textlstm.inference.frozen_encoder import encode_frozen
    from textlstm.inference.static_table import distill_words

    words, counts = ["film", "bad", "good", "story", "plot", "seen"], np.array([1000, 1, 1, 1, 1, 1])
    table = distill_words(Path(encoder), words, counts, width=3, name="x").rows
    states = encode_frozen(Path(encoder), words, max_length=64)
    centered = states - states.mean(axis=0)
    _, _, directions = np.linalg.svd(centered, full_matrices=False)
    factor = 1e-3 / (1e-3 + counts / counts.sum())
    expected = np.abs(centered @ directions[:3].T) * factor[:, None]  # the sign of a direction is free
    assert np.abs(table) == pytest.approx(expected, abs=1e-5)


def test_vectors_are_the_same_at_every_depth(tiny_recipe, tiny_data, source):
    one, three = (tiny_recipe({"embeddings.source": source, "model.num_layers": layers}) for layers in (1, 3))
    assert np.array_equal(prepare(one, tiny_data).vectors.rows, prepare(three, tiny_data).vectors.rows)
    assert rows_key(one) == rows_key(three)


def test_what_training_does_with_the_rows_makes_no_other_rows(tiny_recipe, source):
    base = {"embeddings.source": source}
    same = [{}, {"embeddings.tuned": "never"}, {"embeddings.tuned": 2}, {"embeddings.learning_rate": 0.1}]
    other = [{"embeddings.missing": "zero"}, {"embeddings.scale": 2.0}, {"model.embedding_size": 4}]
    assert len({rows_key(tiny_recipe({**base, **change})) for change in same}) == 1
    assert len({rows_key(tiny_recipe({**base, **change})) for change in [{}, *other]}) == 4


def test_worker_processes_map_the_same_vectors(tiny_recipe, tiny_data, source, tmp_path):
    recipe = tiny_recipe({"embeddings.source": source})
    shared = MappedRows.share(tiny_data, tmp_path)
    ours, theirs = shared.prepared(recipe, prepare), prepare(recipe, tiny_data)
    assert np.array_equal(ours.vectors.rows, theirs.vectors.rows)
    assert (ours.vectors.digest, ours.vectors.notes) == (theirs.vectors.digest, theirs.vectors.notes)
    assert ours.fingerprint == theirs.fingerprint != prepare(tiny_recipe(), tiny_data).fingerprint
    assert shared.prepared(tiny_recipe(), prepare).vectors is None


def test_vectors_without_any_word_of_the_vocabulary_are_refused(tiny_recipe, tiny_data, tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("".join(f"mot{n} 1 2 3 4 5 6 7 8\n" for n in range(20)))
    with pytest.raises(RecipeError, match="holds a vector for none of the"):
        prepare(tiny_recipe({"embeddings.source": str(path)}), tiny_data)


def test_a_file_cannot_be_distilled(tiny_recipe, tiny_data, source):
    with pytest.raises(RecipeError, match=r"passes words through an encoder, and .* is a file"):
        prepare(tiny_recipe({"embeddings.source": source, "embeddings.distill": True}), tiny_data)


RUN = {"training.epochs": 3, "training.patience": None, "training.weight_averaging": 0.0, "data.score_test": False}


@pytest.fixture(scope="module")
def trained(tiny_recipe, tiny_data, source):
    """Runs by how the rows are tuned, made once."""
    runs = {}

    def get(**change):
        key = tuple(sorted(change.items()))
        if key not in runs:
            settings = {f"embeddings.{name}": value for name, value in change.items()}
            recipe = tiny_recipe({**RUN, "embeddings.source": source, **settings})
            prepared = prepare(recipe, tiny_data)
            runs[key] = train(recipe, prepared=prepared), prepared.vectors.rows
        return runs[key]

    return get


def test_frozen_rows_stay_to_the_last_bit_and_the_network_learns(trained):
    run, start = trained(tuned="never")
    assert np.array_equal(embedding(run), start)
    assert run.run.metrics["train"].accuracy.value > 0.8


def test_tuned_rows_move(trained):
    run, start = trained()
    assert not np.allclose(embedding(run), start)


def test_rows_tuned_after_an_epoch_are_frozen_until_then(trained):
    """The first epoch is that of a frozen run; the later ones are not."""
    frozen, _ = trained(tuned="never")
    late, start = trained(tuned=1)
    assert late.run.history[0] == frozen.run.history[0]
    assert late.run.history[-1].train_loss != frozen.run.history[-1].train_loss
    assert not np.allclose(embedding(late), start)


def test_rows_whose_turn_never_comes_stay(trained):
    run, start = trained(tuned=3)
    assert np.array_equal(embedding(run), start)


def test_their_own_rate_moves_the_rows_more_or_less(trained):
    moved = {}
    for rate in (1e-5, 1e-1):
        run, start = trained(learning_rate=rate)
        moved[rate] = np.abs(embedding(run) - start).max()
    assert moved[1e-5] < 0.01 * moved[1e-1]


def test_the_rate_of_the_rows_comes_from_the_vectors_part(tiny_recipe):
    recipe = tiny_recipe({"training.embedding_learning_rate": 0.3})
    part = recipe.embeddings
    assert update_settings(recipe.training, part) == recipe.training
    for change, rate in (({}, 0.3), ({"learning_rate": 0.1}, 0.1), ({"tuned": "never"}, 0.0)):
        given = part.model_copy(update={"source": "x", **change})
        assert update_settings(recipe.training, given).embedding_learning_rate == rate


def test_frozen_updates_end_with_an_epoch(tiny_recipe):
    part = tiny_recipe({"embeddings.source": "x"}).embeddings
    borders = np.array([4, 8, 12])
    counts = {tuned: frozen_updates(part.model_copy(update={"tuned": tuned}), borders) for tuned in ("always", 1, 2)}
    assert counts == {"always": 0, 1: 4, 2: 8}
    assert frozen_updates(part.model_copy(update={"tuned": 3}), borders) > 12
    assert frozen_updates(part.model_copy(update={"source": None, "tuned": 2}), borders) == 0


def test_a_grid_shares_vectors_and_notices_that_they_changed(tiny_recipe, tiny_data, tmp_path):
    source = write(tmp_path / "v.txt")
    recipe = tiny_recipe({"embeddings.source": source, "training.epochs": 1, "grid.layers": [1, 2], "grid.seeds": 1})
    cells = plan_cells(recipe)
    with TrainCell(tiny_data) as run_cell:
        runs = run_grid(recipe, tmp_path / "runs", run_cell=run_cell, executor=serial).runs
    digests = {run.data.vectors for run in runs}
    assert len(runs) == 2
    assert len(digests) == 1
    folder = tmp_path / "runs" / cells[0].path
    assert finished_run(folder, cells[0].recipe, data_fingerprint=tiny_data.fingerprint) is not None
    write(tmp_path / "v.txt", VECTORS + 1)
    with pytest.raises(RunFolderError, match="holds a run from other vectors"):
        finished_run(folder, cells[0].recipe, data_fingerprint=tiny_data.fingerprint)
