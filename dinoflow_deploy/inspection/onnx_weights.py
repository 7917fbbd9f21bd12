"""The constant values in an ONNX model. This module needs ``onnx``."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Final

from onnx import GraphProto, ModelProto, TensorProto
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_tensor, uses_external_data

from dinoflow_deploy.inspection.element_types import bytes_of
from dinoflow_deploy.inspection.onnx_walk import all_graphs, element_type, operator_name
from dinoflow_deploy.inspection.report import WeightsDetails

_SMALL: Final = 1024


def weigh(model: ModelProto) -> tuple[WeightsDetails, ...]:
    """Count initialisers and the tensors of ``Constant`` nodes by element type, the largest share first."""
    sizes: dict[str, list[int]] = defaultdict(list)
    takers: dict[str, Counter[str]] = defaultdict(Counter)
    for graph in all_graphs(model.graph):
        takers_in_graph = _takers(graph)
        for name, tensor in named_tensors(graph):
            kind = element_type(tensor.data_type)
            sizes[kind].append(prod(tensor.dims))
            takers[kind].update(sorted(takers_in_graph[name]))
    details = [_details(kind, sizes[kind], takers[kind]) for kind in sizes]
    return tuple(sorted(details, key=lambda each: -each.bytes))


def named_tensors(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    """Constant tensors of one graph, each by the name under which nodes take it."""
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        if operator_name(node) == "Constant":
            yield from ((node.output[0], each.t) for each in node.attribute if each.name == "value")


def external_files(model: ModelProto) -> tuple[str, ...]:
    """The files beside the model that hold tensors, as it names them."""
    tensors = [tensor for graph in all_graphs(model.graph) for _, tensor in named_tensors(graph)]
    names = (ExternalDataInfo(tensor).location for tensor in tensors if uses_external_data(tensor))
    return tuple(sorted(set(names)))


def keep_small_values(model: ModelProto, folder: Path) -> None:
    """Empty the weights, in place: what infers types reads shapes and other small values alone.

    Args:
        model: Loaded without what lies in files of its own, from which small values are now taken.
        folder: Where those files lie.
    """
    for graph in all_graphs(model.graph):
        for _, tensor in named_tensors(graph):
            if prod(tensor.dims) > _SMALL:
                tensor.ClearField("raw_data")
            elif uses_external_data(tensor):
                load_external_data_for_tensor(tensor, str(folder))
                tensor.data_location = TensorProto.DEFAULT


def _takers(graph: GraphProto) -> dict[str, set[str]]:
    """The kinds of operator that take each value."""
    takers: dict[str, set[str]] = defaultdict(set)
    for node in graph.node:
        for name in node.input:
            takers[name].add(operator_name(node))
    return takers


def _details(kind: str, sizes: list[int], takers: Counter[str]) -> WeightsDetails:
    values = sum(sizes)
    return WeightsDetails(kind, len(sizes), values, bytes_of(kind, values), dict(takers.most_common()))
