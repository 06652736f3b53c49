"""Dropout by place: what is dropped, for how long, and that the expected value is kept."""

import torch

from textlstm.model.dropout import LockedDropout, WordDropout


def test_a_dropped_word_is_dropped_throughout_the_batch():
    torch.manual_seed(0)
    dropout = WordDropout(0.4, vocab_size=50)
    ids = torch.randint(0, 50, (20, 30))
    kept = dropout(torch.ones(20, 30, 4), ids)
    scales = [kept[ids == word].unique().tolist() for word in ids.unique()]
    assert all(len(values) == 1 for values in scales)
    assert {round(values[0], 4) for values in scales} == {0.0, round(1 / 0.6, 4)}


def test_a_locked_mask_lasts_a_text_and_differs_between_texts():
    torch.manual_seed(0)
    kept = LockedDropout(0.5)(torch.ones(8, 11, 32))
    assert (kept == kept[:, :1]).all()
    assert len({tuple(row.tolist()) for row in kept[:, 0]}) == 8
    assert set(kept.unique().tolist()) == {0.0, 2.0}


def test_the_expected_value_is_kept():
    torch.manual_seed(0)
    assert abs(LockedDropout(0.3)(torch.ones(400, 1, 50)).mean().item() - 1) < 0.02
    ids = torch.arange(20000).view(1, -1)
    assert abs(WordDropout(0.3, vocab_size=20000)(torch.ones(1, 20000, 1), ids).mean().item() - 1) < 0.02


def test_nothing_happens_outside_training_or_at_rate_zero():
    x, ids = torch.randn(2, 3, 4), torch.tensor([[1, 2, 3], [3, 2, 1]])
    assert LockedDropout(0.5).eval()(x) is x
    assert LockedDropout(0.0)(x) is x
    assert WordDropout(0.5, vocab_size=4).eval()(x, ids) is x
    assert WordDropout(0.0, vocab_size=4)(x, ids) is x
