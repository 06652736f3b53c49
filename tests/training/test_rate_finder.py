"""The range test: rates rise by one factor, the loss falls and breaks, and the rate to take lies before the break."""

import numpy as np
import pytest
import torch

from textlstm.analysis.charts.rates import rate_figure
from textlstm.errors import NonFiniteLossError
from textlstm.text.datasets import load_data
from textlstm.training.rate_finder import find_rate


@pytest.fixture(scope="module")
def found(tiny_recipe, tiny_data):
    return find_rate(tiny_recipe(), tiny_data, lowest=1e-4, highest=100.0, updates=80)


def test_the_rate_to_take_lies_where_the_loss_falls_before_it_breaks(found):
    assert found.broke
    assert len(found.rates) == len(found.losses) < 80
    steps = np.diff(np.log(found.rates))
    np.testing.assert_allclose(steps, steps[0])
    assert found.rates[0] < found.steepest <= found.lowest_loss < found.rates[-1]
    assert 1e-3 < found.steepest < 10
    assert min(found.losses) < 0.8 * found.losses[0]


def test_the_same_seed_finds_the_same_and_gentle_rates_break_nothing(tiny_recipe, tiny_data, found):
    again = find_rate(tiny_recipe(), tiny_data, lowest=1e-4, highest=100.0, updates=80)
    assert again == found
    gentle = find_rate(tiny_recipe(), tiny_data, lowest=1e-6, highest=1e-5, updates=10)
    assert not gentle.broke
    assert len(gentle.rates) == 10


def test_held_out_rows_stay_unread(tiny_recipe, tiny_data, monkeypatch):
    seen = []
    forward = torch.nn.Embedding.forward
    monkeypatch.setattr(torch.nn.Embedding, "forward", lambda self, ids: seen.append(ids.shape) or forward(self, ids))
    find_rate(tiny_recipe(), tiny_data, updates=10)
    assert len(seen) == 10  # one a batch of training rows, and none beside


def test_with_a_teacher_its_scores_are_learned_and_not_the_placeholders_of_labels(
    tiny_recipe, planted, make_classifier, tmp_path
):
    texts, labels = planted(60, 0)
    (tmp_path / "u.txt").write_text("\n".join(f"{text} moon" for text in planted(30, 7)[0]))
    changes = {
        "distillation.teacher": str(make_classifier(["neg", "pos"])),
        "distillation.unlabeled": str(tmp_path / "u.txt"),
        "distillation.hard_weight": 0.0,
    }
    other = ["neg" if label == "pos" else "pos" for label in labels]
    found = [
        find_rate(tiny_recipe(changes), load_data((texts, own), validation=planted(30, 1)), updates=10)
        for own in (labels, other)
    ]
    assert found[0] == found[1]  # labels have no part in it
    assert found[0] != find_rate(
        tiny_recipe({**changes, "distillation.hard_weight": 1.0}),
        load_data((texts, labels), validation=planted(30, 1)),
        updates=10,
    )


def test_a_start_that_is_no_number_is_said(tiny_recipe, tiny_data, monkeypatch):
    monkeypatch.setattr(torch.nn.Embedding, "forward", lambda self, ids: self.weight[ids] * float("nan"))
    with pytest.raises(NonFiniteLossError, match="before anything is learned"):
        find_rate(tiny_recipe(), tiny_data, updates=10)


def test_the_chart_marks_the_rate_and_holds_to_the_schema(found):
    figure = rate_figure(found.rates, found.losses, steepest=found.steepest)
    figure.spec(validate=True)
    assert f"{found.steepest:.2g}" in figure.alt
    assert 2 <= len(figure.data.rows) <= 40
