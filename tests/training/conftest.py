"""What two runs must share to be equal, a clock that asks for a checkpoint after every update, and data of noise."""

import pytest
import torch

import textlstm.training.progress
from textlstm.text.datasets import load_data


def _assert_same_run(one, other):
    """Equal to the last bit: weights, predictions, history, what was chosen, and the tokens that it took."""
    ours, theirs = one.model.state_dict(), other.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert one.predictions == other.predictions
    assert one.run.history == other.run.history
    assert one.run.metrics == other.run.metrics
    assert (one.run.best_epoch, one.run.stopped_early) == (other.run.best_epoch, other.run.stopped_early)
    assert one.run.cost.train_tokens == other.run.cost.train_tokens


@pytest.fixture(scope="session")
def assert_same_run():
    return _assert_same_run


class Clock:
    """Stands for the `time` module: an hour passes between two looks at the monotonic clock."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 3600
        return self.now

    def perf_counter(self):
        self.now += 1
        return self.now


@pytest.fixture
def checkpoint_every_update(monkeypatch):
    monkeypatch.setattr(textlstm.training.progress, "time", Clock())


@pytest.fixture(scope="session")
def noise(planted):
    """Labels of other texts: log loss soon grows while accuracy still moves about, so the two choose other epochs."""
    (texts, labels), (held_out, theirs) = planted(40, 5), planted(30, 6)
    return load_data((texts, labels[::-1]), validation=(held_out, theirs[::-1]))
