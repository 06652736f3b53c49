"""The command `compare`: the recipe that it writes, its folder, and the sizes that it chooses."""

from textlstm.errors import DataError


def test_compare_writes_a_recipe_and_runs_it(folder, tmp_path, succeed, fail):
    given = ["compare", folder / "train.csv", "--test", folder / "test.csv", "--out", tmp_path / "mine"]
    small = ["--set", "model.embedding_size=8", "--set", "training.min_updates=0", "--set", "tokenizer.min_frequency=1"]
    axes = ["--layers", "1-2", "--sizes", "20,full", "--seeds", "1", "--hidden", "8", "--workers", "0", "--epochs", "1"]
    done = succeed(*given, *axes, *small)
    for name in ("majority", "tfidf", "bag", "one_directional"):
        assert name in done.out
    assert len(list((tmp_path / "mine").rglob("layers=2/**/result.json"))) == 2
    again = succeed("run", tmp_path / "mine" / "compare.yaml", "--out", tmp_path / "mine", "--workers", "0")
    assert again.err.count("kept from before") == 8
    assert again.out == done.out
    assert "--layers takes whole numbers" in fail(2, *given, "--layers", "four")
    assert "--sizes takes numbers" in fail(2, *given, "--sizes", "many")


def test_an_encoder_is_a_baseline_and_not_what_stacks_start_from(folder, tmp_path, monkeypatch, fail):
    """It has no shape of a stack; before, compare and advise read one from its settings."""
    found = []

    def stop(recipe):
        found.append(recipe)
        raise DataError("seen.")

    monkeypatch.setattr("textlstm.text.protocol.load_recipe_data", stop)
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text('{"model_type": "bert", "num_hidden_layers": 6}')
    for name in ("model.safetensors", "tokenizer.json"):
        (encoder / name).write_bytes(b"")
    for command in ("compare", "advise"):
        given = [folder / "train.csv", "--encoder", encoder, "--tokenizer", "bpe", "--out", tmp_path / command]
        assert fail(2, command, *given).strip() == "seen."
    assert [recipe.transfer.encoder for recipe in found] == [None, None]
    assert [recipe.tokenizer.kind for recipe in found] == ["bpe", "bpe"]
    assert found[0].grid.encoder == str(encoder)


def test_compare_names_its_folder_after_the_data(folder, monkeypatch, succeed):
    monkeypatch.chdir(folder)
    said = succeed("compare", "train.csv", "--dry-run")
    assert said.out.splitlines()[0].strip() == "train"


def test_compare_chooses_sizes_by_the_data(folder, tmp_path, succeed):
    said = succeed("compare", folder / "train.csv", "--test", folder / "test.csv", "--dry-run", "--out", tmp_path / "x")
    assert "all labels" in said.out
    assert "100 labels" not in said.out
    assert not (tmp_path / "x").exists()
