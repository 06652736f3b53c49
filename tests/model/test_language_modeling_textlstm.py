"""The language models: no direction sees what it predicts, windows change nothing, and a classifier takes them over."""

import pytest
import torch

from textlstm.model import TextLSTMConfig, TextLSTMForLanguageModeling, TextLSTMForSequenceClassification

JOINS = ["plain", "residual", "dense"]


def model_of(**changes):
    torch.manual_seed(0)
    settings = {"vocab_size": 20, "embedding_size": 5, "hidden_size": 4, "num_layers": 3} | changes
    config = TextLSTMConfig(**settings)
    return TextLSTMForLanguageModeling(config).eval()


def texts(rows=3, time=9):
    return torch.randint(1, 20, (rows, time), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("activation", ["tanh", "softsign"])
def test_no_direction_sees_the_word_that_it_predicts_nor_any_behind_it(join, activation):
    model, ids = model_of(join=join, activation=activation), texts()
    before = model(ids).last_hidden_state
    changed = ids.clone()
    changed[:, 5] = changed[:, 5] % 19 + 1
    after = model(changed).last_hidden_state
    moved = (before - after).abs().amax(dim=0)  # (time, features)
    assert moved[:5, :4].max() == 0  # forward: what comes before does not know
    assert moved[6:, 4:].max() == 0  # backward: what comes behind does not know
    assert moved[5:, :4].amin(dim=0).max() > 0
    assert moved[:6, 4:].amin(dim=0).max() > 0


@pytest.mark.parametrize("join", JOINS)
def test_a_classifier_takes_the_weights_over_by_name_and_reads_the_same(join, tmp_path):
    model = model_of(join=join)
    model.save_pretrained(tmp_path)
    classifier = TextLSTMForSequenceClassification.from_pretrained(tmp_path, num_labels=2).eval()
    ids = texts()
    ids[1, 4:] = 0
    torch.testing.assert_close(classifier.lstm(ids).last_hidden_state, model(ids).last_hidden_state)


@pytest.mark.parametrize("join", JOINS)
def test_weights_between_the_directions_rest(join):
    model = model_of(join=join).train()
    model(texts()).loss.backward()
    for layer in model.lstm.layers[1:]:
        zero = layer.weight_ih == 0
        assert 0 < zero.float().mean() < 1
        assert layer.weight_ih.grad[zero].abs().max() == 0
        assert (layer.weight_ih.grad[~zero] != 0).float().mean() > 0.9


@pytest.mark.parametrize("activation", ["tanh", "softsign"])
def test_windows_with_carried_states_read_like_the_whole(activation):
    model, ids = model_of(activation=activation), texts()
    whole = model.read(ids, 1).features
    first = model.read(ids[:, :4], 1)
    second = model.read(ids[:, 4:], 1, first.states)
    torch.testing.assert_close(torch.cat([first.features, second.features]), whole)


def test_the_loss_is_that_of_texts_one_by_one_and_padding_does_not_count():
    model, ids = model_of(), texts()
    ids[0, 6:] = 0
    alone = [
        model(ids[:1, :6]).direction_losses * 5,
        *(model(ids[row : row + 1]).direction_losses * 8 for row in (1, 2)),
    ]
    torch.testing.assert_close(model(ids).direction_losses, sum(alone) / 21)


def test_embeddings_are_the_rows_of_the_softmax():
    model = model_of(num_layers=1)
    features = model.read(texts(), 0).features
    rows = torch.tensor([3, 7])
    torch.testing.assert_close(model.scores(features, 0, rows), model.scores(features, 0)[..., rows])
    model(texts()).loss.backward()
    assert model.lstm.embedding.weight.grad[1:].abs().sum(dim=1).min() > 0  # unread words too: the softmax has them


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"num_layers": 0}, "num_layers"),
        ({"layer_norm": True}, "layer_norm"),
        ({"join": "residual", "hidden_size": [4, 5, 4]}, "hidden_size"),
    ],
)
def test_stacks_whose_directions_would_mix_are_refused(changes, word):
    with pytest.raises(ValueError, match=word):
        model_of(**changes)


def test_one_direction_alone_may_have_norms():
    model = model_of(bidirectional=False, layer_norm=True)
    assert model(texts()).direction_losses.shape == (1,)
