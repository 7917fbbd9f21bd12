"""Going through an ONNX graph. This module needs ``onnx``."""

from collections.abc import Iterator
from typing import Final

from onnx import GraphProto, NodeProto, TensorProto

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


def operator_name(node: NodeProto) -> str:
    """A node's operator, with its domain where that is not the standard one."""
    standard = node.domain in ("", STANDARD_DOMAIN)
    return node.op_type if standard else f"{node.domain}::{node.op_type}"


def element_type(number: int) -> str:
    """The element type that ONNX writes as a number."""
    known = number != TensorProto.UNDEFINED and number in TensorProto.DataType.values()
    return type_name(TensorProto.DataType.Name(number)) if known else UNKNOWN
