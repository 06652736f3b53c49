"""A classifier as one ONNX graph for all lengths and batch sizes, written down from its settings and weights.

The graph is built, not traced: every layer is one LSTM operator with `sequence_lens`, whose weights are plain
constants, so that an int8 graph has one DynamicQuantizeLSTM a layer. A trace of the torch model computes these weights
inside the graph, where no quantizer finds them, and follows one branch of what depends on the data. The price is that
poolings and joins stand here a second time; tests compare every combination, and every export is compared on texts.

Inputs are `input_ids` and `attention_mask`, (batch, time) int64, padded anywhere; the output is `logits`,
(batch, labels) float32. Inside, tensors are (time, batch, features), as the LSTM operator wants them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from textlstm.errors import MissingExtraError, RecipeError

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise MissingExtraError("onnx", "onnx") from error

from textlstm.inference.int8 import quantize_rows
from textlstm.inference.onnx_nodes import Array, GraphNodes
from textlstm.inference.onnx_pooling import pool_states

if TYPE_CHECKING:
    from textlstm.model import TextLSTMConfig

DEFAULT_OPSET = 18
"""The oldest operator set that has all that is needed: what is written in it runs in the most places."""
_IR_VERSION = 10  # read by ONNX Runtime from 1.18 on; newer forms add nothing that is used here
_OPERATOR_OF = {
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "leaky_relu": "LeakyRelu",
    "thresholded_relu": "ThresholdedRelu",
    "elu": "Elu",
    "softsign": "Softsign",
    "softplus": "Softplus",
    "hard_sigmoid": "HardSigmoid",
}
# Their constants are ONNX's defaults, and yet are written out: ONNX Runtime's LSTM takes 0 for ThresholdedRelu's.
_ALPHA = {"LeakyRelu": 0.01, "ThresholdedRelu": 1.0, "Elu": 1.0, "HardSigmoid": 0.2}
_BETA = {"HardSigmoid": 0.5}
_WORD = 1 << 40  # what a word's place in the order counts more than padding's; beyond any length


def build_graph(
    config: TextLSTMConfig,
    weights: Mapping[str, Array],
    *,
    int8: bool = False,
    full_range: bool = False,
    opset: int = DEFAULT_OPSET,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """Write a classifier down as an ONNX model.

    Args:
        config: the model's settings.
        weights: float32 arrays by their names in `TextLSTMForSequenceClassification.state_dict()`.
        int8: whether the embedding table and all matrices but the classifier's are 8-bit numbers, each row (of a
            matrix: each output) with a scale of its own; the activations are quantized as they come.
        full_range: whether 8-bit matrices use all 8 bits. By default they use 7: a processor with AVX2 or AVX-512 but
            without VNNI adds pairs of products in 16 bits, which 8-bit weights can overflow.
        opset: version of ONNX's operators.
        metadata: what to write into the file beside the graph.

    Returns:
        The model, checked.

    Raises:
        RecipeError: the installed onnx knows no such operator set, or it is too old.
    """
    newest = onnx.defs.onnx_opset_version()
    if not DEFAULT_OPSET <= opset <= newest:
        raise RecipeError(
            f"--opset should be from {DEFAULT_OPSET} to {newest} with onnx {onnx.__version__}, and {opset} was asked"
            f" for; {DEFAULT_OPSET} runs in the most places."
        )
    nodes = GraphNodes(weights, int8=int8, full_range=full_range)
    _Network(config, nodes).write()
    graph = helper.make_graph(
        nodes.nodes,
        "textlstm",
        [_value("input_ids", TensorProto.INT64, "time"), _value("attention_mask", TensorProto.INT64, "time")],
        [_value("logits", TensorProto.FLOAT, config.num_labels or 0)],
        [numpy_helper.from_array(array, name) for name, array in nodes.constants.items()],
    )
    operators = [helper.make_opsetid("", opset)]
    if nodes.contributed:
        operators.append(helper.make_opsetid("com.microsoft", 1))
    model = helper.make_model(graph, producer_name="textlstm", opset_imports=operators, ir_version=_IR_VERSION)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model)
    return model


def _value(name: str, kind: int, width: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["batch", width])


class _Network:
    """Writes one classifier down, in the order in which the model computes."""

    def __init__(self, config: TextLSTMConfig, nodes: GraphNodes) -> None:
        self.config, self.nodes = config, nodes

    def write(self) -> None:
        """Write all nodes, the last of which gives `logits`."""
        ids, valid, lengths = self.right_padded()
        embedded = self.embed(ids)
        # Without layers the embeddings are what is pooled.
        pooled = pool_states(self.nodes, self.config, self.read(embedded, lengths) or [embedded], valid, lengths)
        classifier = [self.nodes.weight("classifier.weight"), self.nodes.weight("classifier.bias")]
        self.nodes.add("Gemm", [pooled, *classifier], name="logits", transB=1)

    def right_padded(self) -> tuple[str, str, str]:
        """Put every text's words in front of its padding.

        Returns:
            Names of the ids (time, batch), the places of words (time, batch, 1) bool, and the lengths (batch,) int64.
        """
        nodes = self.nodes
        pads = nodes.constant("one_column", np.array([0, 0, 0, 1], dtype=np.int64))  # for texts without any token
        ids = nodes.add("Pad", ["input_ids", pads, nodes.number("pad_id", self.config.pad_token_id, np.int64)])
        words = nodes.add("Cast", [nodes.add("Cast", ["attention_mask"], to=TensorProto.BOOL)], to=TensorProto.INT64)
        words = nodes.add("Pad", [words, pads, nodes.no_word])
        lengths = nodes.add("ReduceSum", [words, nodes.axis(1)], keepdims=0, name="lengths")
        # Sorted from high to low by a key without ties: words, then padding, each in its own order.
        ones = nodes.add("Add", [words, nodes.add("Sub", [nodes.one, words])])
        place = nodes.add("CumSum", [ones, nodes.number("axis_of_time", 1, np.int64)])
        key = nodes.add("Sub", [nodes.add("Mul", [words, nodes.number("word", _WORD, np.int64)]), place])
        time = nodes.add("Gather", [nodes.add("Shape", [words]), nodes.axis(1)])
        nodes.nodes.append(helper.make_node("TopK", [key, time], ["sorted_key", "order"], axis=1, name="right_padding"))
        ids = nodes.add("GatherElements", [ids, "order"], axis=1)
        valid = nodes.add("Greater", ["sorted_key", nodes.no_word])
        valid = nodes.add("Unsqueeze", [nodes.add("Transpose", [valid], perm=[1, 0]), nodes.axis(2)], name="valid")
        return nodes.add("Transpose", [ids], perm=[1, 0]), valid, lengths

    def embed(self, ids: str) -> str:
        """Look up the embeddings, (time, batch, embedding)."""
        nodes = self.nodes
        name = "lstm.embedding.weight"
        if not nodes.int8:
            return nodes.add("Gather", [nodes.weight(name), ids], name="embedded")
        # All 8 bits: a table is looked up, never multiplied in 8 bits.
        table, scales = quantize_rows(nodes.weights[name], largest=127)
        rows = nodes.add("Gather", [nodes.constant(f"{name}_int8", table), ids])
        scale = nodes.add("Gather", [nodes.constant(f"{name}_scale", scales[:, None]), ids])
        return nodes.add("Mul", [nodes.add("Cast", [rows], to=TensorProto.FLOAT), scale], name="embedded")

    def read(self, embedded: str, lengths: str) -> list[str]:
        """Run the stack; gives each layer's states, (time, batch, width)."""
        nodes = self.nodes
        counts = nodes.add("Cast", [lengths], to=TensorProto.INT32, name="sequence_lens")
        below = [embedded]
        widths = [self.config.embedding_size, *self.config.layer_widths]
        for index in range(self.config.num_layers):
            dense = self.config.join == "dense" and index > 0
            inputs = nodes.add("Concat", below, axis=2) if dense else below[-1]
            if index > 0 and self.config.layer_norm:
                norm = [nodes.weight(f"lstm.layer_norms.{index - 1}.{part}") for part in ("weight", "bias")]
                inputs = nodes.add("LayerNormalization", [inputs, *norm], axis=-1, epsilon=1e-5)
            states = self.layer(index, inputs, counts)
            if index > 0 and self.config.join == "residual":
                shortcut = below[-1]
                if widths[index] != widths[index + 1]:
                    shortcut = nodes.multiply(shortcut, f"lstm.shortcuts.{index - 1}.weight")
                states = nodes.add("Add", [states, shortcut])
            below.append(states)
        return below[1:]

    def layer(self, index: int, inputs: str, counts: str) -> str:
        """Write one layer as one LSTM operator; gives its states, (time, batch, directions * hidden)."""
        nodes = self.nodes
        hidden = self.config.hidden_sizes[index]
        prefix = f"lstm.layers.{index}."
        weight_ih, weight_hh, bias_ih, bias_hh = (
            _onnx_gates(nodes.weights[prefix + name]) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        bias = nodes.constant(f"{prefix}bias", np.concatenate([bias_ih, bias_hh], axis=1))
        directions = len(weight_ih)
        activation = _one_of(self.config.activation, index)
        gate = _OPERATOR_OF[_one_of(self.config.gate_activation, index)]
        functions = [gate, _OPERATOR_OF[activation], _OPERATOR_OF[activation]] * directions
        attributes: dict[str, Any] = {
            "hidden_size": hidden,
            "direction": "bidirectional" if directions == 2 else "forward",
            "activations": functions,
        }
        for name, constants in (("activation_alpha", _ALPHA), ("activation_beta", _BETA)):
            if used := [constants[function] for function in functions if function in constants]:
                attributes[name] = used
        if nodes.int8:
            matrices, scales = [], []
            for name, matrix in (("weight_ih", weight_ih), ("weight_hh", weight_hh)):
                table, scale = quantize_rows(matrix, largest=nodes.largest)
                matrices.append(nodes.constant(f"{prefix}{name}_int8", table.transpose(0, 2, 1)))
                scales.append(nodes.constant(f"{prefix}{name}_scale", scale))
                scales.append(nodes.constant(f"{prefix}{name}_zero", np.zeros(scale.shape, dtype=np.int8)))
            given = [inputs, *matrices, bias, counts, "", "", "", *scales]
            output = nodes.add("DynamicQuantizeLSTM", given, domain="com.microsoft", **attributes)
        else:
            matrices = [
                nodes.constant(prefix + "weight_ih", weight_ih),
                nodes.constant(prefix + "weight_hh", weight_hh),
            ]
            output = nodes.add("LSTM", [inputs, *matrices, bias, counts], **attributes)
        if directions == 1:
            return nodes.add("Squeeze", [output, nodes.axis(1)])
        side_by_side = nodes.add("Transpose", [output], perm=[0, 2, 1, 3])
        return nodes.add("Reshape", [side_by_side, nodes.constant("joined", np.array([0, 0, -1], dtype=np.int64))])


def _onnx_gates(array: Array) -> Array:
    """Turn gates from torch's order (input, forget, cell, output) into ONNX's (input, output, forget, cell)."""
    gate_i, gate_f, gate_g, gate_o = np.split(array, 4, axis=1)
    return np.concatenate([gate_i, gate_o, gate_f, gate_g], axis=1)


def _one_of(option: str | list[str], index: int) -> str:
    return option[index] if isinstance(option, list) else option
