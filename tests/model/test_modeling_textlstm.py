"""The models: invariant to padding and batches, every option live, every combination trainable."""

import dataclasses
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification, TextLSTMModel

JOINS = ["plain", "residual", "dense"]
POOLINGS = ["last", "mean", "max", "attention", "concat", "layer_mix"]
NO_DROPOUT = {
    "embedding_dropout": 0.0,
    "input_dropout": 0.0,
    "layer_dropout": 0.0,
    "recurrent_dropout": 0.0,
    "output_dropout": 0.0,
}
TINY = {"vocab_size": 30, "embedding_size": 5, "hidden_size": 4, "num_layers": 2}


def make_model(**changes):
    torch.manual_seed(0)
    return TextLSTMForSequenceClassification(TextLSTMConfig(**{**TINY, "num_labels": 3, **changes}))


def make_lively_model(**changes):
    """An evaluation model with all parameters away from zero, biases too, so that no mistake hides."""
    model = make_model(**changes).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return model


def pad(texts, *, time, left=False):
    rows = [[0] * (time - len(text)) + text if left else text + [0] * (time - len(text)) for text in texts]
    return torch.tensor(rows)


TEXTS = [[3, 4, 5, 6, 7], [8, 9], [10], [11, 12, 13, 3], [14, 15, 16, 17, 18]]


@pytest.mark.parametrize(("join", "pooling"), list(itertools.product(JOINS, POOLINGS)))
def test_logits_do_not_depend_on_padding_or_company(join, pooling):
    model = make_lively_model(join=join, pooling=pooling, layer_norm=True)
    with torch.no_grad():
        logits = model(pad(TEXTS, time=5)).logits
        same = {
            "extra padding": model(pad(TEXTS, time=55)).logits,
            "left padding": model(pad(TEXTS, time=9, left=True)).logits,
            "order": model(pad(TEXTS[::-1], time=5)).logits.flip(0),
            "alone": torch.cat([model(torch.tensor([text])).logits for text in TEXTS]),
            "a mask": model(pad(TEXTS, time=5) + 0, attention_mask=(pad(TEXTS, time=5) != 0).long()).logits,
        }
    assert logits.std(dim=0).min() > 1e-3
    for what, others in same.items():
        torch.testing.assert_close(others, logits, atol=1e-5, rtol=1e-5, msg=lambda text, what=what: f"{what}: {text}")


@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    shift=st.integers(0, 3),
    pooling=st.sampled_from(POOLINGS),
)
@settings(deadline=None, max_examples=40)
def test_masked_words_are_not_read_wherever_they_stand(lengths, shift, pooling):
    model = make_lively_model(pooling=pooling)
    generator = torch.Generator().manual_seed(sum(lengths))
    texts = [torch.randint(1, 30, (length,), generator=generator).tolist() for length in lengths]
    rows, masks = [], []
    for text in texts:
        rows.append([7] * shift + text + [9] * (6 - len(text)))
        masks.append([0] * shift + [1] * len(text) + [0] * (6 - len(text)))
    with torch.no_grad():
        logits = model(torch.tensor(rows), attention_mask=torch.tensor(masks)).logits
        expected = model(pad(texts, time=6)).logits
    assert logits.isfinite().all()
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def test_hidden_states_are_the_embeddings_and_every_layer_in_the_places_of_the_words():
    model = make_lively_model(num_layers=3).lstm
    output = model(pad(TEXTS, time=5), output_hidden_states=True)
    assert [tuple(states.shape) for states in output.hidden_states] == [(5, 5, 5), (5, 5, 8), (5, 5, 8), (5, 5, 8)]
    assert torch.equal(output.hidden_states[-1], output.last_hidden_state)
    torch.testing.assert_close(output.hidden_states[0], model.embedding(pad(TEXTS, time=5)))
    left = model(pad(TEXTS, time=7, left=True), output_hidden_states=True)
    for states, others in zip(output.hidden_states[1:], left.hidden_states[1:], strict=True):
        for row, text in enumerate(TEXTS):
            torch.testing.assert_close(others[row, 7 - len(text) :], states[row, : len(text)], atol=1e-5, rtol=1e-5)
            assert (others[row, : 7 - len(text)] == 0).all()
    assert output.pooler_output.shape == (5, 8)
    assert TextLSTMModel(model.config, add_pooling_layer=False)(pad(TEXTS, time=5)).pooler_output is None
    assert isinstance(model(pad(TEXTS, time=5), return_dict=False), tuple)


