"""Reading in windows: the same logits and gradients as at once, and memory that a text's length does not fill."""

import gc
import itertools
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.inference.torch_classifier import predict_logits
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.model.configuration_textlstm import ACTIVATIONS, DROPOUTS, GATE_ACTIVATIONS, JOINS, POOLINGS
from textlstm.text.encoding import Encoded

TINY = {"vocab_size": 30, "embedding_size": 5, "hidden_size": 4, "num_labels": 3}


def make_model(*, window, dropout=0.0, dtype=torch.float32, **changes):
    """All parameters away from zero, so that no mistake hides; the same ones whatever the window."""
    torch.manual_seed(0)
    config = TextLSTMConfig(**{**TINY, **dict.fromkeys(DROPOUTS, dropout), "window": window, **changes})
    model = TextLSTMForSequenceClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.to(dtype)


def make_ids(lengths, *, time=None, left=False):
    torch.manual_seed(1)
    ids = torch.zeros(len(lengths), time or max(lengths), dtype=torch.long)
    for row, length in enumerate(lengths):
        start = ids.size(1) - length if left else 0
        ids[row, start : start + length] = torch.randint(1, 30, (length,))
    return ids


def train_once(model, ids, *, embeds=False):
    """Logits, and gradients by name, of one training pass; what is dropped is drawn from one seed."""
    model.train()
    torch.manual_seed(2)
    labels = torch.arange(len(ids)) % 3
    given = {"inputs_embeds": model.lstm.embedding(ids).requires_grad_()} if embeds else {"input_ids": ids}
    found = model(**given, attention_mask=(ids != 0).long(), labels=labels)
    found.loss.backward()
    drawn = torch.rand(1)  # as much was drawn, so that what follows is the same too
    return found.logits.detach(), {name: p.grad for name, p in model.named_parameters()}, drawn


