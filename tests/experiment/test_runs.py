"""A folder of runs: whole or not there, kept when finished, refused when it is of something else."""

import json
import shutil

import pytest

from textlstm.errors import RunFolderError
from textlstm.experiment.runs import finished_run, read_runs
from textlstm.inference.model_files import weights_digest
from textlstm.recipe_files import load_recipe
from textlstm.results import RESULT_FILE, read_predictions, read_run, write_run
from textlstm.text.vectors import source_digest
from textlstm.training.same_models import teacher_content


def written(folder, recipe, make_run, make_predictions, **options):
    run = make_run(recipe, **options)
    write_run(folder, run, make_predictions(), recipe.to_yaml())
    return run


def test_what_is_written_is_what_is_read(tmp_path, tiny_recipe, make_run, make_predictions):
    recipe = tiny_recipe({"model.num_layers": 2, "grid.layers": [2]})
    run = written(tmp_path / "a" / "b", recipe, make_run, make_predictions)
    folder = tmp_path / "a" / "b"
    assert read_run(folder) == finished_run(folder, recipe) == run
    assert load_recipe(folder / "recipe.yaml") == recipe
    assert json.loads((folder / "environment.json").read_text()) == run.environment
    for name, table in make_predictions().items():
        assert read_predictions(folder, name).to_pydict() == table.to_pydict()
    assert {path.name for path in folder.iterdir()} == {
        "recipe.yaml",
        "environment.json",
        "predictions.parquet",
        "result.json",
    }


@pytest.mark.parametrize("survivors", range(4))
def test_a_write_cut_off_anywhere_leaves_an_unfinished_folder_that_can_be_written_again(
    tmp_path, tiny_recipe, make_run, make_predictions, monkeypatch, survivors
):
    recipe = tiny_recipe()
    replaced = []

    def cut_off(self, target):
        if len(replaced) == survivors:
            raise KeyboardInterrupt
        replaced.append(target)
        return rename(self, target)

    from pathlib import Path

    rename = Path.replace
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", cut_off)
        with pytest.raises(KeyboardInterrupt):
            written(tmp_path, recipe, make_run, make_predictions)
    assert finished_run(tmp_path, recipe) is None
    (tmp_path / "result.json.123-0.partial").write_text("{")  # what a process leaves that was killed in the write
    assert finished_run(tmp_path, recipe) is None
    run = written(tmp_path, recipe, make_run, make_predictions)
    assert finished_run(tmp_path, recipe) == run
    assert [path.name for path in tmp_path.glob("*.partial")] == ["result.json.123-0.partial"]  # not ours to remove


def test_an_absent_or_empty_folder_is_unfinished(tmp_path, tiny_recipe):
    assert finished_run(tmp_path, tiny_recipe()) is None
    assert finished_run(tmp_path / "absent", tiny_recipe()) is None


def test_a_changed_recipe_is_refused_by_naming_the_keys(tmp_path, tiny_recipe, make_run, make_predictions):
    written(tmp_path, tiny_recipe(), make_run, make_predictions)
    changed = tiny_recipe({"training.learning_rate": 0.5, "model.pooling": "mean", "name": "other", "data.mirror": "m"})
    with pytest.raises(RunFolderError) as caught:
        finished_run(tmp_path, changed)
    text = str(caught.value)
    assert "(model.pooling was 'max', is 'mean'; training.learning_rate was 0.02, is 0.5)" in text
    assert "--out" in text


def test_what_cannot_change_a_result_does_not_matter(tmp_path, tiny_recipe, make_run, make_predictions):
    run = written(tmp_path, tiny_recipe(), make_run, make_predictions)
    same = tiny_recipe({"name": "other", "grid.seeds": 7, "preview": True, "data.mirror": "m", "trackers": ["wandb"]})
    assert finished_run(tmp_path, same) == run


def test_a_default_that_moved_between_versions_is_a_change(tmp_path, tiny_recipe, make_run, make_predictions):
    """Fingerprints leave defaults out, so they would not see it; the stored values do."""
    recipe = tiny_recipe()
    run = make_run(recipe)
    settings = {**run.settings, "training": {**run.settings["training"], "weight_decay": 0.777}}
    write_run(tmp_path, run.model_copy(update={"settings": settings}), make_predictions(), recipe.to_yaml())
    with pytest.raises(RunFolderError, match=r"training\.weight_decay was 0\.777"):
        finished_run(tmp_path, recipe)


def test_other_data_is_refused(tmp_path, tiny_recipe, make_run, make_predictions):
    run = written(tmp_path, tiny_recipe(), make_run, make_predictions, fingerprint="a" * 16)
    assert finished_run(tmp_path, tiny_recipe(), data_fingerprint="a" * 16) == run
    assert finished_run(tmp_path, tiny_recipe()) == run
    with pytest.raises(RunFolderError, match=r"on other data: here had fingerprint a{16} and has b{16} now"):
        finished_run(tmp_path, tiny_recipe(), data_fingerprint="b" * 16)


def with_use(run, **use):
    return run.model_copy(update={"data": run.data.model_copy(update=use)})


