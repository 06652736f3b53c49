"""The row rule against a slow reference, its identity with AdamW, clipping, and the running mean of weights."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from textlstm.training.optimizer import RowwiseAdamW, WeightAverage, clip_gradients, parameter_groups

ROWS, WIDTH, LR, DECAY, BETAS, EPS = 7, 3, 0.05, 0.1, (0.9, 0.98), 1e-8


def sparse_step(optimizer, parameter, rows, values):
    gradient = torch.sparse_coo_tensor(torch.tensor([rows]), values, parameter.shape, check_invariants=True)
    parameter.grad = gradient
    optimizer.step()


def reference_step(parameter, state, gradient_by_row):
    """The rule as the class docstring words it, one scalar at a time."""
    for row, gradient in gradient_by_row.items():
        mean, square, steps = state.setdefault(row, ([0.0] * WIDTH, [0.0] * WIDTH, 0))
        steps += 1
        for i in range(WIDTH):
            mean[i] = BETAS[0] * mean[i] + (1 - BETAS[0]) * gradient[i]
            square[i] = BETAS[1] * square[i] + (1 - BETAS[1]) * gradient[i] ** 2
            corrected = (square[i] / (1 - BETAS[1] ** steps)) ** 0.5 + EPS
            parameter[row][i] *= 1 - LR * DECAY
            parameter[row][i] -= LR * mean[i] / (1 - BETAS[0] ** steps) / corrected
        state[row] = (mean, square, steps)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=6), min_size=1, max_size=6), st.integers(0, 99))
def test_sparse_updates_follow_the_row_rule(batches, seed):
    torch.manual_seed(seed)
    parameter = nn.Parameter(torch.randn(ROWS, WIDTH, dtype=torch.float64))
    optimizer = RowwiseAdamW([parameter], lr=LR, weight_decay=DECAY, betas=BETAS, eps=EPS)
    expected, state = parameter.detach().tolist(), {}
    for rows in batches:
        values = torch.randn(len(rows), WIDTH, dtype=torch.float64)
        summed: dict[int, list[float]] = {}
        for row, value in zip(rows, values.tolist(), strict=True):  # a row twice in a batch is one gradient
            summed[row] = [a + b for a, b in zip(summed.get(row, [0.0] * WIDTH), value, strict=True)]
        sparse_step(optimizer, parameter, rows, values)
        reference_step(expected, state, summed)
    torch.testing.assert_close(parameter.detach(), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12)


def test_it_equals_adamw_when_every_row_is_touched():
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.ones(ROWS, WIDTH)) for _ in range(2))
    rowwise = RowwiseAdamW([ours], lr=LR, weight_decay=DECAY, betas=BETAS)
    dense = torch.optim.AdamW([theirs], lr=LR, weight_decay=DECAY, betas=BETAS)
    for _ in range(20):
        gradient = torch.randn(ROWS, WIDTH)
        sparse_step(rowwise, ours, list(range(ROWS)), gradient)
        theirs.grad = gradient
        dense.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_dense_parameters_get_torchs_own_update():
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.ones(4, 4)) for _ in range(2))
    embedding = nn.Parameter(torch.ones(ROWS, WIDTH))
    rowwise = RowwiseAdamW([embedding, ours], lr=LR, fused=True)
    dense = torch.optim.AdamW([theirs], lr=LR, fused=True)
    for _ in range(5):
        ours.grad = torch.randn(4, 4)
        theirs.grad = ours.grad.clone()
        sparse_step(rowwise, embedding, [1], torch.ones(1, WIDTH))
        dense.step()
    assert torch.equal(ours, theirs)
    assert torch.equal(embedding[0], torch.ones(WIDTH))
    assert not torch.equal(embedding[1], torch.ones(WIDTH))


def test_state_survives_saving_and_loading_exactly():
    def steps(parameter, optimizer, count, generator):
        for _ in range(count):
            rows = torch.randint(ROWS, (4,), generator=generator).tolist()
            sparse_step(optimizer, parameter, rows, torch.randn(4, WIDTH, generator=generator))

    generator = torch.Generator().manual_seed(1)
    whole = nn.Parameter(torch.zeros(ROWS, WIDTH))
    optimizer = RowwiseAdamW([whole], lr=LR)
    steps(whole, optimizer, 3, generator)
    resumed = nn.Parameter(whole.detach().clone())
    other = RowwiseAdamW([resumed], lr=LR)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # as a file would hold it
    state = generator.get_state()
    steps(whole, optimizer, 3, generator)
    generator.set_state(state)
    steps(resumed, other, 3, generator)
    assert torch.equal(whole, resumed)


@pytest.mark.parametrize("max_norm", [0.1, 1e9])
def test_clipping_equals_torchs_on_the_dense_form(max_norm):
    torch.manual_seed(0)
    embedding, weight = nn.Parameter(torch.zeros(ROWS, WIDTH)), nn.Parameter(torch.zeros(2, 2))
    rows = torch.tensor([[1, 1, 5]])
    embedding.grad = torch.sparse_coo_tensor(rows, torch.randn(3, WIDTH), embedding.shape, check_invariants=True)
    weight.grad = torch.randn(2, 2)
    dense = [nn.Parameter(torch.zeros_like(p)) for p in (embedding, weight)]
    dense[0].grad, dense[1].grad = embedding.grad.to_dense(), weight.grad.clone()
    norm = clip_gradients([embedding, weight], max_norm)
    expected = nn.utils.clip_grad_norm_(dense, max_norm)
    torch.testing.assert_close(norm, expected)
    torch.testing.assert_close(embedding.grad.to_dense(), dense[0].grad)
    torch.testing.assert_close(weight.grad, dense[1].grad)


def test_groups_decay_matrices_and_hold_the_embedding_rate():
    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.head = nn.Embedding(5, 2), nn.Linear(2, 2)

        def get_input_embeddings(self):
            return self.words

    model = Tiny()
    groups = parameter_groups(model, learning_rate=1.0, embedding_learning_rate=0.1, weight_decay=0.5)
    found = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert found == {
        id(model.words.weight): (0.1, 0.5),
        id(model.head.weight): (1.0, 0.5),
        id(model.head.bias): (1.0, 0.0),
    }
    frozen = parameter_groups(model, learning_rate=1.0, embedding_learning_rate=0, weight_decay=0.5)
    assert not model.words.weight.requires_grad
    assert all(p is not model.words.weight for group in frozen for p in group["params"])


def test_the_running_mean_lags_swaps_and_swaps_back():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = WeightAverage(model, decay=0.9)
    with torch.no_grad():
        for step in range(1, 81):
            model.weight.fill_(float(step))
            average.update(step)
    live = model.weight.item()
    average.swap()
    assert 60 < model.weight.item() < live
    average.swap()
    assert model.weight.item() == live
