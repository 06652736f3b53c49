"""A disk without room, a read-only one and a folder that vanishes: one sentence, and the same command finishes later.

The disks are small tmpfs, which only root may mount; the tests are skipped where that is not permitted.
"""

import shutil
import subprocess
import sys
import time
import types

import pytest

from textlstm import cli_progress
from textlstm.results import read_run
from textlstm.training import progress

PREDICTIONS = "predictions.parquet"


def mounted(*options):
    done = subprocess.run([shutil.which("mount"), *map(str, options)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting is not permitted here")


@pytest.fixture
def disk(tmp_path):
    """Makes a disk of some KiB, which can be made larger."""
    if not sys.platform.startswith("linux") or shutil.which("mount") is None:
        pytest.skip("needs Linux")
    place = tmp_path / "disk"
    place.mkdir()

    def make(kib):
        mounted("-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", place)
        return place

    def enlarge():
        mounted("-o", "remount,size=60m", place)

    yield types.SimpleNamespace(make=make, enlarge=enlarge, place=place)
    subprocess.run([shutil.which("umount"), "-l", place], capture_output=True)


@pytest.fixture
def checkpoint_every_update(monkeypatch):
    hours = iter(range(10**9))
    clock = types.SimpleNamespace(monotonic=lambda: 3600.0 * next(hours), perf_counter=time.perf_counter)
    monkeypatch.setattr(progress, "time", clock)


def training(folder, out, tiny_options):
    given = ["--validation", folder / "validation.csv", "--test", folder / "test.csv"]
    return ["train", folder / "train.csv", "--out", out, *given, *tiny_options, "--quiet"]


# The first checkpoint takes some 90 KiB; the sizes end it in a copied file, in the weights, the moments, the random
# states or our own state, and the largest in the second one.
@pytest.mark.parametrize("kib", [4, 48, 56, 72, 84, 96, 132, 220])
def test_training_on_a_full_disk_ends_in_a_sentence_and_goes_on(
    disk, kib, folder, model, fail, succeed, tiny_options, checkpoint_every_update
):
    out = disk.make(kib) / "m"
    said = fail(1, *training(folder, out, tiny_options))
    assert "could not be read or written" in said and "check space" in said
    assert not (out / "result.json").exists()
    disk.enlarge()
    succeed(*training(folder, out, tiny_options))
    for name in (PREDICTIONS, "model.safetensors"):
        assert (out / name).read_bytes() == (model[0] / name).read_bytes()
    assert {path.name for path in out.iterdir()} == {path.name for path in model[0].iterdir() if path.is_file()}


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "json", "parquet", "arrow"])
@pytest.mark.parametrize("kib", [4, 24])
def test_predicting_on_a_full_disk_leaves_no_half_of_a_file(disk, kib, kind, model, planted, tmp_path, fail, succeed):
    texts, _ = planted(4000, 5)
    source = tmp_path / "in.csv"
    source.write_text("text\n" + "\n".join(f"{text} {number}" for number, text in enumerate(texts)) + "\n")
    out = disk.make(kib) / f"out.{kind}"
    options = ["--backend", "torch", "--quiet", "--probabilities"]
    said = fail(1, "predict", model[0], source, "-o", out, *options)
    assert "could not be read or written" in said
    assert not out.exists() and not list(disk.place.glob("*.part")) and not list(disk.place.glob(".*.part"))
    disk.enlarge()
    succeed("predict", model[0], source, "-o", out, *options)
    succeed("predict", model[0], source, "-o", tmp_path / f"whole.{kind}", *options)
    assert out.read_bytes() == (tmp_path / f"whole.{kind}").read_bytes()
    assert [path.name for path in disk.place.iterdir()] == [out.name]


@pytest.mark.parametrize("kib", [4, 40, 68])
def test_a_grid_on_a_full_disk_ends_in_a_sentence_and_goes_on(disk, kib, folder, finished, invoke, succeed):
    out = disk.make(kib) / "runs"
    arguments = ["run", folder / "mine.yaml", "--out", out, "--workers", "0", "--quiet"]
    done = invoke(*arguments)
    assert done.code == 1
    assert "Traceback" not in done.err and "textlstm" in done.err
    for path in out.rglob("result.json"):
        read_run(path.parent)  # whole, or not there
    disk.enlarge()
    succeed(*arguments)
    for path in finished[0].rglob(PREDICTIONS):
        assert (out / path.relative_to(finished[0])).read_bytes() == path.read_bytes()
    assert not [path for name in ("failure.json", "*.partial", "*.lock") for path in out.rglob(name)]


@pytest.fixture
def sealed(disk):
    """A folder that not even root may write to."""
    disk.make(100)
    mounted("-o", "remount,ro", disk.place)
    return disk.place


def test_a_read_only_folder_is_refused_before_anything_is_done(sealed, folder, model, fail, tiny_options):
    for arguments in (
        training(folder, sealed / "m", tiny_options),
        ["run", folder / "mine.yaml", "--out", sealed / "runs"],
        ["rerun", model[0], "--out", sealed / "again"],
    ):
        assert "may not be written to; name another" in fail(2, *arguments)
    assert "cannot be written" in fail(2, "predict", model[0], folder / "test.csv", "-o", sealed / "out.csv")


def test_a_folder_that_vanishes_in_the_middle_of_a_grid_is_one_sentence(
    folder, finished, tmp_path, monkeypatch, invoke, succeed
):
    out = tmp_path / "runs"
    arguments = ["run", folder / "mine.yaml", "--out", out, "--workers", "0"]
    done_before = cli_progress.GridProgress.cell_done

    def remove(self, cell, run, before):
        done_before(self, cell, run, before)
        if self.done == 2:
            shutil.rmtree(out)

    with monkeypatch.context() as patched:
        patched.setattr(cli_progress.GridProgress, "cell_done", remove)
        done = invoke(*arguments)
    assert done.code in (1, 2)
    assert "Traceback" not in done.err + done.out
    assert "textlstm: " in done.err
    succeed(*arguments)
    for path in finished[0].rglob(PREDICTIONS):
        assert (out / path.relative_to(finished[0])).read_bytes() == path.read_bytes()


def test_a_folder_that_vanishes_in_the_middle_of_training_is_made_again(
    folder, model, tmp_path, monkeypatch, invoke, succeed, tiny_options, checkpoint_every_update
):
    out = tmp_path / "m"
    update = cli_progress.TrainProgress.update

    def remove(self, report):
        update(self, report)
        if report.step == 5:
            shutil.rmtree(out)

    with monkeypatch.context() as patched:
        patched.setattr(cli_progress.TrainProgress, "update", remove)
        done = invoke(*training(folder, out, tiny_options))
    assert "Traceback" not in done.err + done.out
    if done.code:
        succeed(*training(folder, out, tiny_options))
    assert (out / PREDICTIONS).read_bytes() == (model[0] / PREDICTIONS).read_bytes()
