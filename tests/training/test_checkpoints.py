"""Interrupted runs end like undisturbed ones, to the bit; and nobody goes on from checkpoints of something else."""

import dataclasses
import shutil

import numpy as np
import pytest

import textlstm.training.progress as progress
import textlstm.training.trained as trained_models
from textlstm.errors import RunFolderError
from textlstm.text.datasets import load_data
from textlstm.training.checkpoint_files import write_last
from textlstm.training.checkpoints import (
    claim_checkpoints,
    discard_checkpoints,
    newest_checkpoint,
    set_damaged_aside,
)
from textlstm.training.finetuning import train


def without(data, *names):
    return dataclasses.replace(data, splits={name: part for name, part in data.splits.items() if name not in names})


def written_checkpoint(folder, step):
    """What counts as a whole checkpoint: it has our own state, which is written last."""
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    write_last(checkpoint / progress.STATE_FILE, {})
    return checkpoint


@pytest.fixture(scope="module")
def trained(tiny_recipe, tiny_data):
    return train(tiny_recipe(), tiny_data)


class Stop(Exception):
    pass


def interrupted(recipe, data, folder, step):
    """Run until `step` updates are done."""

    def listener(report):
        if report.step == step:
            raise Stop

    with pytest.raises(Stop):
        train(recipe, data, checkpoints=folder, listener=listener)


HARD = {
    "model.num_layers": 2,
    "training.gradient_accumulation": 2,
    "training.weight_averaging": 0.9,
    "training.learning_rate": 0.1,
    "training.patience": 2,
    "training.epochs": 8,
    "training.batch_size": 4,
}
RESUMED = {
    "plain": {"training.schedule": "one_cycle"},
    "all at once": HARD,
    "no validation": {"training.weight_averaging": 0.9, "training.batch_size": 4},
}


@pytest.fixture(scope="module", params=RESUMED)
def undisturbed(request, tiny_recipe, tiny_data, noise):
    recipe = tiny_recipe(RESUMED[request.param])
    data = {"no validation": without(tiny_data, "validation"), "all at once": noise}.get(request.param, tiny_data)
    done = train(recipe, data)
    assert done.run.stopped_early == (request.param == "all at once")  # or that would not be tested
    return recipe, data, done


@pytest.mark.parametrize("draw", range(2))
def test_a_run_interrupted_anywhere_ends_like_an_undisturbed_one(
    undisturbed, draw, tmp_path, assert_same_run, checkpoint_every_update
):
    recipe, data, reference = undisturbed
    steps = reference.run.history[-1].step
    first, second = sorted(np.random.default_rng([draw, steps]).choice(np.arange(2, steps + 1), 2, replace=False))
    interrupted(recipe, data, tmp_path / "c", first)
    interrupted(recipe, data, tmp_path / "c", second)
    seen = []
    resumed = train(recipe, data, checkpoints=tmp_path / "c", listener=lambda report: seen.append(report.step))
    assert seen[0] == second  # the update before was in the checkpoint
    assert_same_run(resumed, reference)
    assert resumed.run.cost.train_seconds > 0


def test_a_run_interrupted_after_its_last_update_trains_no_further(
    tiny_recipe, noise, tmp_path, assert_same_run, checkpoint_every_update, monkeypatch
):
    recipe = tiny_recipe(HARD)
    reference = train(recipe, noise)
    assert reference.run.stopped_early
    with monkeypatch.context() as patched:
        patched.setattr(trained_models, "evaluate_predictions", lambda *args: (_ for _ in ()).throw(Stop))
        with pytest.raises(Stop):
            train(recipe, noise, checkpoints=tmp_path / "c")
    updates = []
    again = train(recipe, noise, checkpoints=tmp_path / "c", listener=updates.append)
    assert updates == []
    assert_same_run(again, reference)


def test_a_checkpoint_cut_off_while_it_was_written_does_not_count(
    trained, tiny_recipe, tiny_data, tmp_path, assert_same_run, checkpoint_every_update, monkeypatch
):
    def cut_off(weights, path):
        if "checkpoint-3" in str(path):
            raise Stop
        write(weights, path)

    write = progress.save_file
    with monkeypatch.context() as patched:
        patched.setattr(progress, "save_file", cut_off)
        with pytest.raises(Stop):
            train(tiny_recipe(), tiny_data, checkpoints=tmp_path / "c")
    assert {path.name for path in (tmp_path / "c").glob("checkpoint-*")} == {"checkpoint-2", "checkpoint-3"}
    steps = []
    again = train(
        tiny_recipe(), tiny_data, checkpoints=tmp_path / "c", listener=lambda report: steps.append(report.step)
    )
    assert steps[0] == 3
    assert_same_run(again, trained)


def test_checkpoints_of_another_run_are_refused_by_naming_what_changed(
    tiny_recipe, tiny_data, planted, tmp_path, checkpoint_every_update
):
    folder = tmp_path / "c"
    interrupted(tiny_recipe(), tiny_data, folder, 4)
    before = {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}
    with pytest.raises(
        RunFolderError, match=r"training\.learning_rate was 0\.02, is 0\.5; training\.warmup was .*, is 0\.3"
    ):
        train(tiny_recipe({"training.learning_rate": 0.5, "training.warmup": 0.3}), tiny_data, checkpoints=folder)
    with pytest.raises(RunFolderError, match=r"the data had fingerprint \w{16}, has \w{16}"):
        train(tiny_recipe(), load_data(planted(60, 10)), checkpoints=folder)
    assert {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))} == before
    (folder / "run.yaml").write_text("recipe: [")
    with pytest.raises(RunFolderError, match="missing, damaged or of another version"):
        train(tiny_recipe(), tiny_data, checkpoints=folder)


