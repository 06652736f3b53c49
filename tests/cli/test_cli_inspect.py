"""`textlstm inspect` and `train --watch` from the command line: what is said and written, and errors."""

import json

import pytest


@pytest.fixture(scope="session")
def watched(folder, succeed, tiny_options):
    """A model whose training was watched, with what the command said."""
    given = ["--test", folder / "test.csv", "--watch", *tiny_options]
    return folder / "watched", succeed("train", folder / "train.csv", "--out", folder / "watched", *given)


def test_watching_is_noted_with_its_share_and_shown(watched, folder, succeed, tmp_path):
    path, said = watched
    assert (path / "gradients.json").is_file()
    assert "watching took" in said.err and "% of the time of training" in said.err
    done = succeed("inspect", path, folder / "test.csv", "--parts", "reach", "--out", tmp_path, "--json", "--quick")
    found = json.loads(done.out)
    assert list(found["training"]["watched"]["moments"]) == ["start", "middle", "end"]
    assert 0 < found["training"]["watched"]["watching"]
    assert "Gradient norms in training, by part" in (tmp_path / "inspect.html").read_text()


def test_a_summary_is_printed_and_page_and_values_are_written(model, folder, succeed, tmp_path):
    out = tmp_path / "looked"
    done = succeed("inspect", model[0], folder / "train.csv", "--out", out, "--quick", "--texts", "2")
    for words in ("Level by level", "embeddings", "layer 1", "gain to the top", "Page: ", "Not looked at"):
        assert words in done.out
    assert "gradient reach" in done.err  # the parts as they begin
    values = json.loads((out / "inspect.json").read_text())
    assert values["data"]["rows"] == 60
    assert len(values["words"]["texts"]) == 2
    page = (out / "inspect.html").read_text()
    assert "Findings" in page and "Words behind predictions" in page


def test_json_is_all_that_stands_on_stdout_and_quiet_says_nothing_else(model, folder, succeed, tmp_path):
    options = ["--parts", "memory", "--out", tmp_path, "--json", "--quiet"]
    done = succeed("inspect", model[0], folder / "test.csv", *options)
    assert json.loads(done.out)["gates"]
    assert done.err == ""


def test_own_texts_are_explained(model, folder, succeed, tmp_path):
    options = ["--parts", "words", "--input", "a good film", "--quick", "--json", "--out", tmp_path]
    found = json.loads(succeed("inspect", model[0], folder / "test.csv", *options).out)
    assert [text["text"] for text in found["words"]["texts"]] == ["a good film"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--parts", "memory,magic"], "Parts of an inspection are reach, memory"),
        (["--split", "nowhere"], "nowhere"),
        (["--parts", "depth"], "takes two classes with 10 texts each"),
        (["--text-column", "title"], "title"),
        (["--remedy", "model.join=residual"], "add --try-remedy 3"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_user_can_get_wrong_is_one_sentence(model, folder, fail, tmp_path, options, words):
    assert words in fail(2, "inspect", model[0], folder / "test.csv", "--out", tmp_path, "--quick", *options)


def test_a_folder_without_a_model_and_a_model_without_its_recipe(model, folder, fail, tmp_path):
    assert "train.csv" in fail(2, "inspect", folder / "train.csv", folder / "test.csv", "--out", tmp_path)
    (tmp_path / "empty").mkdir()
    fail(2, "inspect", tmp_path / "empty", folder / "test.csv", "--out", tmp_path)
    assert "is a file" in fail(2, "inspect", model[0], folder / "test.csv", "--out", folder / "test.csv")


def test_no_layers_leave_nothing_to_watch(folder, fail, tmp_path, tiny_options):
    given = ["--layers", "0", "--pooling", "mean", "--watch", *tiny_options]
    words = fail(2, "train", folder / "train.csv", "--out", tmp_path / "bag", *given)
    assert "leave --watch out" in words


def test_a_stack_of_no_layers_is_looked_at_as_far_as_it_goes(folder, succeed, tmp_path, tiny_options):
    given = ["--layers", "0", "--pooling", "mean", *tiny_options]
    succeed("train", folder / "train.csv", "--out", tmp_path / "bag", *given)
    done = succeed("inspect", tmp_path / "bag", folder / "train.csv", "--out", tmp_path / "looked", "--quick")
    assert "Gradient reach is measured between layers, and this model has none" in done.out
    assert (tmp_path / "looked" / "inspect.html").is_file()
