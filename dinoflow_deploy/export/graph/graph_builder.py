"""A graph of ONNX nodes as it grows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import onnx_ir
import torch
from onnx_ir.tape import Tape
from torch import Tensor

from dinoflow_deploy.export.graph.lengths import Length, Quotient, Shape, Sum

MODULE_KEY: Final = "dinoflow.module"
"""Metadata of a node: dotted name of the module that it was traced in."""
_IR_VERSION: Final = 10


@dataclass(frozen=True, slots=True)
class Symbol:
    """A tensor of the graph.

    Attributes:
        shape: Lengths of its axes.
        dtype: Type of its elements.
        value: The graph's value; ``None`` for a constant, which becomes one where it is read.
        constant: Its content where that is known.
        name: A constant's name in the model.
    """

    shape: Shape
    dtype: torch.dtype
    value: onnx_ir.Value | None = None
    constant: Tensor | None = None
    name: str | None = None

    @classmethod
    def of(cls, constant: Tensor, name: str | None = None) -> "Symbol":
        """A constant."""
        return cls(tuple(constant.shape), constant.dtype, None, constant, name)


class GraphBuilder:
    """Collects nodes, constants and the arithmetic of lengths."""

    def __init__(self) -> None:
        self.module = ""
        """Dotted name of the module that is being traced."""
        self._tape = Tape()
        self._inputs: list[onnx_ir.Value] = []
        self._lengths: dict[tuple[Any, ...], Symbol] = {}
        self._scalars: dict[tuple[Any, ...], Symbol] = {}
        self._read: dict[int, tuple[Tensor, onnx_ir.Value]] = {}

    def input(self, name: str, shape: Shape, dtype: torch.dtype, axes: dict[int, str]) -> Symbol:
        """An input of the graph; ``axes`` names those that are open.

        The first one is where open lengths are read from.
        """
        dims = [axes.get(index, int(length)) for index, length in enumerate(shape)]
        value = onnx_ir.val(name, onnx_ir.tensor_adapters.from_torch_dtype(dtype), dims)
        self._inputs.append(value)
        symbol = Symbol(shape, dtype, value)
        for index, length in enumerate(shape):
            if isinstance(length, Length) and length.key not in self._lengths:
                self._lengths[length.key] = self.node(
                    "Shape", [symbol], (1,), torch.int64, start=index, end=index + 1
                )
        return symbol

    def define(self, length: int, source: int, divisor: int) -> None:
        """Say that an open length is another one divided by a number."""
        if isinstance(length, Length) and isinstance(source, Length):
            divided = [self.length(source), self.ints([divisor])]
            self._lengths[length.key] = self.node("Div", divided, (1,), torch.int64)

    def node(
        self,
        operator: str,
        inputs: Sequence[Symbol],
        shape: Shape,
        dtype: torch.dtype,
        *,
        domain: str = "",
        **attributes: Any,
    ) -> Symbol:
        """Add a node with one output."""
        read = [self._value(symbol) for symbol in inputs]
        value = self._tape.op(operator, read, attributes, domain=domain, version=1 if domain else None)
        return self._output(value, shape, dtype)

    def split(self, symbol: Symbol, axis: int, parts: int) -> list[Symbol]:
        """Equal parts along an axis of known length."""
        shape = tuple(
            length // parts if index == axis else length for index, length in enumerate(symbol.shape)
        )
        attributes = {"axis": axis, "num_outputs": parts}
        values = self._tape.op_multi_out("Split", [self._value(symbol)], attributes, num_outputs=parts)
        return [self._output(value, shape, symbol.dtype) for value in values]

    def ints(self, values: Sequence[int]) -> Symbol:
        """A list of integers, some of which may be open lengths."""
        shape = (len(values),)
        if not any(isinstance(value, Length) for value in values):
            return self._scalar(tuple(values), torch.int64)
        pieces = [self.length(value) if isinstance(value, Length) else self.ints([value]) for value in values]
        return pieces[0] if len(pieces) == 1 else self.node("Concat", pieces, shape, torch.int64, axis=0)

    def number(self, number: float, dtype: torch.dtype) -> Symbol:
        """A number of a type; a quotient or sum is computed from the shape of the input."""
        if isinstance(number, Quotient):
            divided = [self.number(number.numerator, dtype), self.count(number.length, dtype)]
            return self.node("Div", divided, (), dtype)
        if isinstance(number, Sum):
            added = [self.count(number.length, dtype), self.number(number.number, dtype)]
            return self.node("Add", added, (), dtype)
        return self._scalar(number, dtype)

    def count(self, length: int, dtype: torch.dtype) -> Symbol:
        """An open length as a number of a type."""
        assert isinstance(length, Length)
        key = (length.key, dtype)
        if key not in self._lengths:
            scalar = self.node("Squeeze", [self.length(length)], (), torch.int64)
            self._lengths[key] = self.cast(scalar, dtype)
        return self._lengths[key]

    def cast(self, symbol: Symbol, dtype: torch.dtype) -> Symbol:
        """The same in another type."""
        if symbol.dtype == dtype:
            return symbol
        to = onnx_ir.tensor_adapters.from_torch_dtype(dtype)
        return self.node("Cast", [symbol], symbol.shape, dtype, to=int(to))

    def length(self, length: Length) -> Symbol:
        """An open length, ``int64 [1]``."""
        if length.key not in self._lengths:
            self._lengths[length.key] = self._sum(length)
        return self._lengths[length.key]

    def _sum(self, length: Length) -> Symbol:
        """A length as the sum of its terms, a term as the product of a number and open lengths."""
        parts = []
        for factors, count in length.terms.items():
            operands = [self._lengths[(((factor,), 1),)] for factor in factors]
            if count != 1 or not factors:
                operands.insert(0, self.ints([count]))
            parts.append(self._folded("Mul", operands))
        return self._folded("Add", parts)

    def _folded(self, operator: str, operands: Sequence[Symbol]) -> Symbol:
        result, *others = operands
        for other in others:
            result = self.node(operator, [result, other], (1,), torch.int64)
        return result

    def model(self, output: Symbol, name: str, axes: dict[int, str], opsets: dict[str, int]) -> onnx_ir.Model:
        """The graph as a model with one output."""
        value = self._value(output)
        value.name = name
        value.shape = onnx_ir.Shape(
            [axes.get(index, int(length)) for index, length in enumerate(output.shape)]
        )
        graph = onnx_ir.Graph(
            self._inputs,
            [value],
            nodes=self._tape.nodes,
            initializers=self._tape.initializers,
            opset_imports=opsets,
        )
        return onnx_ir.Model(graph, ir_version=_IR_VERSION)

    def _output(self, value: onnx_ir.Value, shape: Shape, dtype: torch.dtype) -> Symbol:
        value.dtype = onnx_ir.tensor_adapters.from_torch_dtype(dtype)
        value.shape = onnx_ir.Shape([None if isinstance(length, Length) else length for length in shape])
        node = value.producer()
        assert node is not None
        node.metadata_props[MODULE_KEY] = self.module
        return Symbol(shape, dtype, value)

    def _scalar(self, number: Any, dtype: torch.dtype) -> Symbol:
        key = (number, dtype)
        if key not in self._scalars:
            self._scalars[key] = Symbol.of(torch.tensor(number, dtype=dtype))
        return self._scalars[key]

    def _value(self, symbol: Symbol) -> onnx_ir.Value:
        if symbol.value is not None:
            return symbol.value
        constant = symbol.constant
        assert constant is not None
        if id(constant) not in self._read:
            name = symbol.name or f"constant_{len(self._read)}"
            value = self._tape.initializer(onnx_ir.tensor(constant.detach(), name=name))
            self._read[id(constant)] = (constant, value)
        return self._read[id(constant)][1]
