"""Damaged files, each in several ways: named in one sentence with exit code 2, or made anew; never silently used."""

import json
import shutil

import pytest

DAMAGE = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "noise": lambda content: b"\x00\xff{" * 40,
    "other-kind": lambda content: b"[]",
}
damages = pytest.mark.parametrize("damage", DAMAGE)


def spoil(path, damage):
    path.write_bytes(DAMAGE[damage](path.read_bytes()))


@damages
@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_damaged_model_answers_nothing(model, tmp_path, fail, name, damage):
    shutil.copytree(model[0], tmp_path / "m")
    spoil(tmp_path / "m" / name, damage)
    said = fail(2, "predict", tmp_path / "m", "--input", "a good film")
    assert name in said or str(tmp_path / "m") in said


@damages
@pytest.mark.parametrize("name", ["result.json", "predictions.parquet"])
@pytest.mark.parametrize("command", ["run", "report"])
def test_a_damaged_cell_is_named_and_run_again_once_it_is_moved_away(
    folder, finished, tmp_path, fail, succeed, name, damage, command
):
    runs = tmp_path / "runs"
    shutil.copytree(finished[0], runs)
    cell = runs / "layers=2" / "size=20" / "seed=0"
    spoil(cell / name, damage)
    arguments = ["run", folder / "mine.yaml", "--out", runs, "--workers", "0", "--quiet"]
    said = fail(2, *(arguments if command == "run" else ["report", runs]))
    assert str(cell / name) in said
    if (command, damage) == ("run", "half"):
        shutil.move(cell, tmp_path / "aside")
        succeed(*arguments)
        again = cell / "predictions.parquet"
        assert again.read_bytes() == (finished[0] / again.relative_to(runs)).read_bytes()


@damages
def test_a_damaged_plan_is_named_by_report_and_written_anew_by_run(folder, finished, tmp_path, fail, succeed, damage):
    runs = tmp_path / "runs"
    shutil.copytree(finished[0], runs)
    spoil(runs / "plan.json", damage)
    for command in ("report", "status"):
        assert str(runs / "plan.json") in fail(2, command, runs)
    succeed("run", folder / "mine.yaml", "--out", runs, "--workers", "0", "--quiet")
    assert json.loads((runs / "plan.json").read_text())["cells"]


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_flipped_bit_in_predictions_is_noticed(finished, tmp_path, fail, place):
    runs = tmp_path / "runs"
    shutil.copytree(finished[0], runs)
    path = runs / "layers=2" / "size=20" / "seed=0" / "predictions.parquet"
    content = bytearray(path.read_bytes())
    body = len(content) - 8 - int.from_bytes(content[-8:-4], "little")  # in front of the description at the end
    content[4 + int(place * (body - 4))] ^= 16
    path.write_bytes(content)
    assert str(path) in fail(2, "report", runs)


@damages
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl", "json", "arrow"])
def test_damaged_data_is_named(folder, planted, tmp_path, fail, kind, damage):
    import pyarrow as pa

    from textlstm.text.reading import open_writer

    path = tmp_path / f"data.{kind}"
    texts, labels = planted(40, 3)
    with open_writer(path) as writer:
        writer.write(pa.record_batch({"text": texts, "label": labels}))
    if kind == "csv" and damage == "half":
        path.write_bytes(path.read_bytes() + b"cut,off,here\n")  # half a csv is a shorter csv
    else:
        spoil(path, damage)
    assert "data." in fail(2, "train", path, "--out", tmp_path / "m", "--quiet")


@damages
@pytest.mark.parametrize("kind", ["txt", "bin", "npy", "safetensors", "vec.gz"])
def test_damaged_vectors_are_named(folder, tmp_path, fail, kind, damage):
    import gzip

    path = tmp_path / f"vectors.{kind}"
    lines = "".join(f"word{number} {' '.join(['0.5'] * 8)}\n" for number in range(20))
    path.write_bytes(gzip.compress(lines.encode()) if kind == "vec.gz" else lines.encode())
    if (
        damage == "half"
    ):  # of a text file, half is a shorter one, whose last line is cut off: told, counted and left out
        path.write_bytes(b"word 0.5 0." if kind == "txt" else path.read_bytes()[:9])
    else:
        spoil(path, damage)
    said = fail(2, "train", folder / "train.csv", "--out", tmp_path / "m", "--embeddings", path, "--quiet")
    assert str(path) in said


@damages
def test_a_damaged_recipe_and_a_damaged_calibration_are_named(model, tmp_path, fail, damage):
    shutil.copytree(model[0], tmp_path / "m")
    (tmp_path / "m" / "calibration.json").write_text("{}" * 20)
    for name, command in (("calibration.json", ["predict", "--input", "x"]), ("recipe.yaml", ["rerun"])):
        spoil(tmp_path / "m" / name, damage)
        assert name in fail(2, command[0], tmp_path / "m", *command[1:])