def test_one_direction_never_sees_what_comes_later():
    model = make_lively_model(bidirectional=False).lstm
    states = model(torch.tensor([[3, 4, 5, 6]])).last_hidden_state
    changed = model(torch.tensor([[3, 4, 9, 8]])).last_hidden_state
    assert torch.equal(states[:, :2], changed[:, :2])
    assert not torch.allclose(states[:, 2:], changed[:, 2:])


def test_joins_read_and_give_what_they_say():
    sizes = {"hidden_size": [4, 4, 3], "num_layers": 3}
    plain, residual, dense = (make_model(join=join, **sizes).lstm for join in JOINS)
    assert [layer.input_size for layer in plain.layers] == [5, 8, 8]
    assert [layer.input_size for layer in dense.layers] == [5, 13, 21]
    assert [type(shortcut) for shortcut in residual.shortcuts] == [nn.Identity, nn.Linear]
    states = residual.eval()(torch.tensor([[3, 4, 5]]), output_hidden_states=True).hidden_states
    own = residual.layers[1](states[1], torch.tensor([3]))
    torch.testing.assert_close(states[2], states[1] + own)


def test_recurrent_dropout_reaches_all_matrices():
    model = make_model(num_layers=3, **{**NO_DROPOUT, "recurrent_dropout": 0.5})
    model(pad(TEXTS, time=5), labels=torch.zeros(5, dtype=torch.long)).loss.backward()
    matrices = [matrix for layer in model.lstm.layers for matrix in layer.weight_hh.grad]
    assert len(matrices) == 6
    for matrix in matrices:
        assert 0.2 < (matrix == 0).float().mean() < 0.8


def test_depth_one_has_nothing_between_layers_and_says_nothing():
    """Warnings are errors in this suite, so building and training in silence is the test."""
    for join, layer_norm in itertools.product(JOINS, [False, True]):
        model = make_model(num_layers=1, join=join, layer_norm=layer_norm, **{**NO_DROPOUT, "layer_dropout": 0.5})
        assert not list(model.lstm.layer_norms) + list(model.lstm.shortcuts)
        ids = pad(TEXTS, time=5)
        assert torch.equal(model(ids).logits, model(ids).logits)  # in training mode: no between, no dropout


@pytest.mark.parametrize(
    ("join", "pooling", "bidirectional", "activation"),
    list(itertools.product(JOINS, POOLINGS, [True, False], ["tanh", "relu"])),
)
def test_every_combination_trains(join, pooling, bidirectional, activation):
    model = make_model(
        join=join,
        pooling=pooling,
        bidirectional=bidirectional,
        activation=activation,
        layer_norm=True,
        recurrent_dropout=0.2,
    )
    model(pad([*TEXTS, []], time=6), labels=torch.tensor([0, 1, 2, 0, 1, 2])).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def observe(config):
    """All that a setting may change, for one seed: shapes, initial values, logits in evaluation and training, loss."""
    torch.manual_seed(0)
    model = TextLSTMForSequenceClassification(config)
    ids = pad(TEXTS, time=5)
    labels = torch.tensor([0, 1, 2, 0, 1])
    model.eval()
    with torch.no_grad():
        evaluated = model(ids, labels=labels)
        model.train()
        torch.manual_seed(0)
        trained = model(ids)
    return {
        "shapes": {name: tuple(parameter.shape) for name, parameter in model.named_parameters()},
        "init": [parameter.sum().item() for parameter in model.parameters()],
        "evaluation": evaluated.logits.tolist(),
        "training": trained.logits.tolist(),
        "loss": evaluated.loss.item(),
        "whole": model.lstm(ids).last_hidden_state is not None,
    }