def test_a_claim_without_a_checkpoint_hinders_nobody(tiny_recipe, tiny_data, tmp_path):
    interrupted(tiny_recipe(), tiny_data, tmp_path / "c", 2)
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["run.yaml"]
    train(tiny_recipe({"training.epochs": 1}), tiny_data, checkpoints=tmp_path / "c")


def test_a_name_a_tracker_or_a_grid_may_change_between_interruption_and_resumption(
    trained, tiny_recipe, tiny_data, tmp_path, assert_same_run, checkpoint_every_update
):
    interrupted(tiny_recipe(), tiny_data, tmp_path / "c", 4)
    renamed = tiny_recipe({"name": "other", "grid.layers": [1, 2], "description": "x"})
    assert_same_run(train(renamed, tiny_data, checkpoints=tmp_path / "c"), trained)


def test_the_newest_whole_checkpoint_is_found(tmp_path):
    assert newest_checkpoint(tmp_path / "absent") is None
    for step in (9, 100, 20):
        written_checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-300").mkdir()  # cut off before our state was in it
    assert newest_checkpoint(tmp_path).name == "checkpoint-100"


def test_a_claim_sweeps_halves_away_and_discarding_takes_all(tiny_recipe, tmp_path):
    folder = tmp_path / "deep" / "checkpoints"
    (folder / "checkpoint-300").mkdir(parents=True)
    assert claim_checkpoints(folder, tiny_recipe(), data_fingerprint="x") is None
    assert [path.name for path in folder.iterdir()] == ["run.yaml"]
    discard_checkpoints(folder)
    discard_checkpoints(folder)
    assert not folder.exists()


@pytest.mark.parametrize("key", ["training.epochs", "model.num_layers", "tokenizer.max_length", "data.size", "seed"])
def test_a_claim_names_the_key_that_changed(tiny_recipe, tmp_path, key):
    recipe = tiny_recipe()
    claim_checkpoints(tmp_path / "c", recipe, data_fingerprint="x")
    checkpoint = written_checkpoint(tmp_path / "c", 3)
    assert claim_checkpoints(tmp_path / "c", recipe, data_fingerprint="x") == checkpoint
    with pytest.raises(RunFolderError, match=f"{key} was .*, is 77"):
        claim_checkpoints(tmp_path / "c", recipe.override({key: 77}), data_fingerprint="x")


DAMAGE = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "a flipped bit": lambda content: content[:-3] + bytes([content[-3] ^ 4]) + content[-2:],
    "removed": None,
}
PARTS = ["model.safetensors", "optimizer.pt", "rng_state.pth", "progress.safetensors", "progress.json"]


@pytest.fixture(scope="module")
def left(tiny_recipe, tiny_data, tmp_path_factory):
    """The checkpoints of an interrupted run; two of them."""
    folder = tmp_path_factory.mktemp("left") / "c"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "time", Clock())
        interrupted(tiny_recipe(), tiny_data, folder, 6)
    assert len(list(folder.glob("checkpoint-*"))) == 2
    return folder


class Clock:
    now = 0.0

    def monotonic(self):
        self.now += 3600
        return self.now

    perf_counter = monotonic


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_every_damaged_file_of_a_checkpoint_is_noticed(left, tmp_path, part, damage):
    shutil.copytree(left, tmp_path / "c")
    older, newest = sorted((tmp_path / "c").glob("checkpoint-*"))
    spoil(newest / part, damage)
    if (part, damage) == ("progress.json", "removed"):  # as a kill in the middle of writing leaves it
        assert set_damaged_aside(tmp_path / "c") == []
    else:
        (told,) = set_damaged_aside(tmp_path / "c")
        assert f"{newest.name} was damaged ({part} is not what was written)" in told
        assert not newest.exists()
        assert (tmp_path / "c" / f"damaged-{newest.name}").exists()
    assert newest_checkpoint(tmp_path / "c") == older


def spoil(path, damage):
    if DAMAGE[damage] is None:
        path.unlink()
    else:
        path.write_bytes(DAMAGE[damage](path.read_bytes()))


@pytest.mark.parametrize("damaged", [1, 2])
def test_a_run_goes_on_from_the_whole_checkpoint_or_afresh_and_says_so(
    left, damaged, trained, tiny_recipe, tiny_data, tmp_path, assert_same_run
):
    shutil.copytree(left, tmp_path / "c")
    for checkpoint in sorted((tmp_path / "c").glob("checkpoint-*"))[-damaged:]:
        spoil(checkpoint / "optimizer.pt", "half")
    seen = []
    again = train(
        tiny_recipe(), tiny_data, checkpoints=tmp_path / "c", listener=lambda report: seen.append(report.step)
    )
    assert seen[0] == (5 if damaged == 1 else 1)
    assert_same_run(again, trained)
    notes = [note for note in again.run.data.notes if "was damaged (optimizer.pt" in note]
    assert len(notes) == damaged
