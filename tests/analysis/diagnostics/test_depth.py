"""What layers are worth: stacks with a layer left out equal stacks without it, and nothing is dropped by chance."""

import numpy as np
import pytest
import torch

from textlstm.analysis.diagnostics.depth import ALPHA, _passing_on, _reduced, layer_worth
from textlstm.analysis.diagnostics.states import layer_states
from textlstm.errors import DataError
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.text.encoding import Encoded

KEYS = (1, 2)


def make_stack(seed=0, **options):
    torch.manual_seed(seed)
    settings = {"vocab_size": 30, "embedding_size": 8, "hidden_size": 4, "num_labels": 2, "embedding_init_std": 1.0}
    return TextLSTMForSequenceClassification(TextLSTMConfig(**{**settings, **options}))


def texts_of(rows, seed=0):
    """Texts of fillers and one word, anywhere, that decides the label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    texts = []
    for label in labels:
        words = rng.integers(3, 30, rng.integers(2, 6))
        texts.append(np.insert(words, rng.integers(len(words) + 1), KEYS[label]))
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
    return Encoded(np.concatenate(texts).astype(np.int32), offsets), labels


def without(model, layer):
    """The same network built without one layer; the layers above keep their weights."""
    config = model.config
    own = {
        name: getattr(config, name) for name in ("vocab_size", "embedding_size", "hidden_size", "join", "layer_norm")
    }
    smaller = TextLSTMForSequenceClassification(TextLSTMConfig(**own, num_layers=config.num_layers - 1, num_labels=2))
    smaller.lstm.embedding.load_state_dict(model.lstm.embedding.state_dict())
    kept = [number for number in range(config.num_layers) if number != layer - 1]
    for new, old in enumerate(kept):
        smaller.lstm.layers[new].load_state_dict(model.lstm.layers[old].state_dict())
        if new > 0 and config.layer_norm:
            smaller.lstm.layer_norms[new - 1].load_state_dict(model.lstm.layer_norms[old - 1].state_dict())
        if new > 0 and config.join == "residual":
            smaller.lstm.shortcuts[new - 1].load_state_dict(model.lstm.shortcuts[old - 1].state_dict())
    return smaller


@pytest.mark.parametrize(
    ("options", "layer", "tolerance"),
    # Norms and shortcuts belong to the layer above them, and a stack's first layer has none: there layer 2 is tried.
    [({}, 1, 1e-5), ({}, 2, 1e-5), ({"join": "residual"}, 2, 1e-5), ({"layer_norm": True}, 2, 1e-3)],  # a norm twice
    ids=str,
)
def test_a_layer_left_out_is_a_stack_without_it(options, layer, tolerance):
    model, (texts, _) = make_stack(num_layers=3, **options), texts_of(40)
    whole = layer_states(model, texts).pooled[-1]
    with _passing_on(model, layer):
        found = layer_states(model, texts).pooled[-1]
    np.testing.assert_allclose(found, layer_states(without(model, layer), texts).pooled[-1], atol=tolerance)
    assert np.abs(found - whole).max() > 0.01
    np.testing.assert_array_equal(layer_states(model, texts).pooled[-1], whole)  # nothing is left behind


def test_words_that_decide_alone_make_every_layer_needless():
    model = make_stack(num_layers=2, embedding_size=32, hidden_size=16, pooling="mean")
    (fit, answers), (held, truth) = texts_of(400, 1), texts_of(400, 2)
    found = layer_worth(model, fit, answers, held, truth, delta=0.05)
    assert [stack.layers for stack in found.prefixes] == [(), (1,), (1, 2)]
    assert [stack.layers for stack in found.without] == [(2,)]
    assert found.prefixes[0].score.value > 0.97
    assert found.prefixes[0].needless
    assert found.prefixes[-1].difference is None and not found.prefixes[-1].needless
    assert (found.fitted, found.scored) == (400, 400)
    for stack in (*found.prefixes[:-1], *found.without):
        assert stack.difference.value == pytest.approx(stack.score.value - found.prefixes[-1].score.value)
        assert stack.bound < stack.difference.value


def test_the_own_head_is_scored_as_the_model_scores():
    model = make_stack(num_layers=1, head_init_std=1.0)
    (fit, answers), (held, truth) = texts_of(60, 1), texts_of(60, 2)
    found = layer_worth(model, fit, answers, held, truth)
    model.train(False)
    right = []
    for row in range(len(held)):
        with torch.no_grad():
            logits = model(torch.from_numpy(held[row].astype(np.int64))[None]).logits
        right.append(int(logits.argmax()) == truth[row])
    assert found.own_score.value == pytest.approx(np.mean(right))


def test_a_layer_that_is_worth_delta_is_hardly_ever_called_needless():
    """The error that matters: at a true loss of exactly delta, needless in at most alpha of the draws."""
    rng = np.random.default_rng(0)
    texts, delta, draws = 400, 0.02, 600
    called = 0
    for _ in range(draws):
        whole = rng.random(texts) < 0.8
        # Each text that is right is lost with one chance and each wrong one won with another: on average minus delta.
        lost, won = rng.random(texts) < 0.075, rng.random(texts) < 0.2
        reduced = np.where(whole, ~lost, won)
        called += _reduced(reduced.astype(float), whole.astype(float), (1,), 1, delta).needless
    assert 0.8 * 0.075 - 0.2 * 0.2 == pytest.approx(delta)
    assert called / draws <= ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / draws)


def test_equal_scores_on_few_texts_prove_nothing():
    """Without a single difference seen among n texts, a loss of about 3/n cannot be ruled out."""
    right = np.ones(60)
    assert not _reduced(right, right, (1,), 1, 0.01).needless
    many = np.ones(3000)
    assert _reduced(many, many, (1,), 1, 0.01).needless


def test_layers_of_other_width_and_the_first_of_a_dense_stack_stay():
    (fit, answers), (held, truth) = texts_of(60, 1), texts_of(60, 2)
    for options, removable in (
        ({"embedding_size": 5}, [(1, 3)]),
        ({"hidden_size": [4, 3, 4]}, [(2, 3)]),
        ({"join": "dense"}, [(1, 3)]),
    ):
        found = layer_worth(make_stack(num_layers=3, **options), fit, answers, held, truth)
        assert [stack.layers for stack in found.without] == removable


def test_sets_of_labels_must_be_right_as_a_whole():
    model = make_stack(num_layers=1, num_labels=2, problem_type="multi_label_classification")
    (fit, answers), (held, truth) = texts_of(80, 1), texts_of(80, 2)
    sets = [np.stack([labels, 1 - labels], axis=1).astype(bool) for labels in (answers, truth)]
    found = layer_worth(model, fit, sets[0], held, sets[1])
    single = layer_worth(make_stack(num_layers=1), fit, 1 - answers, held, 1 - truth)
    assert found.prefixes[0].score == single.prefixes[0].score


def test_what_cannot_be_told_is_said():
    model, (fit, answers) = make_stack(), texts_of(80)
    with pytest.raises(DataError, match=r"50 texts or more to fit on .* 40 and 80 were found"):
        layer_worth(model, fit.take(np.arange(40)), answers[:40], fit, answers)
    with pytest.raises(DataError, match="all 80 to fit on have one"):
        layer_worth(model, fit, np.zeros(80, dtype=int), fit, answers)
