"""An ONNX file as TensorRT's parser sees it: functions opened, every value with its type."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import onnx
from onnx import ModelProto, NodeProto, TensorProto, shape_inference

TYPES = {
    TensorProto.FLOAT: "FLOAT",
    TensorProto.FLOAT16: "HALF",
    TensorProto.BFLOAT16: "BF16",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.BOOL: "BOOL",
    TensorProto.UINT8: "UINT8",
}
"""TensorRT's types by ONNX's."""
SPOKEN = {
    "FLOAT": "Float",
    "HALF": "Half",
    "BF16": "BFloat16",
    "INT32": "Int32",
    "INT64": "Int64",
    "BOOL": "Bool",
    "UINT8": "UInt8",
}
"""What TensorRT calls them in sentences."""


@dataclass(frozen=True)
class FlatNode:
    """A node, or a node of a function that a node calls.

    Attributes:
        node: With the values' names of the flat graph, and attributes in place of references to them.
        number: Of the node in the file's graph.
        stack: The functions around it, outermost first.
    """

    node: NodeProto
    number: int
    stack: tuple[str, ...]


def flatten(model: ModelProto, is_whole: Callable[[NodeProto], bool]) -> list[FlatNode]:
    """Open every function, but of nodes that are taken as a whole."""
    functions = {(each.domain, each.name): each for each in model.functions}

    def opened(node: NodeProto, number: int, stack: tuple[str, ...]) -> Iterator[FlatNode]:
        function = functions.get((node.domain, node.op_type))
        if function is None or is_whole(node):
            yield FlatNode(node, number, stack)
            return
        given = {each.name: each for each in (*function.attribute_proto, *node.attribute)}
        names = dict(zip(function.input, node.input, strict=False)) | dict(
            zip(function.output, node.output, strict=False)
        )
        prefix = f"{node.name or node.output[0]}/"
        for inner in function.node:
            copy = NodeProto()
            copy.CopyFrom(inner)
            for values in (copy.input, copy.output):
                values[:] = [names.get(name, prefix + name) if name else "" for name in values]
            _resolve(copy, given)
            yield from opened(copy, number, (*stack, f"{node.name} ({node.op_type})"))

    return [flat for number, node in enumerate(model.graph.node) for flat in opened(node, number, ())]


def _resolve(node: NodeProto, given: dict[str, onnx.AttributeProto]) -> None:
    attributes = list(node.attribute)
    del node.attribute[:]
    for attribute in attributes:
        if attribute.ref_attr_name in given:
            name, value = attribute.name, given[attribute.ref_attr_name]
            attribute = onnx.AttributeProto()
            attribute.CopyFrom(value)
            attribute.name = name
        elif attribute.ref_attr_name:
            continue
        node.attribute.append(attribute)


def infer_types(model: ModelProto, nodes: list[FlatNode]) -> dict[str, onnx.ValueInfoProto]:
    """The type and shape of every value by name, as ONNX's own inference finds them."""
    flat = ModelProto()
    flat.CopyFrom(model)
    del flat.graph.node[:]
    flat.graph.node.extend(each.node for each in nodes)
    inferred = shape_inference.infer_shapes(flat, data_prop=True).graph
    constants = {
        each.name: onnx.helper.make_tensor_value_info(each.name, each.data_type, each.dims)
        for each in inferred.initializer
    }
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    return constants | {each.name: each for each in values if each.type.tensor_type.elem_type}


def mixed_types(node: NodeProto, types: dict[str, str], version: int) -> tuple[str, str] | None:
    """Two types that inputs have which must be of one."""
    schema = onnx.defs.get_schema(node.op_type, version, node.domain)
    last = len(schema.inputs) - 1
    found: dict[str, str] = {}
    for place, name in enumerate(node.input):
        formal = schema.inputs[min(place, last)]
        variable = formal.type_str in {each.type_param_str for each in schema.type_constraints}
        if not name or not variable or not formal.is_homogeneous:
            continue
        first = found.setdefault(formal.type_str, types[name])
        if types[name] != first:
            return first, types[name]
    return None
