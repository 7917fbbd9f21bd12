"""A bfloat16 graph for runtimes without bfloat16: computed in float32, rounded after every operator.

ONNX Runtime's CPU provider has no bfloat16 kernels, so that a bfloat16 export cannot be verified through
it as it is. This gives the same operators on the same values: what leaves an operator in bfloat16 is
rounded to it (to nearest, ties to even), and sums within an operator are taken in float32, as tensor
cores take them.
"""

from typing import Final

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, inliner, numpy_helper

_BF16, _FP32 = TensorProto.BFLOAT16, TensorProto.FLOAT

# They move values and change none: rounding again would do nothing but take time.
_MOVES: Final = (
    *("Concat", "Expand", "Flatten", "Gather", "Identity", "Pad", "Relu", "Reshape", "Slice"),
    *("Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
)


def emulate_bfloat16(model: ModelProto) -> ModelProto:
    """A model that computes what a bfloat16 one computes, without the type but in two casts.

    Args:
        model: Left as it is; its inputs and outputs are float32.

    Returns:
        A model of the same inputs and outputs in standard operators.
    """
    flat = inliner.inline_local_functions(model)
    typed = onnx.shape_inference.infer_shapes(flat, data_prop=True)
    rounded = {value.name for value in typed.graph.value_info if value.type.tensor_type.elem_type == _BF16}
    graph = flat.graph
    for tensor in graph.initializer:
        _widen(tensor)
    nodes = [new for node in graph.node for new in _emulated(node, rounded)]
    del graph.node[:]
    del graph.value_info[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(flat, full_check=True)
    return flat


def _emulated(node: NodeProto, rounded: set[str]) -> list[NodeProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            _widen(attribute.t)
    if node.op_type == "Cast" and helper.get_node_attr_value(node, "to") == _BF16:
        return _rounding(node.input[0], node.output[0])
    results = [name for name in node.output if name in rounded]
    if node.op_type in _MOVES or not results:
        return [node]
    exact = {name: f"{name}/exact" for name in results}
    node.output[:] = [exact.get(name, name) for name in node.output]
    return [node, *(new for name in results for new in _rounding(exact[name], name))]


def _rounding(source: str, target: str) -> list[NodeProto]:
    half = f"{target}/bfloat16"
    return [
        helper.make_node("Cast", [source], [half], to=_BF16),
        helper.make_node("Cast", [half], [target], to=_FP32),
    ]


def _widen(tensor: TensorProto) -> None:
    """The same values in float32."""
    if tensor.data_type == _BF16:
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
