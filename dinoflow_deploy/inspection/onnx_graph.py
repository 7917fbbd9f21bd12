"""What stands in an ONNX file. This module needs ``onnx``."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, helper

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.inspection.element_types import UNKNOWN
from dinoflow_deploy.inspection.onnx_walk import (
    STANDARD_DOMAIN,
    all_graphs,
    all_nodes,
    element_type,
    operator_name,
)
from dinoflow_deploy.inspection.onnx_weights import external_files, keep_small_values, weigh
from dinoflow_deploy.inspection.report import Counts, GraphDetails, OperatorDetails, TensorDetails

_OPERATOR: Final = ("dinoflow", "LocalCorrelation")
_SIGNATURE: Final = {("image1", "input"), ("image2", "input"), ("flow", "output")}


def read_graph(path: Path) -> GraphDetails:
    """Read an ONNX file and count what stands in it.

    Raises:
        FileFormatError: It is damaged, or not an ONNX model that this version of ``onnx`` knows.
    """
    model = _load(path)
    tensors = tuple(_tensors(model.graph))
    weights, external = weigh(model), external_files(model)
    keep_small_values(model, path.parent)
    nodes = list(all_nodes(model.graph))
    return GraphDetails(
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        ir_version=model.ir_version,
        opsets={entry.domain or STANDARD_DOMAIN: entry.version for entry in model.opset_import},
        tensors=tensors,
        is_flow_model={(tensor.name, tensor.mode) for tensor in tensors} == _SIGNATURE,
        nodes=len(nodes),
        precision=_precision(nodes, _types(model, path)),
        weights=weights,
        external_files=external,
        operators=tuple(_operators(model, nodes)),
    )


def _load(path: Path) -> ModelProto:
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise FileFormatError(f"{path} is damaged or not an ONNX file: {error}") from error
    if not (model.opset_import and model.HasField("graph")):
        raise FileFormatError(f"{path} is not an ONNX file: it holds no graph")
    try:
        # By its path, beside which it finds weights in files of their own.
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, RuntimeError, UnicodeError) as error:
        first = str(error).strip().partition("\n")[0]
        raise FileFormatError(f"{path} is no valid model for onnx {onnx.__version__}: {first}") from error
    return model


def _tensors(graph: GraphProto) -> Iterator[TensorDetails]:
    constant = {tensor.name for tensor in graph.initializer}
    for mode, values in (("input", graph.input), ("output", graph.output)):
        for value in values:
            if value.name not in constant:
                yield TensorDetails(value.name, mode, _element_type(value), _shape(value))


def _element_type(value: ValueInfoProto) -> str:
    return element_type(value.type.tensor_type.elem_type)


def _shape(value: ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(
        axis.dim_value if axis.HasField("dim_value") else axis.dim_param or -1
        for axis in value.type.tensor_type.shape.dim
    )


def _precision(nodes: list[NodeProto], types: dict[str, str]) -> Counts:
    counts: dict[str, Counter[str]] = {}
    for node in nodes:
        output = next((types[name] for name in node.output if name in types), UNKNOWN)
        counts.setdefault(output, Counter())[operator_name(node)] += 1
    ordered = sorted(counts.items(), key=lambda item: -item[1].total())
    return {kind: dict(operators.most_common()) for kind, operators in ordered}


def _types(model: ModelProto, path: Path) -> dict[str, str]:
    """Element type of every value that ONNX can infer."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except onnx.shape_inference.InferenceError:
        graph = model.graph
    except ValueError as error:
        raise FileFormatError(f"{path} is damaged: {error}") from error
    types: dict[str, str] = {}
    for each in all_graphs(graph):
        values = (*each.input, *each.output, *each.value_info)
        types |= {value.name: _element_type(value) for value in values}
    return types


def _operators(model: ModelProto, nodes: list[NodeProto]) -> Iterator[OperatorDetails]:
    bodies = {(body.domain, body.name): len(body.node) for body in model.functions}
    for node in nodes:
        if (node.domain, node.op_type) == _OPERATOR:
            attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
            readable = {
                name: value.decode(errors="replace") if isinstance(value, bytes) else value
                for name, value in attributes.items()
            }
            yield OperatorDetails(readable, bodies.get(_OPERATOR))
