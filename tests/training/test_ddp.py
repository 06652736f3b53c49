"""One run by two processes: started by torchrun, it ends like the run of one process, and leaves one model."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from textlstm.inference.predictor import Predictor
from textlstm.results import read_predictions, read_run
from textlstm.text.datasets import load_data
from textlstm.training.epoch_plan import EpochPlan

SCRIPT = """
import sys
from textlstm import finetune

out, accumulation = sys.argv[1:]
recipe = {
    "name": "ddp",
    "data": {"source": "pydocs", "size": 1600},
    "model": {
        "embedding_size": 32,
        "hidden_size": 32,
        "pooling": "max",
        "embedding_dropout": 0.0,
        "input_dropout": 0.0,
        "layer_dropout": 0.0,
        "output_dropout": 0.0,
    },
    "training": {
        "epochs": 4,
        "min_updates": 0,
        "batch_size": 16,
        "learning_rate": 0.01,
        "gradient_accumulation": int(accumulation),
        "checkpoint_seconds": 1,
    },
}
finetune(recipe, out=out)
"""


HERE = Path(__file__).parents[2]


def command(script, out, *, processes):
    """What starts so many processes; a single one takes two batches for each update, one after the other."""
    script.write_text(SCRIPT)
    launch = [sys.executable]
    if processes > 1:
        launch += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    return [*launch, script, out, str(2 // processes)]


def train(folder, *, processes):
    """Train in processes of their own, to the end."""
    out = folder / f"by {processes}"
    start = command(folder / "train.py", out, processes=processes)
    done = subprocess.run(start, capture_output=True, text=True, timeout=500, cwd=HERE)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def train_until_a_checkpoint(folder):
    """Kill two processes and what started them as soon as a checkpoint is whole, which is before the end."""
    out = folder / "by 2"
    started = subprocess.Popen(
        command(folder / "train.py", out, processes=2),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=HERE,
    )
    try:
        deadline = time.monotonic() + 300
        while not list((out / "checkpoints").glob("checkpoint-*/trainer_state.json")):
            assert started.poll() is None and time.monotonic() < deadline, "it ended without a checkpoint"
            time.sleep(0.02)
    finally:
        started.send_signal(signal.SIGSTOP)  # so that it starts no other process in the place of a killed one
        for process in [*psutil.Process(started.pid).children(recursive=True), started]:
            process.kill()
        started.wait()
    assert not (out / "result.json").exists()


@pytest.mark.slow
def test_two_processes_end_like_one_and_leave_one_model(tmp_path):
    """Without dropout, which draws other numbers in each process, only rounding is left to differ."""
    one, two = (train(tmp_path, processes=count) for count in (1, 2))
    alone, together = read_run(one), read_run(two)
    assert {path.name for path in two.iterdir()} == {path.name for path in one.iterdir()}
    assert not (two / "checkpoints").exists()
    assert together.cost.train_tokens == alone.cost.train_tokens
    assert [record.step for record in together.history] == [record.step for record in alone.history]
    for number, (ours, theirs) in enumerate(zip(together.history, alone.history, strict=True)):
        # Rounding differs from the first update on, and grows with every later one: seen are 2e-7 and then 2e-3.
        tolerance = 1e-4 if number == 0 else 0.01
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=tolerance)
        assert ours.validation_loss == pytest.approx(theirs.validation_loss, rel=0.01)
    mine, other = together.metrics["test"], alone.metrics["test"]
    assert other.accuracy.value > 0.2  # it has learned: eleven classes
    assert mine.accuracy.value == pytest.approx(other.accuracy.value, abs=0.01)
    assert mine.log_loss.value == pytest.approx(other.log_loss.value, rel=0.01)
    # The model on disk is the one that was scored.
    texts = load_data("pydocs").splits["test"].text_list()[:50]
    stored = np.array(read_predictions(two, "test")["probabilities"].to_pylist()[:50])
    assert np.allclose(Predictor.load(two).probabilities(texts), stored, atol=1e-4)


@pytest.mark.slow
def test_two_processes_that_were_killed_end_like_two_that_were_not(tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    for folder in (undisturbed, killed):
        folder.mkdir()
    expected = train(undisturbed, processes=2)
    train_until_a_checkpoint(killed)
    resumed = train(killed, processes=2)
    assert {path.name for path in resumed.iterdir()} == {path.name for path in expected.iterdir()}
    ours, theirs = read_run(resumed), read_run(expected)
    assert [record.step for record in ours.history] == [record.step for record in theirs.history]
    # A checkpoint within an epoch holds the mean of both processes' sums of losses so far: the epoch's mean, a note
    # alone, is then added up in another order. What is trained is equal to the last bit, as the predictions show.
    assert [record.train_loss for record in ours.history] == pytest.approx(
        [record.train_loss for record in theirs.history], rel=1e-6
    )
    assert read_predictions(resumed, "test").equals(read_predictions(expected, "test"))


def test_each_process_gets_as_many_batches():
    lengths = np.random.default_rng(0).integers(1, 30, 101)
    plans = [
        EpochPlan(lengths, batch_size=8, epochs=3, min_batches=0, seed=1, processes=processes)
        for processes in (1, 2, 3, 4)
    ]
    whole = list(plans[0])
    for processes, plan in zip((1, 2, 3, 4), plans, strict=True):
        assert len(plan) % processes == 0
        assert len(whole) - processes < len(plan) <= len(whole)
        assert list(plan) == whole[: len(plan)]
        assert plan.borders[-1] == len(plan)
