"""Which nodes of an ONNX model do arithmetic on shapes. This module needs ``onnx``."""

import re
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Final

import onnx
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, inliner, shape_inference
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

_FEW: Final = 100
"""As many numbers as ONNX Runtime calls a small constant, which it takes to the CPU with a shape."""
_INLINED: Final = re.compile(r"__\d+$")
"""What ``onnx.inliner`` adds to the name of a node in a function's body."""


def shape_arithmetic(path: Path) -> set[tuple[str, str]]:
    """The nodes that compute a few numbers from shapes, constants and such numbers alone.

    Whatever their operators, all that they can make is lengths, indices or a scalar such as 2 / width: on
    the CPU they cost next to nothing, and no image waits for them or is copied. Not among them are nodes that
    read values of images, be it to make a single number (the whole image would be copied to the CPU), nor
    those that make as many numbers as a frame has rows or pixels (computed and copied for each frame).

    Args:
        path: An ONNX file.

    Returns:
        Operator and name of each node, as ONNX Runtime has them once it has put functions' bodies in place of
        their calls. Where several nodes share both, all of them are of this kind.
    """
    graph = _inlined(_load(path))
    few = set(_few(graph))
    known = {"", *(tensor.name for tensor in graph.initializer)}
    from_shapes: set[str] = set()
    found: dict[tuple[str, str], bool] = {}
    for node in graph.node:
        reads_values = node.op_type not in ("Shape", "Size")
        if node.op_type == "Constant":
            known |= set(node.output)
        elif not (reads_values and set(node.input) - known - from_shapes) and not _has_subgraph(node):
            from_shapes |= set(node.output)
        handled = {*(node.input if reads_values else ()), *node.output} - known
        key = (node.op_type, node.name)
        found[key] = found.get(key, True) and handled <= few & from_shapes
    return {key for key, harmless in found.items() if harmless}


def _load(path: Path) -> ModelProto:
    """A model without its weights: only small constants take part in shapes."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        if prod(tensor.dims) > _FEW:
            tensor.ClearField("raw_data")
        elif uses_external_data(tensor):
            load_external_data_for_tensor(tensor, str(path.parent))
    return model


def _inlined(model: ModelProto) -> GraphProto:
    """The graph with functions' bodies in place of calls, nodes named as by ONNX Runtime, and its shapes."""
    for function in model.functions:
        for node in function.node:
            node.name = node.name and f"_inlfunc_{function.name}_{node.name}"
    own = {node.name for node in model.graph.node}
    graph = shape_inference.infer_shapes(inliner.inline_local_functions(model), data_prop=True).graph
    for node in graph.node:
        if node.name not in own:
            node.name = _INLINED.sub("", node.name)
    return graph


def _few(graph: GraphProto) -> Iterator[str]:
    """Values known to have few numbers, whatever the shapes of images."""
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.HasField("shape") and _count(value) <= _FEW:
            yield value.name


def _count(value: ValueInfoProto) -> float:
    axes = value.type.tensor_type.shape.dim
    return prod(axis.dim_value if axis.HasField("dim_value") else float("inf") for axis in axes)


def _has_subgraph(node: NodeProto) -> bool:
    return any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
