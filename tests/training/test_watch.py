"""A watched run is the same run, and its notes are the norms before clipping."""

import numpy as np
import pytest
import torch

from textlstm.training.finetuning import train
from textlstm.training.watch import TrainingWatch


def test_watching_changes_nothing(tiny_recipe, tiny_data, assert_same_run):
    recipe = tiny_recipe({"model.num_layers": 2, "training.max_grad_norm": 0.05})
    alone = train(recipe, tiny_data)
    quiet = TrainingWatch(lambda network: sum(float(p.detach().sum()) for p in network.parameters()))
    assert_same_run(train(recipe, tiny_data, watch=quiet), alone)
    assert list(quiet.seen) == ["start", "middle", "end"]
    assert len(set(quiet.seen.values())) == 3
    assert quiet.seen["end"] == pytest.approx(sum(float(p.detach().sum()) for p in alone.model.parameters()), rel=1e-5)


def test_norms_are_those_before_clipping_and_add_up(tiny_recipe, tiny_data):
    recipe = tiny_recipe({"model.num_layers": 2, "model.join": "residual", "model.layer_norm": True})
    records = []
    for limit in (1e9, 0.02):
        watch = TrainingWatch()
        run = train(recipe.override({"training.max_grad_norm": limit}), tiny_data, watch=watch).run
        records.append(watch.record)
        assert len(watch.record.totals) == run.history[-1].step
        assert watch.record.clipped == pytest.approx(
            np.average([e.clipped for e in run.history], weights=np.diff([0, *(e.step for e in run.history)]))
        )
    free, tight = records
    assert free.parts == ("embeddings", "layer 1", "layer 2", "classifier")
    assert (free.clipped, tight.clipped) == (0.0, 1.0)
    for record in records:
        totals = record.totals[record.steps - 1]
        np.testing.assert_allclose(np.sqrt((record.norms**2).sum(axis=1)), totals, rtol=1e-4)
    # At the first update both runs have the same weights and gradients, whatever the limit.
    np.testing.assert_allclose(free.norms[0], tight.norms[0], rtol=1e-4)


def test_a_long_run_keeps_a_bounded_number_of_records():
    watch = TrainingWatch()
    network = torch.nn.ModuleDict({"lstm": torch.nn.ModuleDict({"embedding": torch.nn.Embedding(3, 2)})})
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    for step in range(1, 5001):
        watch.before_step(network, done=step - 1, planned=5000)
        watch.after_clipping(network, step=step, norm=1.0, limit=2.0)
    assert 200 <= len(watch.record.steps) <= 201
    assert len(watch.record.totals) == 5000
