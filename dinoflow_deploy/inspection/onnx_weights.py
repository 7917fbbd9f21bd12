"""The constant values in an ONNX model. This module needs ``onnx``."""

from collections import Counter, defaultdict
from math import prod
from pathlib import Path
from typing import Final

from onnx import GraphProto, ModelProto
from onnx.external_data_helper import uses_external_data

from dinoflow_deploy.inspection.element_types import bytes_of
from dinoflow_deploy.inspection.onnx_external import read_external
from dinoflow_deploy.inspection.onnx_walk import (
    all_graphs,
    all_nodes,
    element_type,
    named_tensors,
    operator_name,
)
from dinoflow_deploy.inspection.report import WeightsDetails

_SMALL: Final = 1024


def weigh(model: ModelProto) -> tuple[WeightsDetails, ...]:
    """Count initialisers and the tensors of ``Constant`` nodes by element type, the largest share first.

    A sparse one counts as the two tensors that it is kept in: its values and their indices.
    """
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


def keep_small_values(model: ModelProto, path: Path) -> None:
    """Empty the weights, in place: what infers types reads shapes and other small values alone.

    Args:
        model: Loaded without what lies in files of its own, from which small values are now taken.
        path: The file that it was loaded from.

    Raises:
        FileFormatError: A file of its own is missing, lies outside the model's folder, or does not hold all
            values of a tensor.
    """
    for graph in all_graphs(model.graph):
        for _, tensor in named_tensors(graph):
            small = prod(tensor.dims) <= _SMALL
            if uses_external_data(tensor):
                read_external(tensor, path, values=small)
            elif not small:
                tensor.ClearField("raw_data")


def _takers(graph: GraphProto) -> dict[str, set[str]]:
    """The kinds of operator that take each value, in the branches and loops of the graph too."""
    takers: dict[str, set[str]] = defaultdict(set)
    for node in all_nodes(graph):
        for name in node.input:
            takers[name].add(operator_name(node))
    return takers


def _details(kind: str, sizes: list[int], takers: Counter[str]) -> WeightsDetails:
    values = sum(sizes)
    return WeightsDetails(kind, len(sizes), values, bytes_of(kind, values), dict(takers.most_common()))
