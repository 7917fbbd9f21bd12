"""TensorRT's ONNX parser: what it takes, and how it says what it does not take.

What it says of a node is what TensorRT-RTX's real parser says: ``tests/export/tensorrt/test_network.py`` asks
both.
"""

import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto

from tests.tensorrt_model.network import ILayer, INetworkDefinition, ITensor
from tests.tensorrt_model.onnx_nodes import SPOKEN, TYPES, FlatNode, flatten, infer_types, mixed_types
from tests.tensorrt_model.strict import Strict, use_logger

_KINDS = {
    "Cast": "CAST",
    "Conv": "CONVOLUTION",
    "GridSample": "GRID_SAMPLE",
    "MatMul": "MATRIX_MULTIPLY",
    "Relu": "ACTIVATION",
    "Slice": "SLICE",
    "Softmax": "SOFTMAX",
}
"""Kinds of layers that tests may ask for; every other one is an element-wise one here."""
_NO_CREATOR = 'creator && "Plugin not found, are the plugin name, version, and namespace correct?"'


class ParserError(Strict):
    def __init__(self, text: str, flat: FlatNode | None = None) -> None:
        self._text, self._flat = text, flat

    def desc(self) -> str:
        return self._text

    def node(self) -> int:
        return self._flat.number if self._flat else -1

    def node_name(self) -> str:
        return self._flat.node.name if self._flat else ""

    def node_operator(self) -> str:
        return self._flat.node.op_type if self._flat else ""

    def local_function_stack(self) -> list[str]:
        return list(self._flat.stack) if self._flat else []


class OnnxParser(Strict):
    num_errors = 0

    def __init__(self, state: SimpleNamespace, network: INetworkDefinition, logger: Any) -> None:
        use_logger(state, logger)
        self._state, self._network = state, network
        self._errors: list[ParserError] = []

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def parse_from_file(self, model: str) -> bool:
        return self.parse(Path(model).read_bytes())

    def parse(self, model: bytes) -> bool:
        for text in self._state.warnings:
            self._tell(text, "WARNING")
        try:
            parsed = onnx.load_from_string(model)
        except DecodeError:
            return self._fail([ParserError("Failed to parse the ONNX model.")])
        nodes = flatten(parsed, lambda node: self._creator(node) is not None)
        unknown = [each for each in nodes if not self._is_known(each.node)]
        if unknown:
            return self._fail([ParserError(_NO_CREATOR, each) for each in unknown])
        return self._take(parsed, nodes, model)

    def _take(self, model: ModelProto, nodes: list[FlatNode], content: bytes) -> bool:
        values = infer_types(model, nodes)
        version = next(each.version for each in model.opset_import if not each.domain)
        kinds = {name: TYPES[value.type.tensor_type.elem_type] for name, value in values.items()}
        for each in nodes:
            if each.node.op_type != "Cast" and "UINT8" in [kinds.get(name) for name in each.node.input]:
                return self._fail([ParserError(_bytes(each.node), each)])
            mixed = None if self._creator(each.node) else mixed_types(each.node, kinds, version)
            if mixed:
                return self._fail([ParserError(_mixed(each.node, *mixed), each)])
        tensors = {name: self._tensor(value) for name, value in values.items()}
        try:
            layers = [self._layer(each.node, tensors) for each in nodes]
        except ValueError as error:  # a plugin's own, about its attributes
            return self._fail([ParserError(str(error))])
        constants = {each.name for each in model.graph.initializer}
        inputs = [each for each in model.graph.input if each.name not in constants]
        network = self._network
        network.name = model.graph.name
        network._fill(
            [tensors[each.name] for each in inputs],
            [tensors[each.name] for each in model.graph.output],
            layers,
        )
        network._axes = {
            each.name: tuple(axis.dim_param or None for axis in each.type.tensor_type.shape.dim)
            for each in (*inputs, *model.graph.output)
        }
        network._weights = sum(len(each.raw_data) for each in model.graph.initializer)
        network._onnx, network._parser = content, weakref.ref(self)
        return True

    def _layer(self, node: NodeProto, tensors: dict[str, ITensor]) -> ILayer:
        outputs = [tensors[name] for name in node.output if name]
        creator = self._creator(node)
        if creator is None:
            kind = _KINDS.get(node.op_type, "ELEMENTWISE")
        else:
            kind = "PLUGIN_V3"
            attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
            creator.check([tensors[name] for name in node.input], outputs, attributes)
            self._network._plugin, self._network._kernel = creator.kind, creator.kernel
        name = node.name or f"node_of_{node.output[0]}"
        inputs = [tensors[each] if each else None for each in node.input]
        return ILayer(name, SimpleNamespace(name=kind), inputs, outputs)

    def _tensor(self, value: onnx.ValueInfoProto) -> ITensor:
        tensor = value.type.tensor_type
        shape = tuple(axis.dim_value if axis.HasField("dim_value") else -1 for axis in tensor.shape.dim)
        return ITensor(value.name, self._state.trt.DataType[TYPES[tensor.elem_type]], shape)

    def _creator(self, node: NodeProto) -> Any:
        """What makes a plugin of a node: a node of a function is one where a plugin is registered for it."""
        attributes = {
            each.name: each.s.decode() for each in node.attribute if each.type == onnx.AttributeProto.STRING
        }
        place = attributes.get("plugin_namespace", "")
        return self._state.creators.get((node.op_type, attributes.get("plugin_version", "1"), place))

    def _is_known(self, node: NodeProto) -> bool:
        return self._creator(node) is not None or onnx.defs.has(node.op_type, node.domain)

    def _fail(self, errors: list[ParserError]) -> bool:
        self._errors, self.num_errors = errors, len(errors)
        for error in errors:
            self._tell(error.desc())
        return False


def _bytes(node: NodeProto) -> str:
    return (
        f"Invalid Node - {node.name}\nITensor::getDimensions: Error Code 4: API Usage Error ({node.name}: "
        "first input has type UInt8 but must have type Float, Half, BFloat16, FP8, E8M0, FP4, Int4, Int8, "
        "Int64, Int32, or Bool.)"
    )


def _mixed(node: NodeProto, first: str, second: str) -> str:
    return (
        f"Invalid Node - {node.name}\nITensor::getDimensions: Error Code 4: API Usage Error ({node.name}: "
        f"{node.op_type} must have same input types. But they are of types {SPOKEN[first]} and "
        f"{SPOKEN[second]}.)"
    )