ALIVE = {
    "vocab_size": (40, "shapes"),
    "embedding_size": (6, "shapes"),
    "num_layers": (3, "shapes"),
    "hidden_size": (3, "shapes"),
    "bidirectional": (False, "shapes"),
    "layer_norm": (True, "shapes"),
    "pooling": ("concat", "shapes"),
    "join": ("dense", "shapes"),
    "pad_token_id": (3, "evaluation"),
    "activation": ("softsign", "evaluation"),
    "gate_activation": ("hard_sigmoid", "evaluation"),
    "forget_bias": (2.0, "init"),
    "embedding_init_std": (0.5, "init"),
    "head_init_std": (0.5, "init"),
    "embedding_dropout": (0.5, "training"),
    "input_dropout": (0.5, "training"),
    "layer_dropout": (0.5, "training"),
    "recurrent_dropout": (0.5, "training"),
    "output_dropout": (0.5, "training"),
    "class_weights": ([1.0, 2.0, 5.0], "loss"),
    "label_smoothing": (0.2, "loss"),
    "window": (2, "whole"),
}
ORDER = ["shapes", "init", "evaluation", "training", "loss"]


@pytest.mark.parametrize("name", ALIVE)
def test_every_option_changes_what_it_should(name):
    value, effect = ALIVE[name]
    settings_before = {**TINY, "num_labels": 3, **NO_DROPOUT}
    before = observe(TextLSTMConfig(**settings_before))
    after = observe(TextLSTMConfig(**{**settings_before, name: value}))
    assert before[effect] != after[effect]
    if effect == "training":
        untouched = ["shapes", "init", "evaluation", "loss"]
    elif effect == "whole":  # tests/model/test_windows.py holds the rest, which is equal but for rounding
        untouched = ["shapes", "init"]
    elif effect == "loss":
        untouched = ["shapes", "init", "evaluation", "training"]
    else:
        untouched = ORDER[: ORDER.index(effect)]
        untouched = [what for what in untouched if not (name == "pad_token_id" and what == "init")]  # its zero row
    for what in untouched:
        assert before[what] == after[what], f"{name} also changed the {what}"


def test_no_option_is_without_a_test():
    own = {field.name for field in dataclasses.fields(TextLSTMConfig)}
    inherited = {field.name for field in dataclasses.fields(TextLSTMConfig.__mro__[1])}
    assert own - inherited == set(ALIVE)


@pytest.mark.parametrize(("pooling", "join"), [*itertools.product(POOLINGS, ["residual"]), ("layer_mix", "dense")])
def test_choices_differ_from_one_another(pooling, join):
    ids = pad(TEXTS, time=5)
    other = make_model(pooling="max", join="plain").eval()(ids).logits
    if (pooling, join) != ("max", "plain"):
        assert not torch.allclose(make_model(pooling=pooling, join=join).eval()(ids).logits, other)


def test_losses_are_the_weighted_smoothed_ones():
    ids, labels = pad(TEXTS, time=5), torch.tensor([0, 1, 2, 0, 1])
    weights = torch.tensor([1.0, 2.0, 0.5])
    single = make_lively_model(class_weights=weights.tolist(), label_smoothing=0.1)(ids, labels=labels)
    expected = functional.cross_entropy(single.logits, labels, weight=weights, label_smoothing=0.1)
    torch.testing.assert_close(single.loss, expected)

    answers = functional.one_hot(labels, 3)
    multi = make_lively_model(
        class_weights=weights.tolist(), label_smoothing=0.1, problem_type="multi_label_classification"
    )(ids, labels=answers)
    expected = functional.binary_cross_entropy_with_logits(multi.logits, answers * 0.9 + 0.05, pos_weight=weights)
    torch.testing.assert_close(multi.loss, expected)
    boolean = make_lively_model(problem_type="multi_label_classification")(ids, labels=answers.bool())
    assert boolean.loss.isfinite()


def test_initial_weights_are_ours_and_not_the_librarys():
    model = make_model(num_layers=2, hidden_size=8, layer_norm=True, join="residual", pooling="attention")
    for layer in model.lstm.layers:
        assert (layer.bias_ih[:, 8:16] == 1).all()
        assert layer.bias_hh.abs().sum() == 0
        for gate in layer.weight_hh.detach().view(-1, 8, 8):
            torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-5, rtol=0)
    assert model.lstm.embedding.weight[0].abs().sum() == 0
    assert 0.08 < model.lstm.embedding.weight[1:].std() < 0.12
    assert model.classifier.weight.std() < 0.04
    # The first guess is near even odds: the loss of knowing nothing.
    loss = model.eval()(pad(TEXTS, time=5), labels=torch.tensor([0, 1, 2, 0, 1])).loss
    assert abs(loss.item() - torch.tensor(3.0).log().item()) < 0.05


