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
from numpy.typing import NDArray

from textlstm.errors import MissingExtraError, RecipeError
from textlstm.inference.int8 import quantize_rows

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise MissingExtraError("onnx", "onnx") from error

if TYPE_CHECKING:
    from textlstm.model import TextLSTMConfig

Array = NDArray[Any]

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
    network = _Network(config, weights, int8=int8, full_range=full_range)
    graph = helper.make_graph(
        network.write(),
        "textlstm",
        [_value("input_ids", TensorProto.INT64, "time"), _value("attention_mask", TensorProto.INT64, "time")],
        [_value("logits", TensorProto.FLOAT, config.num_labels or 0)],
        [numpy_helper.from_array(array, name) for name, array in network.constants.items()],
    )
    operators = [helper.make_opsetid("", opset)]
    if network.contributed:
        operators.append(helper.make_opsetid("com.microsoft", 1))
    model = helper.make_model(graph, producer_name="textlstm", opset_imports=operators, ir_version=_IR_VERSION)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model)
    return model


def _value(name: str, kind: int, width: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["batch", width])


class _Network:
    """Gathers the nodes and constants of one graph, in the order in which the model computes."""

    def __init__(self, config: TextLSTMConfig, weights: Mapping[str, Array], *, int8: bool, full_range: bool) -> None:
        self.config, self.weights, self.int8 = config, weights, int8
        self.largest = 127 if full_range else 63
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}

    @property
    def contributed(self) -> bool:
        """Whether an operator of ONNX Runtime's own is used."""
        return any(node.domain for node in self.nodes)

    def write(self) -> list[onnx.NodeProto]:
        """Write all nodes, the last of which gives `logits`."""
        ids, valid, lengths = self.right_padded()
        embedded = self.embed(ids)
        layers = self.read(embedded, lengths)
        # Without layers the embeddings are what is pooled.
        pooled = self.pool(layers or [embedded], valid, lengths)
        classifier = [self.weight("classifier.weight"), self.weight("classifier.bias")]
        self.add("Gemm", [pooled, *classifier], name="logits", transB=1)
        return self.nodes

    def add(self, operator: str, inputs: list[str], *, name: str = "", domain: str = "", **attributes: Any) -> str:  # noqa: ANN401 - ONNX attributes are of many kinds
        """Append a node with one output and give the output's name."""
        name = name or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def constant(self, name: str, array: Array) -> str:
        """Keep a constant under a name, once."""
        self.constants.setdefault(name, np.ascontiguousarray(array))
        return name

    def weight(self, name: str) -> str:
        """Keep one of the model's own tensors."""
        return self.constant(name, self.weights[name])

    def axis(self, number: int) -> str:
        """Name an axis, as operators since opset 13 want it: as an input."""
        return self.constant(f"axis_{number}", np.array([number], dtype=np.int64))

    def number(self, name: str, value: float | int, kind: Any = np.float32) -> str:  # noqa: ANN401 - a numpy type
        """Keep a single number."""
        return self.constant(name, np.array(value, dtype=kind))

    def right_padded(self) -> tuple[str, str, str]:
        """Put every text's words in front of its padding.

        Returns:
            Names of the ids (time, batch), the places of words (time, batch, 1) bool, and the lengths (batch,) int64.
        """
        pads = self.constant("one_column", np.array([0, 0, 0, 1], dtype=np.int64))  # for texts without any token
        ids = self.add("Pad", ["input_ids", pads, self.number("pad_id", self.config.pad_token_id, np.int64)])
        words = self.add("Cast", [self.add("Cast", ["attention_mask"], to=TensorProto.BOOL)], to=TensorProto.INT64)
        words = self.add("Pad", [words, pads, self.number("no_word", 0, np.int64)])
        lengths = self.add("ReduceSum", [words, self.axis(1)], keepdims=0, name="lengths")
        # Sorted from high to low by a key without ties: words, then padding, each in its own order.
        place = self.add("CumSum", [self.add("Add", [words, self.add("Sub", [self._one, words])]), self._axis_1])
        key = self.add("Sub", [self.add("Mul", [words, self.number("word", _WORD, np.int64)]), place])
        time = self.add("Gather", [self.add("Shape", [words]), self.axis(1)])
        self.nodes.append(helper.make_node("TopK", [key, time], ["sorted_key", "order"], axis=1, name="right_padding"))
        ids = self.add("GatherElements", [ids, "order"], axis=1)
        valid = self.add("Greater", ["sorted_key", self.number("no_word", 0, np.int64)])
        valid = self.add("Unsqueeze", [self.add("Transpose", [valid], perm=[1, 0]), self.axis(2)], name="valid")
        return self.add("Transpose", [ids], perm=[1, 0]), valid, lengths

    @property
    def _one(self) -> str:
        return self.number("one", 1, np.int64)

    @property
    def _axis_1(self) -> str:
        return self.number("axis_of_time", 1, np.int64)

    def embed(self, ids: str) -> str:
        """Look up the embeddings, (time, batch, embedding)."""
        name = "lstm.embedding.weight"
        if not self.int8:
            return self.add("Gather", [self.weight(name), ids], name="embedded")
        # All 8 bits: a table is looked up, never multiplied in 8 bits.
        table, scales = quantize_rows(self.weights[name], largest=127)
        rows = self.add("Gather", [self.constant(f"{name}_int8", table), ids])
        scale = self.add("Gather", [self.constant(f"{name}_scale", scales[:, None]), ids])
        return self.add("Mul", [self.add("Cast", [rows], to=TensorProto.FLOAT), scale], name="embedded")

    def read(self, embedded: str, lengths: str) -> list[str]:
        """Run the stack; gives each layer's states, (time, batch, width)."""
        counts = self.add("Cast", [lengths], to=TensorProto.INT32, name="sequence_lens")
        below = [embedded]
        widths = [self.config.embedding_size, *self.config.layer_widths]
        for index in range(self.config.num_layers):
            dense = self.config.join == "dense" and index > 0
            inputs = self.add("Concat", below, axis=2) if dense else below[-1]
            if index > 0 and self.config.layer_norm:
                norm = [self.weight(f"lstm.layer_norms.{index - 1}.{part}") for part in ("weight", "bias")]
                inputs = self.add("LayerNormalization", [inputs, *norm], axis=-1, epsilon=1e-5)
            states = self.layer(index, inputs, counts)
            if index > 0 and self.config.join == "residual":
                shortcut = below[-1]
                if widths[index] != widths[index + 1]:
                    shortcut = self.multiply(shortcut, f"lstm.shortcuts.{index - 1}.weight")
                states = self.add("Add", [states, shortcut])
            below.append(states)
        return below[1:]

    def layer(self, index: int, inputs: str, counts: str) -> str:
        """Write one layer as one LSTM operator; gives its states, (time, batch, directions * hidden)."""
        hidden = self.config.hidden_sizes[index]
        prefix = f"lstm.layers.{index}."
        weight_ih, weight_hh, bias_ih, bias_hh = (
            _onnx_gates(self.weights[prefix + name]) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        bias = self.constant(f"{prefix}bias", np.concatenate([bias_ih, bias_hh], axis=1))
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
        if self.int8:
            matrices, scales = [], []
            for name, matrix in (("weight_ih", weight_ih), ("weight_hh", weight_hh)):
                table, scale = quantize_rows(matrix, largest=self.largest)
                matrices.append(self.constant(f"{prefix}{name}_int8", table.transpose(0, 2, 1)))
                scales.append(self.constant(f"{prefix}{name}_scale", scale))
                scales.append(self.constant(f"{prefix}{name}_zero", np.zeros(scale.shape, dtype=np.int8)))
            given = [inputs, *matrices, bias, counts, "", "", "", *scales]
            output = self.add("DynamicQuantizeLSTM", given, domain="com.microsoft", **attributes)
        else:
            matrices = [self.constant(prefix + "weight_ih", weight_ih), self.constant(prefix + "weight_hh", weight_hh)]
            output = self.add("LSTM", [inputs, *matrices, bias, counts], **attributes)
        if directions == 1:
            return self.add("Squeeze", [output, self.axis(1)])
        side_by_side = self.add("Transpose", [output], perm=[0, 2, 1, 3])
        return self.add("Reshape", [side_by_side, self.constant("joined", np.array([0, 0, -1], dtype=np.int64))])

    def multiply(self, inputs: str, name: str, bias: str = "") -> str:
        """Multiply features by a matrix (outputs, inputs), and add a bias."""
        if self.int8:
            matrix, scale = quantize_rows(self.weights[name], largest=self.largest)
            table = self.constant(f"{name}_int8", matrix.T)
            given = [inputs, table, self.constant(f"{name}_scale", scale)]
            given.append(self.constant(f"{name}_zero", np.zeros(scale.shape, dtype=np.int8)))
            given += [self.weight(bias)] if bias else []
            return self.add("DynamicQuantizeMatMul", given, domain="com.microsoft")
        product = self.add("MatMul", [inputs, self.constant(f"{name}_t", self.weights[name].T)])
        return self.add("Add", [product, self.weight(bias)]) if bias else product

    def pool(self, layers: list[str], valid: str, lengths: str) -> str:
        """Make one vector a text of its states; a text without words gets zeros."""
        name, top = self.config.pooling, layers[-1]
        if name == "attention":
            return self.pool_attention(top, valid)
        if name == "layer_mix":
            weights = np.exp(self.weights["lstm.pooling.layer_mix.weights"])
            shares = (weights / weights.sum()).astype(np.float32)
            scaled = [
                self.add("Mul", [states, self.number(f"share_{index}", share)])
                for index, (states, share) in enumerate(zip(layers, shares, strict=True))
            ]
            mixed = self.add("Sum", scaled)
            parts = [self.pool_mean(mixed, valid, lengths), self.pool_max(mixed, valid, lengths)]
        else:
            pools = ["last", "mean", "max"] if name == "concat" else [name]
            write = {"last": self.pool_last, "mean": self.pool_mean, "max": self.pool_max}
            parts = [write[pool](top, valid, lengths) for pool in pools]
        return self.add("Concat", parts, axis=1) if len(parts) > 1 else parts[0]

    def pool_last(self, states: str, valid: str, lengths: str) -> str:
        """Take each direction's state at the end of its way."""
        final = self.add("Max", [self.add("Sub", [lengths, self._one]), self.number("no_word", 0, np.int64)])
        by_text = self.add("Transpose", [states], perm=[1, 0, 2])
        last = self.add("GatherND", [by_text, self.add("Unsqueeze", [final, self.axis(1)])], batch_dims=1)
        if self.config.bidirectional and self.config.num_layers:
            half = self.config.layer_widths[-1] // 2
            middle = self.constant("half", np.array([half], dtype=np.int64))
            forward = self.add("Slice", [last, self.axis(0), middle, self.axis(1)])
            first = self.add("Squeeze", [self.add("Slice", [states, self.axis(0), self.axis(1), self.axis(0)]),
                                         self.axis(0)])  # fmt: skip
            end = self.constant("width", np.array([2 * half], dtype=np.int64))
            last = self.add("Concat", [forward, self.add("Slice", [first, middle, end, self.axis(1)])], axis=1)
        return self.add("Where", [self.any_word(lengths), last, self.number("zero", 0.0)])

    def pool_mean(self, states: str, valid: str, lengths: str) -> str:
        """Average over a text's words."""
        words = self.add("Where", [valid, states, self.number("zero", 0.0)])
        counts = self.add("Cast", [self.add("Max", [lengths, self._one])], to=TensorProto.FLOAT)
        total = self.add("ReduceSum", [words, self.axis(0)], keepdims=0)
        return self.add("Div", [total, self.add("Unsqueeze", [counts, self.axis(1)])])

    def pool_max(self, states: str, valid: str, lengths: str) -> str:
        """Take each feature's largest value over a text's words."""
        lowest = self.number("lowest", np.finfo(np.float32).min)
        words = self.add("Where", [valid, states, lowest])
        largest = self.add("ReduceMax", [words, self.axis(0)], keepdims=0)
        return self.add("Where", [self.any_word(lengths), largest, self.number("zero", 0.0)])

    def pool_attention(self, states: str, valid: str) -> str:
        """Weigh a text's words and add them up."""
        place = "lstm.pooling.attention."
        seen = self.add("Tanh", [self.multiply(states, f"{place}project.weight", f"{place}project.bias")])
        query = self.constant(f"{place}query", self.weights[f"{place}query.weight"].T)
        scores = self.add("MatMul", [seen, query])
        masked = self.add("Where", [valid, scores, self.number("lowest", np.finfo(np.float32).min)])
        # A text without words has even weights here, all of them on padding.
        shares = self.add("Where", [valid, self.add("Softmax", [masked], axis=0), self.number("zero", 0.0)])
        return self.add("ReduceSum", [self.add("Mul", [states, shares]), self.axis(0)], keepdims=0)

    def any_word(self, lengths: str) -> str:
        """Tell texts with words, (batch, 1) bool."""
        some = self.add("Greater", [lengths, self.number("no_word", 0, np.int64)])
        return self.add("Unsqueeze", [some, self.axis(1)])


def _onnx_gates(array: Array) -> Array:
    """Turn gates from torch's order (input, forget, cell, output) into ONNX's (input, output, forget, cell)."""
    gate_i, gate_f, gate_g, gate_o = np.split(array, 4, axis=1)
    return np.concatenate([gate_i, gate_o, gate_f, gate_g], axis=1)


def _one_of(option: str | list[str], index: int) -> str:
    return option[index] if isinstance(option, list) else option