def test_other_vectors_are_refused_and_absent_ones_are_not_missed(tmp_path, tiny_recipe, make_run, make_predictions):
    path = tmp_path / "words.vec"
    path.write_text("good 1 2\nbad 3 4\n")
    recipe = tiny_recipe({"embeddings.source": str(path), "model.embedding_size": 2})
    run = with_use(make_run(recipe), vectors=source_digest(str(path)))
    write_run(tmp_path / "run", run, make_predictions(), recipe.to_yaml())
    same = {"data_fingerprint": run.data.fingerprint}
    assert finished_run(tmp_path / "run", recipe, **same) == run
    path.write_text("good 1 2\nbad 3 5\n")
    with pytest.raises(RunFolderError, match=rf"from other vectors: .*words\.vec had the content {run.data.vectors}"):
        finished_run(tmp_path / "run", recipe, **same)
    assert finished_run(tmp_path / "run", recipe) == run  # nothing is compared where the data is not known
    path.unlink()
    assert finished_run(tmp_path / "run", recipe, **same) == run


def test_another_teacher_is_refused_and_scores_beside_it_do_not_count(
    tmp_path, tiny_recipe, make_run, make_predictions
):
    folder = tmp_path / "teacher"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "textlstm"}')
    (folder / "model.safetensors").write_bytes(b"weights")
    recipe = tiny_recipe({"distillation.teacher": str(folder)})
    run = with_use(make_run(recipe), teachers=[teacher_content(folder)])
    write_run(tmp_path / "run", run, make_predictions(), recipe.to_yaml())
    same = {"data_fingerprint": run.data.fingerprint}
    (folder / "calibration.json").write_text("{}")
    assert finished_run(tmp_path / "run", recipe, **same) == run
    (folder / "model.safetensors").write_bytes(b"others")
    with pytest.raises(RunFolderError, match=rf"another teacher: .*teacher had the content {run.data.teachers[0]} and"):
        finished_run(tmp_path / "run", recipe, **same)
    assert finished_run(tmp_path / "run", recipe) == run
    shutil.rmtree(folder)
    assert finished_run(tmp_path / "run", recipe, **same) == run


def test_other_vectors_of_neighbors_are_refused(tmp_path, tiny_recipe, make_run, make_predictions):
    path = tmp_path / "words.vec"
    path.write_text("good 1 2\nbad 3 4\n")
    rules = {"augmentation.rules": ["neighbors"], "augmentation.copies": 1}
    recipe = tiny_recipe({"augmentation.vectors": str(path), **rules})
    run = with_use(make_run(recipe), neighbors=source_digest(str(path)))
    write_run(tmp_path / "run", run, make_predictions(), recipe.to_yaml())
    same = {"data_fingerprint": run.data.fingerprint}
    assert finished_run(tmp_path / "run", recipe, **same) == run
    path.write_text("good 1 2\nbad 3 5\n")
    with pytest.raises(RunFolderError, match=rf"other vectors of neighbors: .* had the content {run.data.neighbors}"):
        finished_run(tmp_path / "run", recipe, **same)
    path.unlink()
    assert finished_run(tmp_path / "run", recipe, **same) == run


def test_another_encoder_is_refused_and_an_absent_one_is_not_missed(tmp_path, tiny_recipe, make_run, make_predictions):
    weights = tmp_path / "encoder" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    recipe = tiny_recipe({"transfer.encoder": str(weights.parent)})
    run = with_use(make_run(recipe), encoder=weights_digest(weights.parent))
    write_run(tmp_path / "run", run, make_predictions(), recipe.to_yaml())
    same = {"data_fingerprint": run.data.fingerprint}
    assert finished_run(tmp_path / "run", recipe, **same) == run
    weights.write_bytes(b"others")
    with pytest.raises(RunFolderError, match=rf"from another encoder: .* had the weights {run.data.encoder} and has"):
        finished_run(tmp_path / "run", recipe, **same)
    weights.unlink()
    assert finished_run(tmp_path / "run", recipe, **same) == run


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"name": "x"}', b"\xff\xfe", b"null"])
def test_a_damaged_result_is_said(tmp_path, tiny_recipe, content):
    (tmp_path / RESULT_FILE).write_bytes(content)
    with pytest.raises(RunFolderError, match=r"result\.json should hold one run as JSON and does not"):
        finished_run(tmp_path, tiny_recipe())
    with pytest.raises(RunFolderError):
        read_runs(tmp_path)


def test_runs_are_read_in_the_order_of_layers_size_and_seed(tmp_path, tiny_recipe, make_run, make_predictions):
    cells = [(2, 50, 1), (1, "full", 0), (1, 500, 0), (10, 50, 0), (2, 50, 0), (1, 50, 11), (1, 50, 2)]
    for number, (layers, size, seed) in enumerate(cells):
        recipe = tiny_recipe({"model.num_layers": layers, "data.size": size, "seed": seed})
        written(tmp_path / f"any {number}" / "name", recipe, make_run, make_predictions)
    (tmp_path / "summary.json").write_text("{}")
    (tmp_path / "any 0" / "notes.txt").write_text("mine")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "result.json.partial").write_text("{")
    found = [tuple(run.cell.values()) for run in read_runs(str(tmp_path))]
    assert found == [(1, 50, 2), (1, 50, 11), (1, 500, 0), (1, "full", 0), (2, 50, 0), (2, 50, 1), (10, 50, 0)]


@pytest.mark.parametrize("name", [".", "absent"])
def test_a_folder_without_runs_is_said(tmp_path, name):
    with pytest.raises(RunFolderError, match="has none; run a recipe into it first"):
        read_runs(tmp_path / name)
