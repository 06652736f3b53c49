"""The graph that is written down answers as torch does, for every join, pooling, activation, length and batch."""

from collections import Counter

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.errors import RecipeError
from textlstm.inference.onnx_graph import build_graph
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.model.configuration_textlstm import ACTIVATIONS, GATE_ACTIVATIONS, JOINS, POOLINGS

VOCABULARY = 30


def make(*, std=0.5, **options):
    """A model whose weights are large enough for wrong paths to show."""
    given = {"vocab_size": VOCABULARY, "embedding_size": 6, "hidden_size": 5, "num_layers": 2, "num_labels": 3}
    torch.manual_seed(1)
    model = TextLSTMForSequenceClassification(TextLSTMConfig(**{**given, **options})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=std)
        model.lstm.embedding.weight[0] = 0.0  # padding
    return model


def graph_of(model, **options):
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return build_graph(model.config, weights, **options)


def session_of(model, **options):
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3
    quiet.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph_of(model, **options).SerializeToString(), quiet)


def answers(model, session, ids, mask):
    (found,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
    with torch.inference_mode():
        expected = model(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).logits.numpy()
    return expected, found


def batch_of(lengths, *, width, left=(), seed=0):
    """Ids and mask of rows of these lengths; those in `left` are padded in front."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((len(lengths), width), np.int64)
    for row, length in enumerate(lengths):
        start = width - length if row in left else 0
        mask[row, start : start + length] = 1
    return np.where(mask, rng.integers(1, VOCABULARY, mask.shape), 0), mask


# Only what is above 1 passes the one; the other grows from step to step, and ONNX Runtime's overflows above 88.
STD = {"thresholded_relu": 1.0, "softplus": 0.2}
SETTINGS = [
    *({"join": join, "pooling": pooling} for join in JOINS for pooling in POOLINGS),
    *({"pooling": pooling, "bidirectional": False, "join": "residual"} for pooling in POOLINGS),
    *({"activation": activation, "pooling": "concat", "std": STD.get(activation, 0.5)} for activation in ACTIVATIONS),
    *({"gate_activation": gate, "activation": ["elu", "tanh"]} for gate in GATE_ACTIVATIONS),
    *({"layer_norm": True, "join": join, "num_layers": 3} for join in JOINS),
    {"hidden_size": [4, 7, 3], "num_layers": 3, "join": "residual", "pooling": "last"},
    *({"num_layers": 0, "pooling": pooling} for pooling in POOLINGS if pooling != "layer_mix"),
]


@pytest.mark.parametrize("options", SETTINGS, ids=lambda options: " ".join(map(str, options.values())))
def test_every_model_answers_alike_in_both_precisions(options):
    model = make(**options)
    ids, mask = batch_of([9, 1, 0, 5, 12, 7], width=12, left={1, 3})
    expected, found = answers(model, session_of(model), ids, mask)
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1.0, np.abs(expected).max()))
    assert np.ptp(expected, axis=0).min() > 1e-2  # the rows differ, so agreement says something
    _, rough = answers(model, session_of(model, int8=True), ids, mask)
    assert np.abs(rough - expected).max() < 0.15 * max(1.0, np.abs(expected).max())
    # In 8 bits something is lost; without layers and attention only where the table is rounded.
    assert not np.array_equal(rough, found)


@pytest.fixture(scope="module")
def stack():
    model = make(pooling="concat", join="dense")
    return model, session_of(model)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=9), st.integers(0, 5), st.sets(st.integers(0, 8)))
@settings(deadline=None, max_examples=40)
def test_one_graph_takes_all_lengths_batch_sizes_and_paddings(stack, lengths, more, left):
    ids, mask = batch_of(lengths, width=max(lengths) + more, left=left, seed=len(lengths))
    expected, found = answers(*stack, ids, mask)
    assert found.shape == (len(lengths), 3)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_padding_and_neighbors_change_nothing_in_32_bits(stack):
    _, session = stack
    ids, mask = batch_of([6, 3, 11], width=11)
    whole = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
    for row, length in enumerate(mask.sum(1)):
        alone = session.run(
            None, {"input_ids": ids[row : row + 1, :length], "attention_mask": mask[row : row + 1, :length]}
        )
        np.testing.assert_allclose(alone[0][0], whole[row], atol=1e-5)


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_a_layer_is_one_operator_and_8_bits_a_quarter(layers, int8):
    model = make(num_layers=layers, vocab_size=5000, embedding_size=64, hidden_size=64)
    graph = graph_of(model, int8=int8, metadata={"labels": '["a"]'})
    found = Counter(node.op_type for node in graph.graph.node)
    name, other = ("DynamicQuantizeLSTM", "LSTM") if int8 else ("LSTM", "DynamicQuantizeLSTM")
    assert (found[name], found[other]) == (layers, 0)
    full = sum(parameter.numel() * 4 for parameter in model.parameters())
    assert len(graph.SerializeToString()) < full * (0.28 if int8 else 1.02)
    assert {entry.key: entry.value for entry in graph.metadata_props} == {"labels": '["a"]'}
    assert [value.name for value in (*graph.graph.input, *graph.graph.output)] == [
        "input_ids",
        "attention_mask",
        "logits",
    ]


@pytest.mark.parametrize(("embedding", "most"), [(128, 3.5e6), (200, 5e6)])
def test_two_layers_of_128_over_20_000_words_are_a_few_megabytes(embedding, most):
    model = make(num_layers=2, hidden_size=128, embedding_size=embedding, vocab_size=20_000, num_labels=10)
    assert 0.9 * most < len(graph_of(model, int8=True).SerializeToString()) < most


def test_seven_bits_by_default_and_eight_by_option():
    model = make()
    for full, largest in ((False, 63), (True, 127)):
        graph = graph_of(model, int8=True, full_range=full)
        tables = {entry.name: np.frombuffer(entry.raw_data, np.int8) for entry in graph.graph.initializer}
        matrices = [np.abs(t.astype(int)).max() for name, t in tables.items() if "weight_hh_int8" in name]
        assert matrices == [largest, largest]
        # Processors without VNNI add pairs of products of activations (up to 255) and weights in 16 bits.
        assert (2 * 255 * max(matrices) <= np.iinfo(np.int16).max) == (not full)
        assert np.abs(tables["lstm.embedding.weight_int8"].astype(int)).max() == 127  # looked up, never multiplied


def test_operator_sets_that_do_not_exist_are_refused():
    for opset in (17, 99):
        with pytest.raises(RecipeError, match="--opset should be from 18"):
            graph_of(make(), opset=opset)
    model = make()
    ids, mask = batch_of([3, 4], width=4)
    for opset in (18, 21):
        expected, found = answers(model, session_of(model, opset=opset), ids, mask)
        np.testing.assert_allclose(found, expected, atol=1e-4)
