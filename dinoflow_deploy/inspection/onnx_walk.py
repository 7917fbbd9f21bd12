"""Going through an ONNX graph. This module needs ``onnx``."""

from collections.abc import Iterator
from typing import Final

from onnx import GraphProto, NodeProto, SparseTensorProto, TensorProto, TypeProto

from dinoflow_deploy.inspection.element_types import UNKNOWN, type_name

STANDARD_DOMAIN: Final = "ai.onnx"


def all_graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph and those of the branches and loops in it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from all_graphs(inner)


def all_nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes of all these graphs."""
    for each in all_graphs(graph):
        yield from each.node


def named_tensors(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    """Constant tensors of one graph, each by the name under which nodes take it."""
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for sparse in graph.sparse_initializer:
        yield from _parts(sparse.values.name, sparse)
    for node in graph.node:
        if operator_name(node) == "Constant":
            name = next(iter(node.output), "")
            for each in node.attribute:
                if each.name == "value":
                    yield name, each.t
                elif each.name == "sparse_value":
                    yield from _parts(name, each.sparse_tensor)


def _parts(name: str, sparse: SparseTensorProto) -> Iterator[tuple[str, TensorProto]]:
    yield name, sparse.values
    yield name, sparse.indices


def operator_name(node: NodeProto) -> str:
    """A node's operator, with its domain where that is not the standard one."""
    domain, operator = text(node.domain), text(node.op_type)
    return operator if domain in ("", STANDARD_DOMAIN) else f"{domain}::{operator}"


def text(value: str | bytes) -> str:
    """A name; protobuf gives one that is not UTF-8 as bytes."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def element_type(number: int) -> str:
    """The element type that ONNX writes as a number."""
    known = number != TensorProto.UNDEFINED and number in TensorProto.DataType.values()
    return type_name(TensorProto.DataType.Name(number)) if known else UNKNOWN


def value_type(kind: TypeProto) -> str:
    """The type of a value: ``"fp32"`` for a tensor, ``"sequence(fp32)"`` for what holds tensors."""
    form = kind.WhichOneof("value") or ""
    if form == "tensor_type":
        return element_type(kind.tensor_type.elem_type)
    if form == "sparse_tensor_type":
        return f"sparse({element_type(kind.sparse_tensor_type.elem_type)})"
    if form in ("sequence_type", "optional_type"):
        return f"{form.partition('_')[0]}({value_type(getattr(kind, form).elem_type)})"
    if form == "map_type":
        return f"map({element_type(kind.map_type.key_type)}, {value_type(kind.map_type.value_type)})"
    return UNKNOWN
