"""The commands pretrain and find-rate, a start from an encoder at another depth, and a grid with and without one."""

import json

import pytest

SMALL = [
    *("--hidden", "8", "--layers", "2", "--threads", "1", "--set", "model.embedding_size=8"),
    *("--set", "tokenizer.min_frequency=1", "--set", "language_model.window=8"),
]


@pytest.fixture(scope="module")
def encoder(folder, tmp_path_factory, succeed):
    out = tmp_path_factory.mktemp("pretrained") / "encoder"
    return out, succeed("pretrain", folder / "train.csv", "--out", out, *SMALL)


def test_pretrain_says_what_it_read_and_how_well_it_predicts(encoder, fail, folder):
    out, done = encoder
    assert "texts" in done.out
    assert "Perplexity on texts kept out: forward" in done.out
    assert "update" in done.err
    assert json.loads((out / "pretraining.json").read_text())["texts"] == 60
    assert "finished encoder" in fail(2, "pretrain", folder / "train.csv", "--out", out, *SMALL)


def test_train_takes_shape_and_vocabulary_of_an_encoder_at_any_depth(encoder, succeed, folder, tmp_path):
    out, _ = encoder
    for layers in (1, 3):
        done = succeed(
            *("train", folder / "train.csv", "--out", tmp_path / str(layers), "--encoder", out),
            *("--layers", layers, "--epochs", "1", "--threads", "1"),
        )
        assert f"encoder {out}" in done.err
        config = json.loads((tmp_path / str(layers) / "config.json").read_text())
        assert (config["num_layers"], config["hidden_size"], config["embedding_size"]) == (layers, 8, 8)
        vocabularies = [
            json.loads((at / "tokenizer.json").read_text())["model"] for at in (out, tmp_path / str(layers))
        ]
        assert vocabularies[0] == vocabularies[1]


def test_a_grid_compares_depths_with_and_without_an_encoder(encoder, succeed, fail, folder, tmp_path):
    out, _ = encoder
    options = ["--set", "grid.sizes=[20]", "--set", f"grid.transfer.encoder=[null, '{out}']", "--workers", "0"]
    succeed("run", folder / "mine.yaml", "--out", tmp_path / "runs", *options)
    results = [json.loads(path.read_text()) for path in (tmp_path / "runs").rglob("result.json")]
    assert sorted((run["cell"]["layers"], run["data"]["encoder"] is not None) for run in results) == [
        (1, False),
        (1, True),
        (2, False),
        (2, True),
    ]
    before = (out / "model.safetensors").read_bytes()
    (out / "model.safetensors").write_bytes(before + b" ")
    try:
        words = fail(2, "run", folder / "mine.yaml", "--out", tmp_path / "runs", *options)
    finally:
        (out / "model.safetensors").write_bytes(before)
    assert "holds a run from another encoder" in words


def test_a_grid_refuses_an_encoder_that_has_read_its_test_texts_before_it_trains(encoder, fail, folder, tmp_path):
    """Without a test split, a grid holds some of the very rows out that the encoder has read."""
    out, _ = encoder
    options = ["--set", "data.test=null", "--set", f"grid.transfer.encoder=[null, '{out}']", "--workers", "0"]
    words = fail(2, "run", folder / "mine.yaml", "--out", tmp_path / "runs", *options)
    assert "of its 12 test texts; train it again without them: textlstm pretrain TEXT --set data.exclude=" in words
    assert not list(tmp_path.rglob("layers=*"))


def test_find_rate_names_a_rate_and_draws_it(succeed, fail, folder, tmp_path, tiny_options):
    shape = ["--hidden", "8", "--batch-size", "8", "--threads", "1", "--updates", "20"]
    done = succeed("find-rate", folder / "train.csv", "--out", tmp_path / "plots" / "rate.svg", *shape)
    assert "The loss fell fastest at" in done.out
    assert (tmp_path / "plots" / "rate.svg").read_text().startswith("<svg")
    found = json.loads(succeed("find-rate", folder / "train.csv", "--json", *shape).out)
    assert len(found["rates"]) == len(found["losses"]) <= 20
    assert ".svg" in fail(2, "find-rate", folder / "train.csv", "--out", tmp_path / "rate.png", *shape)
