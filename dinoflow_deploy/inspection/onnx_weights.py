"""The constant values in an ONNX model. This module needs ``onnx``."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Final

from onnx import GraphProto, ModelProto, SparseTensorProto, TensorProto
from onnx.external_data_helper import uses_external_data

from dinoflow_deploy.inspection.element_types import bytes_of
from dinoflow_deploy.inspection.onnx_walk import all_graphs, all_nodes, element_type, operator_name, text
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


def named_tensors(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    """Constant tensors of one graph, each by the name under which nodes take it."""
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for sparse in graph.sparse_initializer:
        yield from _parts(sparse.values.name, sparse)
    for node in graph.node:
        if operator_name(node) == "Constant":
            for each in node.attribute:
                if each.name == "value":
                    yield node.output[0], each.t
                elif each.name == "sparse_value":
                    yield from _parts(node.output[0], each.sparse_tensor)


def _parts(name: str, sparse: SparseTensorProto) -> Iterator[tuple[str, TensorProto]]:
    yield name, sparse.values
    yield name, sparse.indices


def external_files(model: ModelProto) -> tuple[str, ...]:
    """The files beside the model that hold tensors, as it names them."""
    tensors = [tensor for graph in all_graphs(model.graph) for _, tensor in named_tensors(graph)]
    entries = (entry for tensor in tensors if uses_external_data(tensor) for entry in tensor.external_data)
    return tuple(sorted({text(entry.value) for entry in entries if entry.key == "location"}))


def keep_small_values(model: ModelProto, folder: Path) -> None:
    """Empty the weights, in place: what infers types reads shapes and other small values alone.

    Args:
        model: Loaded without what lies in files of its own, from which small values are now taken.
        folder: Where those files lie.

    Raises:
        ValueError: A file of its own does not hold all values of a tensor.
    """
    for graph in all_graphs(model.graph):
        for _, tensor in named_tensors(graph):
            small = prod(tensor.dims) <= _SMALL
            if uses_external_data(tensor):
                _read_external(tensor, folder, small=small)
            elif not small:
                tensor.ClearField("raw_data")


def _read_external(tensor: TensorProto, folder: Path, *, small: bool) -> None:
    """Check that a tensor's values are there; take them into the model where they are few."""
    stated = {entry.key: entry.value for entry in tensor.external_data}
    path, start = folder / stated["location"], int(stated.get("offset", 0))
    needed = bytes_of(element_type(tensor.data_type), prod(tensor.dims))
    held = min(path.stat().st_size - start, int(stated.get("length", needed)))
    if start < 0 or held < needed:
        raise ValueError(
            f"the tensor {tensor.name} needs {needed} bytes from {start} on, not {held}, of {path}"
        )
    if small:
        with path.open("rb") as file:
            file.seek(start)
            tensor.raw_data = file.read(needed)
        tensor.data_location = TensorProto.DEFAULT


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
