"""The nodes and constants of one ONNX graph, gathered in the order in which a model computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from textlstm.inference.int8 import quantize_rows

Array = NDArray[Any]


class GraphNodes:
    """Nodes and constants; every method that appends a node gives the name of its output.

    Attributes:
        weights: the model's tensors by name.
        int8: whether matrices are 8-bit numbers.
        largest: what these numbers reach, 127 (8 bits) or 63 (7 bits).
        nodes: in order.
        constants: by name.
    """

    def __init__(self, weights: Mapping[str, Array], *, int8: bool, full_range: bool) -> None:
        """Begin an empty graph.

        Args:
            weights: the model's tensors by name.
            int8: whether matrices are 8-bit numbers.
            full_range: whether these use all 8 bits in place of 7.
        """
        self.weights, self.int8 = weights, int8
        self.largest = 127 if full_range else 63
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}

    @property
    def contributed(self) -> bool:
        """Whether an operator of ONNX Runtime's own is used."""
        return any(node.domain for node in self.nodes)

    def add(self, operator: str, inputs: list[str], *, name: str = "", domain: str = "", **attributes: Any) -> str:  # noqa: ANN401 - ONNX attributes are of many kinds
        """Append a node with one output and give the output's name."""
        name = name or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def constant(self, name: str, array: Array) -> str:
        """Keep a constant under a name, once."""
        self.constants.setdefault(name, np.asarray(array, order="C"))
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

    @property
    def one(self) -> str:
        """The number 1."""
        return self.number("one", 1, np.int64)

    @property
    def no_word(self) -> str:
        """The number 0 of words."""
        return self.number("no_word", 0, np.int64)

    @property
    def zero(self) -> str:
        """The feature 0."""
        return self.number("zero", 0.0)

    @property
    def lowest(self) -> str:
        """The lowest finite feature: minus infinity would turn a text without words into NaN."""
        return self.number("lowest", float(np.finfo(np.float32).min))

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
