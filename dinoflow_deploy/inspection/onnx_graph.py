"""What stands in an ONNX file. This module needs ``onnx``."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto, helper

from dinoflow_deploy.bundles.model_input import model_input_of
from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.inspection.element_types import UNKNOWN
from dinoflow_deploy.inspection.onnx_external import external_files, without_external
from dinoflow_deploy.inspection.onnx_walk import (
    STANDARD_DOMAIN,
    all_graphs,
    operator_name,
    text,
    value_type,
)
from dinoflow_deploy.inspection.onnx_weights import keep_small_values, weigh
from dinoflow_deploy.inspection.report import Counts, GraphDetails, OperatorDetails, TensorDetails

_OPERATOR: Final = ("dinoflow", "LocalCorrelation")
_LARGEST: Final = 2**31 - 1
"""Protobuf's limit."""


def read_graph(path: Path) -> GraphDetails:
    """Read an ONNX file and count what stands in it.

    Raises:
        FileFormatError: It is damaged or no ONNX model, or a file beside it that holds weights is missing.
    """
    model = _load(path)
    tensors = tuple(_tensors(model.graph))
    objection = _objection(model, path)
    weights, external = weigh(model), external_files(model)
    graphs = list(all_graphs(_with_types(model, path)))
    nodes = [node for graph in graphs for node in graph.node]
    return GraphDetails(
        producer=f"{text(model.producer_name)} {text(model.producer_version)}".strip(),
        ir_version=model.ir_version,
        opsets={text(entry.domain) or STANDARD_DOMAIN: entry.version for entry in model.opset_import},
        tensors=tensors,
        is_flow_model=_is_flow_model(tensors),
        nodes=len(nodes),
        precision=_precision(graphs),
        weights=weights,
        external_files=external,
        objection=objection,
        operators=tuple(_operators(model, nodes)),
    )


def _is_flow_model(tensors: Sequence[TensorDetails]) -> bool:
    names = {mode: [tensor.name for tensor in tensors if tensor.mode == mode] for mode in ("input", "output")}
    return model_input_of(names["input"]) is not None and names["output"] == ["flow"]


def _load(path: Path) -> ModelProto:
    length = path.stat().st_size
    if length > _LARGEST:
        raise FileFormatError(
            f"{path} is not an ONNX file: {length} bytes, where such a file has at most {_LARGEST} and keeps "
            "more weights in files of their own"
        )
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise FileFormatError(f"{path} is damaged or not an ONNX file: {error}") from error
    if not (model.opset_import and model.HasField("graph")):
        raise FileFormatError(f"{path} is not an ONNX file: it holds no graph")
    return model


def _objection(model: ModelProto, path: Path) -> str | None:
    """What the checker of ``onnx`` has against a model."""
    try:
        # By its path where that will do, for no second copy in Python. But it follows no links to weights.
        onnx.checker.check_model(without_external(model) if external_files(model) else str(path))
    except (onnx.checker.ValidationError, RuntimeError, ValueError) as error:
        return str(error).strip().partition("\n")[0]
    return None


def _tensors(graph: GraphProto) -> Iterator[TensorDetails]:
    constant = {tensor.name for tensor in graph.initializer}
    constant |= {sparse.values.name for sparse in graph.sparse_initializer}
    for mode, values in (("input", graph.input), ("output", graph.output)):
        for value in values:
            if value.name not in constant:
                yield TensorDetails(text(value.name), mode, value_type(value.type), _shape(value))


def _shape(value: ValueInfoProto) -> tuple[int | str, ...] | None:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return tuple(
        axis.dim_value if axis.HasField("dim_value") else text(axis.dim_param) or -1
        for axis in kind.shape.dim
    )


def _precision(graphs: list[GraphProto]) -> Counts:
    counts: dict[str, Counter[str]] = {}
    for graph in graphs:
        # Of each graph by itself: the two branches of an If may use the same names.
        types = {value.name: value_type(value.type) for value in (*graph.output, *graph.value_info)}
        for node in graph.node:
            output = next((types[name] for name in node.output if name in types), UNKNOWN)
            counts.setdefault(output, Counter())[operator_name(node)] += 1
    ordered = sorted(counts.items(), key=lambda item: -item[1].total())
    return {kind: dict(operators.most_common()) for kind, operators in ordered}


def _with_types(model: ModelProto, path: Path) -> GraphProto:
    """The graph, with the type of every value that ONNX can infer. The model's weights are emptied."""
    try:
        keep_small_values(model, path)
        return onnx.shape_inference.infer_shapes(model).graph
    except onnx.shape_inference.InferenceError:
        return model.graph
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} is damaged: {error}") from error


def _operators(model: ModelProto, nodes: list[NodeProto]) -> Iterator[OperatorDetails]:
    bodies = {(body.domain, body.name): len(body.node) for body in model.functions}
    for node in nodes:
        if (node.domain, node.op_type) == _OPERATOR:
            attributes = {text(each.name): _value(each) for each in node.attribute}
            yield OperatorDetails(attributes, bodies.get(_OPERATOR))


def _value(attribute: AttributeProto) -> Any:
    """A number, a string or a list of them; the kind alone of anything else, such as a tensor."""
    kind = AttributeProto.AttributeType.Name(attribute.type)
    if attribute.ref_attr_name or kind.removesuffix("S") not in ("FLOAT", "INT", "STRING"):
        return kind.lower()
    value = helper.get_attribute_value(attribute)
    return [text(each) for each in value] if kind == "STRINGS" else text(value)
