"""What hiding a word does, against predictions made by hand, and what distance means."""

import numpy as np
import pytest
import torch

from textlstm.analysis.diagnostics.influence import distance_meaning, word_influence
from textlstm.errors import DataError
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.text.encoding import Encoded


def make_stack(**options):
    torch.manual_seed(1)
    settings = {"vocab_size": 30, "embedding_size": 4, "hidden_size": 5, "num_labels": 3, "embedding_init_std": 1.0}
    settings |= {"head_init_std": 1.0, "pooling": "last", "bidirectional": False}
    return TextLSTMForSequenceClassification(TextLSTMConfig(**{**settings, **options}))


def texts_of(lengths, seed=0):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Encoded(np.random.default_rng(seed).integers(1, 30, offsets[-1]).astype(np.int32), offsets)


@pytest.mark.parametrize("end", ["end", "start"])
def test_changes_are_those_of_hiding_one_word_of_one_text(end):
    model, texts = make_stack(), texts_of([6, 3, 6])
    found = word_influence(model, texts, counted_from=end, fewest=2, places=99)
    assert found.distances.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.texts.tolist() == [3, 3, 3, 2, 2, 2]
    assert model.training
    model.train(False)
    for index, distance in enumerate(found.distances):
        changes = []
        for row in range(3):
            ids = torch.tensor(texts[row])[None].long()
            if ids.size(1) <= distance:
                continue
            odds, winner = [], None
            embedded = model.lstm.embedding(ids).detach()
            for hide in (False, True):
                copy = embedded.clone()
                if hide:
                    copy[0, -1 - distance if end == "end" else distance] = 0.0
                p = model(inputs_embeds=copy).logits.softmax(1)[0].double()
                winner = int(p.argmax()) if winner is None else winner
                odds.append(torch.log(p[winner] / (1 - p[winner])).item())
            changes.append(abs(odds[1] - odds[0]))
        assert found.moved[index] == pytest.approx(np.mean(changes), rel=2e-3, abs=1e-5)


def test_a_network_that_forgets_at_once_hears_the_last_word_only():
    model = make_stack()
    with torch.no_grad():
        layer = model.lstm.layers[0]
        layer.weight_hh.zero_()
        layer.bias_ih[:, 5:10] = -60.0  # forget gates shut
        layer.weight_ih[:, 5:10] = 0.0
    found = word_influence(model, texts_of([9] * 12))
    assert found.effective == 0
    assert not found.censored
    assert found.moved[0] > 0
    np.testing.assert_allclose(found.moved[1:], 0.0, atol=1e-5)
    np.testing.assert_allclose(found.gradient[1:], 0.0, atol=1e-6)
    assert found.tests_memory


def test_a_bag_is_moved_alike_everywhere_and_says_so():
    found = word_influence(make_stack(num_layers=0, pooling="mean"), texts_of([8] * 400), texts=400)
    assert found.censored
    assert found.gradient.std() < 0.05 * found.gradient.mean()
    assert not found.tests_memory


def test_only_a_last_state_of_one_direction_tests_memory():
    for pooling in ("max", "mean", "attention", "concat", "layer_mix"):
        assert not distance_meaning(pooling, bidirectional=False, layers=2, end="end")[0]
    assert distance_meaning("last", bidirectional=False, layers=1, end="end")[0]
    assert not distance_meaning("last", bidirectional=True, layers=1, end="end")[0]
    assert not distance_meaning("last", bidirectional=False, layers=1, end="start")[0]


def test_too_few_texts_are_refused():
    with pytest.raises(DataError, match="8 texts or more, and 3"):
        word_influence(make_stack(), texts_of([4, 4, 4, 0]))
