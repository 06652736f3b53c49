"""Pretrained vectors on the command line: named in one option, told what they cover, refused in a sentence."""

import json

import numpy as np
import pytest
import yaml

WORDS = "the a film story it was and of plot good bad".split()
OPTIONS = "--hidden 8 --epochs 1 --batch-size 8 --threads 1 --set tokenizer.min_frequency=1".split()


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors") / "glove.txt"
    rows = np.random.default_rng(0).standard_normal((len(WORDS), 6))
    lines = [" ".join([word, *map(str, row)]) for word, row in zip(WORDS, rows, strict=True)]
    path.write_text("\n".join([*lines, "broken 1 2"]) + "\n")
    return path


def test_train_takes_vectors_and_their_width_and_says_what_they_cover(folder, tmp_path, vectors, succeed):
    out = tmp_path / "model"
    done = succeed("train", folder / "train.csv", "--out", out, "--embeddings", vectors, *OPTIONS)
    assert json.loads((out / "config.json").read_text())["embedding_size"] == 6
    assert "11 vectors of 6" in done.err
    assert "1 x wrong number of values (line 12)" in done.err
    assert "have vectors (exact 11)" in done.err
    assert "missed most: 'seen'" in done.err


def test_check_shows_the_coverage_of_each_split(folder, vectors, succeed):
    given = ["check", folder / "train.csv", "--test", folder / "test.csv", "--embeddings", vectors]
    shown = succeed(*given).out
    assert "pretrained vectors: " in shown
    assert shown.count("missed most: 'seen'") == 2
    facts = json.loads(succeed(*given, "--json").out)["embeddings"]
    assert facts["train"]["types"] == facts["train"]["types_found"] + 1
    assert facts["train"]["tokens_found"] < facts["train"]["tokens"]
    assert [miss["word"] for miss in facts["test"]["misses"]] == ["seen"]
    assert "wrong number of values" in facts["notes"][1]


@pytest.mark.parametrize("command", ["train", "check", "compare"])
def test_vectors_that_are_not_there_are_an_error_of_one_sentence(folder, tmp_path, command, fail):
    out = [] if command == "check" else ["--out", tmp_path / "out"]
    said = fail(2, command, folder / "train.csv", *out, "--embeddings", "./nowhere.txt")
    assert "there is nothing at './nowhere.txt'" in said


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["embeddings.source=./nowhere.txt"], "there is nothing at './nowhere.txt'"),
        (["embeddings.source=VECTORS", "embeddings.projection=none"], "have 6 values and model.embedding_size is 8"),
        (["embeddings.source=VECTORS", "embeddings.distill=true"], "passes words through an encoder"),
        (["embeddings.source=VECTORS", "embeddings.tuned=sometimes"], "embeddings.tuned"),
    ],
)
def test_a_grid_refuses_vectors_before_it_trains(folder, tmp_path, vectors, fail, settings, words):
    chosen = [part for setting in settings for part in ("--set", setting.replace("VECTORS", str(vectors)))]
    assert words in fail(2, "run", folder / "mine.yaml", "--out", tmp_path / "runs", *chosen)
    assert not list(tmp_path.rglob("layers=*"))


def test_a_grid_takes_vectors_by_set(folder, tmp_path, vectors, succeed):
    settings = ["embeddings.source=" + str(vectors), "embeddings.tuned=never", "grid.layers=[1]", "grid.sizes=[20]"]
    chosen = [part for setting in settings for part in ("--set", setting)]
    out = tmp_path / "runs"
    succeed("run", folder / "mine.yaml", "--out", out, "--workers", "0", *chosen)
    (result,) = out.rglob("result.json")
    kept = yaml.safe_load((result.parent / "recipe.yaml").read_text())["embeddings"]
    assert (kept["source"], kept["tuned"]) == (str(vectors), "never")
    assert json.loads(result.read_text())["data"]["vectors"]
    again = succeed("run", folder / "mine.yaml", "--out", out, "--workers", "0", *chosen)
    assert again.code == 0


def test_depths_with_vectors_by_set_come_without_them_too_and_the_report_compares_both(
    folder, tmp_path, vectors, succeed
):
    settings = [f"embeddings.source={vectors}", "grid.sizes=[20]", "grid.seeds=2"]
    chosen = [part for setting in settings for part in ("--set", setting)]
    out = tmp_path / "runs"
    done = succeed("run", folder / "mine.yaml", "--out", out, "--workers", "0", *chosen)
    assert "Depths are compared with embeddings.source and without" in done.err
    runs = [json.loads(path.read_text()) for path in out.rglob("result.json")]
    places = sorted((run["cell"]["layers"], run["data"]["vectors"] is not None) for run in runs)
    assert places == sorted([(1, False), (1, True), (2, False), (2, True)] * 2)
    assert "Without pretrained vectors, 2 layers gain" in done.out
    assert "1 layer with pretrained vectors against 2 layers without:" in done.out.replace("\n", " ")
    report = (out / "report.md").read_text()
    assert "## With and without transfer" in report
    assert f"fixed width, embeddings.source={vectors.name}" in report.replace("\\_", "_")
    assert "Depths are compared" in succeed("run", folder / "mine.yaml", "--out", out, "--workers", "0", *chosen).err
