"""The command `compare`: the recipe that it writes, its folder, and the sizes that it chooses."""


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


def test_compare_names_its_folder_after_the_data(folder, monkeypatch, succeed):
    monkeypatch.chdir(folder)
    said = succeed("compare", "train.csv", "--dry-run")
    assert said.out.splitlines()[0].strip() == "train"


def test_compare_chooses_sizes_by_the_data(folder, tmp_path, succeed):
    said = succeed("compare", folder / "train.csv", "--test", folder / "test.csv", "--dry-run", "--out", tmp_path / "x")
    assert "all labels" in said.out
    assert "100 labels" not in said.out
    assert not (tmp_path / "x").exists()