def test_it_can_be_built_without_memory():
    with torch.device("meta"):
        model = make_model(pooling="layer_mix", join="residual", layer_norm=True)
    assert all(parameter.is_meta for parameter in model.parameters())


def test_embeddings_can_be_given_and_replaced():
    model = make_lively_model()
    ids = pad(TEXTS, time=5)
    given_embeddings = model(inputs_embeds=model.get_input_embeddings()(ids), attention_mask=(ids != 0).long())
    torch.testing.assert_close(given_embeddings.logits, model(ids).logits)
    assert model(inputs_embeds=torch.randn(2, 4, 5)).logits.shape == (2, 3)
    assert isinstance(model.get_input_embeddings(), nn.Embedding)
    replacement = nn.Embedding(30, 5)
    model.set_input_embeddings(replacement)
    assert model.lstm.embedding is replacement
    with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
        model(ids, inputs_embeds=torch.randn(2, 4, 5))


def test_a_sparse_embedding_gets_sparse_gradients_of_the_same_value():
    ids, labels = pad(TEXTS, time=5), torch.tensor([0, 1, 2, 0, 1])
    dense, sparse = make_model(**NO_DROPOUT), make_model(**NO_DROPOUT)
    sparse.get_input_embeddings().sparse = True
    for model in (dense, sparse):
        model(ids, labels=labels).loss.backward()
    gradient = sparse.get_input_embeddings().weight.grad
    assert gradient.is_sparse
    torch.testing.assert_close(gradient.to_dense(), dense.get_input_embeddings().weight.grad)


def test_a_batch_of_nothing_but_empty_texts_is_answered():
    model = make_lively_model()
    answer = model(torch.zeros(2, 3, dtype=torch.long)).logits
    torch.testing.assert_close(model(torch.zeros(2, 0)).logits, answer)  # as a tokenizer gives [""]: floats
    torch.testing.assert_close(model(inputs_embeds=torch.zeros(2, 0, 5)).logits, answer)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_precision_trains_and_stays_near(dtype):
    model = make_lively_model(layer_norm=True, pooling="attention")
    ids, labels = pad(TEXTS, time=5), torch.tensor([0, 1, 2, 0, 1])
    exact = model(ids).logits
    with torch.autocast("cpu", dtype=dtype):
        output = model(ids, labels=labels)
    assert output.loss.dtype == torch.float32
    output.loss.backward()
    torch.testing.assert_close(output.logits.float(), exact, atol=0.1, rtol=0)


@pytest.mark.parametrize(
    ("settings_given", "found"),
    [
        ({"problem_type": "regression", "num_labels": 1}, "but is regression"),
        ({"num_labels": 1}, "num_labels must be at least 2"),
        ({"class_weights": [1.0]}, "one weight for each of the 3 labels, but holds 1"),
    ],
)
def test_what_cannot_be_classified_is_refused(settings_given, found):
    with pytest.raises(ValueError, match=found):
        make_model(**settings_given)


@pytest.mark.parametrize("pooling", [pooling for pooling in POOLINGS if pooling != "layer_mix"])
def test_without_layers_the_embeddings_themselves_are_pooled(pooling):
    model = make_lively_model(num_layers=0, pooling=pooling)
    with torch.no_grad():
        logits = model(pad(TEXTS, time=8)).logits
        if pooling == "mean":
            means = torch.stack([model.lstm.embedding(torch.tensor(text)).mean(0) for text in TEXTS])
            torch.testing.assert_close(logits, model.classifier(means))
        order = model(pad([text[::-1] for text in TEXTS], time=8)).logits
    assert logits.std(dim=0).min() > 1e-3
    if pooling in ("mean", "max"):  # a bag of words has no order
        torch.testing.assert_close(order, logits)
