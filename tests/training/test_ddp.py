"""One run by two processes: started by torchrun, it ends like the run of one process, and leaves one model."""

import subprocess
import sys
from pathlib import Path

import pytest

from textlstm.inference.predictor import TextClassifier
from textlstm.results import read_predictions, read_run
from textlstm.training.trainer import EpochPlan

SCRIPT = """
import sys
from textlstm import finetune

out, batch_size = sys.argv[1:]
recipe = {
    "name": "ddp",
    "data": {"source": "pydocs", "size": 2500},
    "model": {"embedding_size": 32, "hidden_size": 32, "pooling": "max"},
    "training": {"epochs": 8, "min_updates": 0, "batch_size": int(batch_size), "learning_rate": 0.01},
}
finetune(recipe, out=out)
"""


def train(folder, *, processes, batch_size):
    """Train in processes of their own, and give back the run."""
    script = folder / "train.py"
    script.write_text(SCRIPT)
    launch = [sys.executable]
    if processes > 1:
        launch += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    out = folder / f"by {processes}"
    command = [*launch, script, out, str(batch_size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.mark.slow
def test_two_processes_end_like_one_and_leave_one_model(tmp_path):
    # Two processes take two batches for an update, so each takes half the rows.
    one, two = (train(tmp_path, processes=count, batch_size=32 // count) for count in (1, 2))
    alone, together = read_run(one), read_run(two)
    assert {path.name for path in two.iterdir()} == {path.name for path in one.iterdir()}
    assert not (two / "checkpoints").exists()
    steps = [run.history[-1].step for run in (alone, together)]
    assert together.cost.train_tokens == pytest.approx(alone.cost.train_tokens, rel=0.01)
    assert steps[1] == pytest.approx(steps[0], rel=0.1)
    scores = [run.metrics["test"] for run in (alone, together)]
    print([(score.accuracy, score.log_loss) for score in scores], steps)
    assert scores[0].accuracy.value > 0.35  # it has learned: eleven classes
    assert scores[1].accuracy.value == pytest.approx(scores[0].accuracy.value, abs=0.05)
    assert scores[1].log_loss.value == pytest.approx(scores[0].log_loss.value, abs=0.15)
    # The model on disk is the one that was scored.
    rows = read_predictions(two, "test")
    texts = ["the socket is closed by the server", "an integer divided by a float"]
    assert len(TextClassifier(two).predict(texts)) == 2
    assert len(rows) == scores[1].rows


def test_each_process_gets_as_many_batches(rng_lengths=None):
    import numpy as np

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
