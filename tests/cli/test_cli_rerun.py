"""The command `rerun`: what it prints, and its exit codes."""

import json
import shutil

import pytest


def test_a_model_is_repeated_and_told_in_words_and_in_json(model, succeed, tmp_path):
    said = succeed("rerun", model[0], "--quiet")
    assert said.err == ""
    assert said.out.splitlines()[0].startswith("bit-equal: ")
    found = json.loads(succeed("rerun", model[0], "--json", "--out", tmp_path / "again").out)
    assert (found["verdict"], found["changed"]) == ("bit-equal", {})
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (model[0] / "model.safetensors").read_bytes()


def test_a_cell_of_a_grid_is_repeated(finished, succeed):
    cell = finished[0] / "layers=2" / "size=20" / "seed=0"
    assert succeed("rerun", cell).out.startswith("bit-equal: ")


def test_a_run_that_ends_elsewhere_has_exit_code_1(finished, invoke, tmp_path):
    first, other = (finished[0] / f"layers={layers}" / "size=20" / "seed=0" for layers in (1, 2))
    shutil.copytree(first, tmp_path / "run")
    shutil.copy(other / "predictions.parquet", tmp_path / "run")
    done = invoke("rerun", tmp_path / "run")
    assert done.code == 1
    assert done.out.startswith("different: ")


@pytest.mark.parametrize(("name", "words"), [("", "is a folder of 4; name one"), ("nowhere", "has none")])
def test_what_is_no_run_is_refused(finished, fail, name, words):
    assert words in fail(2, "rerun", finished[0] / name)
