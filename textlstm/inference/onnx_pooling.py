"""Poolings as nodes of an ONNX graph: what `textlstm.model.pooling` computes, on (time, batch, features)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from textlstm.inference.onnx_nodes import GraphNodes

if TYPE_CHECKING:
    from textlstm.model import TextLSTMConfig


def pool_states(nodes: GraphNodes, config: TextLSTMConfig, layers: list[str], valid: str, lengths: str) -> str:
    """Make one vector a text of its states; a text without words gets zeros.

    Args:
        nodes: the graph so far.
        config: the model's settings.
        layers: names of each layer's states, (time, batch, width), lowest first.
        valid: name of the places of words, (time, batch, 1) bool.
        lengths: name of the words in each text, (batch,) int64.

    Returns:
        Name of the vectors, (batch, pooled width).
    """
    name, top = config.pooling, layers[-1]
    if name == "attention":
        return _pool_attention(nodes, top, valid)
    if name == "layer_mix":
        weights = np.exp(nodes.weights["lstm.pooling.layer_mix.weights"])
        shares = (weights / weights.sum()).astype(np.float32)
        scaled = [
            nodes.add("Mul", [states, nodes.number(f"share_{index}", float(share))])
            for index, (states, share) in enumerate(zip(layers, shares, strict=True))
        ]
        mixed = nodes.add("Sum", scaled)
        parts = [_pool_mean(nodes, mixed, valid, lengths), _pool_max(nodes, mixed, valid, lengths)]
    else:
        # How many features read forward, the others backward; None where all of them read forward.
        half = config.layer_widths[-1] // 2 if config.bidirectional and config.num_layers else None
        write = {
            "last": lambda: _pool_last(nodes, top, lengths, half),
            "mean": lambda: _pool_mean(nodes, top, valid, lengths),
            "max": lambda: _pool_max(nodes, top, valid, lengths),
        }
        parts = [write[pool]() for pool in (("last", "mean", "max") if name == "concat" else (name,))]
    return nodes.add("Concat", parts, axis=1) if len(parts) > 1 else parts[0]


def _pool_last(nodes: GraphNodes, states: str, lengths: str, half: int | None) -> str:
    """Take each direction's state at the end of its way."""
    final = nodes.add("Max", [nodes.add("Sub", [lengths, nodes.one]), nodes.no_word])
    by_text = nodes.add("Transpose", [states], perm=[1, 0, 2])
    last = nodes.add("GatherND", [by_text, nodes.add("Unsqueeze", [final, nodes.axis(1)])], batch_dims=1)
    if half is not None:
        middle = nodes.constant("half", np.array([half], dtype=np.int64))
        end = nodes.constant("width", np.array([2 * half], dtype=np.int64))
        forward = nodes.add("Slice", [last, nodes.axis(0), middle, nodes.axis(1)])
        first = nodes.add("Slice", [states, nodes.axis(0), nodes.axis(1), nodes.axis(0)])
        first = nodes.add("Squeeze", [first, nodes.axis(0)])
        last = nodes.add("Concat", [forward, nodes.add("Slice", [first, middle, end, nodes.axis(1)])], axis=1)
    return nodes.add("Where", [_any_word(nodes, lengths), last, nodes.zero])


def _pool_mean(nodes: GraphNodes, states: str, valid: str, lengths: str) -> str:
    """Average over a text's words."""
    words = nodes.add("Where", [valid, states, nodes.zero])
    counts = nodes.add("Cast", [nodes.add("Max", [lengths, nodes.one])], to=TensorProto.FLOAT)
    total = nodes.add("ReduceSum", [words, nodes.axis(0)], keepdims=0)
    return nodes.add("Div", [total, nodes.add("Unsqueeze", [counts, nodes.axis(1)])])


def _pool_max(nodes: GraphNodes, states: str, valid: str, lengths: str) -> str:
    """Take each feature's largest value over a text's words."""
    lowest = nodes.lowest
    words = nodes.add("Where", [valid, states, lowest])
    # Not ReduceMax over time, which ONNX Runtime computes number by number: 3 to 4 times slower, a tenth of an answer.
    by_feature = nodes.add("Transpose", [words], perm=[1, 2, 0])
    largest = nodes.add("Squeeze", [nodes.add("GlobalMaxPool", [by_feature]), nodes.axis(2)])
    return nodes.add("Where", [_any_word(nodes, lengths), largest, nodes.zero])


def _pool_attention(nodes: GraphNodes, states: str, valid: str) -> str:
    """Weigh a text's words and add them up."""
    place = "lstm.pooling.attention."
    seen = nodes.add("Tanh", [nodes.multiply(states, f"{place}project.weight", f"{place}project.bias")])
    query = nodes.constant(f"{place}query", nodes.weights[f"{place}query.weight"].T)
    scores = nodes.add("MatMul", [seen, query])
    masked = nodes.add("Where", [valid, scores, nodes.lowest])
    # A text without words has even weights here, all of them on padding.
    shares = nodes.add("Where", [valid, nodes.add("Softmax", [masked], axis=0), nodes.zero])
    return nodes.add("ReduceSum", [nodes.add("Mul", [states, shares]), nodes.axis(0)], keepdims=0)


def _any_word(nodes: GraphNodes, lengths: str) -> str:
    """Tell texts with words, (batch, 1) bool."""
    some = nodes.add("Greater", [lengths, nodes.no_word])
    return nodes.add("Unsqueeze", [some, nodes.axis(1)])