@given(
    lengths=st.lists(st.integers(0, 13), min_size=1, max_size=4).filter(any),
    window=st.integers(1, 8),
    join=st.sampled_from(JOINS),
    pooling=st.sampled_from(POOLINGS),
    num_layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    layer_norm=st.booleans(),
    activation=st.sampled_from(["tanh", *ACTIVATIONS]),
    gate_activation=st.sampled_from(GATE_ACTIVATIONS),
    dropout=st.sampled_from([0.0, 0.3]),
    embeds=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_logits_and_gradients_are_those_of_texts_read_at_once(lengths, window, dropout, embeds, **options):
    ids = make_ids(lengths)
    options = {**options, "dropout": dropout, "dtype": torch.float64}
    logits, gradients, drawn = train_once(make_model(window=None, **options), ids, embeds=embeds)
    found, found_gradients, found_drawn = train_once(make_model(window=window, **options), ids, embeds=embeds)
    torch.testing.assert_close(found, logits, atol=1e-9, rtol=1e-9)
    assert torch.equal(drawn, found_drawn)
    for name, gradient in gradients.items():
        torch.testing.assert_close(found_gradients[name], gradient, atol=1e-9, rtol=1e-7, msg=name)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_single_precision_keeps_five_places(pooling):
    ids = make_ids([40, 7, 33])
    with torch.no_grad():
        at_once = make_model(window=None, pooling=pooling, num_layers=2).eval()(ids).logits
        windowed = make_model(window=8, pooling=pooling, num_layers=2).eval()(ids).logits
    torch.testing.assert_close(windowed, at_once, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_and_company_change_nothing(pooling):
    model = make_model(window=4, pooling=pooling, num_layers=2).eval()
    lengths = [11, 2, 8]
    ids = make_ids(lengths)
    alone = [row[:length].unsqueeze(0) for row, length in zip(ids, lengths, strict=True)]
    with torch.no_grad():
        logits = model(ids).logits
        for others in (
            model(make_ids(lengths, time=25)).logits,
            model(make_ids(lengths, time=14, left=True)).logits,
            torch.cat([model(row).logits for row in alone]),
        ):
            torch.testing.assert_close(others, logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("dtype", "window"), list(itertools.product([torch.bfloat16, torch.float16], [3, 5])))
def test_half_precision_stays_near(dtype, window):
    ids = make_ids([13, 4])
    exact = make_model(window=window, num_layers=2, pooling="concat")
    wanted, _, _ = train_once(exact, ids)
    rough = make_model(window=window, num_layers=2, pooling="concat")
    with torch.autocast("cpu", dtype=dtype):
        logits, gradients, _ = train_once(rough, ids)
    torch.testing.assert_close(logits.float(), wanted, atol=0.1, rtol=0.05)
    assert all(gradient.isfinite().all() for gradient in gradients.values())


def test_whoever_looks_at_the_layers_gets_whole_texts():
    model, ids = make_model(window=3).eval(), make_ids([9])
    in_windows = model.lstm(ids)
    assert in_windows.last_hidden_state is None
    assert model.lstm(ids, return_dict=False)[0].shape == in_windows.pooler_output.shape
    asked = model.lstm(ids, output_hidden_states=True)
    assert asked.hidden_states[1].shape[1] == asked.last_hidden_state.shape[1] == 9
    seen = []
    hook = model.lstm.layers[0].register_forward_hook(lambda _, inputs, output: seen.append(output))
    hooked = model.lstm(ids)
    hook.remove()
    assert seen[0].shape[1] == 9
    for other in (asked, hooked):
        torch.testing.assert_close(other.pooler_output, in_windows.pooler_output, atol=1e-5, rtol=1e-5)


def test_texts_within_a_window_are_read_at_once():
    model, ids = make_model(window=9), make_ids([9, 4])
    assert model.lstm(ids).last_hidden_state is not None


def test_a_pass_without_a_backward_one_leaves_nothing_behind():
    """The graph must not hold itself: a window's part holds states from before it, none that come of it."""
    model = make_model(window=2, num_layers=2, pooling="attention")
    embeds = torch.randn(1, 9, 5, requires_grad=True) * 1.0
    witness = weakref.ref(embeds)
    logits = model(inputs_embeds=embeds).logits
    del embeds, logits
    gc.collect()
    assert witness() is None


PEAK = """
import re, torch
from pathlib import Path
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
torch.set_num_threads(1)
def peak(time, window):
    model = TextLSTMForSequenceClassification(
        TextLSTMConfig(vocab_size=100, embedding_size=32, num_layers=2, hidden_size=32, num_labels=2, window=window)
    ).train()
    model.lstm.embedding.sparse = True  # as training on a CPU has it
    model(torch.randint(1, 100, (4, time)), labels=torch.tensor([0, 1, 0, 1])).loss.backward()
    # Not ru_maxrss, which begins with the parent's.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1)) / 1024
print([peak(*settings) for settings in [(1_000, 250), (4_000, 250), (4_000, None)]])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
@pytest.mark.slow
def test_memory_does_not_grow_with_the_text():
    """Peak memory of one process that reads ever more: four times the text in windows, then the same at once."""
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    short, long, at_once = map(float, done.stdout.strip("[]\n ").split(","))
    assert at_once - long > 40  # MB
    assert long - short < 0.25 * (at_once - short)


@pytest.mark.slow
def test_a_document_of_a_hundred_thousand_tokens_trains_and_predicts():
    model = make_model(window=1_000, num_layers=2, hidden_size=16)
    ids = torch.randint(1, 30, (1, 100_000))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    first = model(ids, labels=torch.tensor([1])).loss
    first.backward()
    optimizer.step()
    assert all(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    encoded = Encoded(ids[0].numpy().astype(np.int32), np.array([0, 100_000]))
    logits = predict_logits(model, encoded)
    assert np.isfinite(logits).all()
    model.config.window = None
    np.testing.assert_allclose(predict_logits(model, encoded), logits, atol=1e-5)
