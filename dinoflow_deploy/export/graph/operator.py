"""The local correlation as an ONNX function: one node in the graph, its body in standard operators.

A runtime without a kernel of its own inlines the body; TensorRT takes a plugin where one is registered under
the node's ``plugin_namespace``, and the body where none is.
"""

from typing import Final

import onnx
from onnx import FunctionProto, ModelProto, parser

from dinoflow_deploy.train.model.correlation import OPERATOR_DOMAIN, OPERATOR_NAME

OPERATOR_ATTRIBUTES: Final = ("radius", "scale", "plugin_namespace", "plugin_version")
"""On every node: a plugin never sees the defaults of a function.

``scale`` is 1 / sqrt(C), always. The body reads it, so that no number is computed from a shape that is known
when the model is exported: ONNX Runtime leaves such scalars on the CPU. The kernels compute it from C, and
take nodes of before the attribute.
"""

# The method of dinoflow_deploy.train.model.correlation.correlate_bands, with the rows of frame 2 gathered at
# once, so that nothing depends on the radius but values. r is the radius, s = 2 r + 1.
_BODY: Final = """
<opset_import: ["": {opset}], domain: "{domain}">
{name} <{attributes}> (feature1, feature2) => (volume)
{{
    zero = Constant <value_int = 0> ()
    one = Constant <value_int = 1> ()
    at_0 = Constant <value_ints = [0]> ()
    at_1 = Constant <value_ints = [1]> ()
    at_4 = Constant <value_ints = [4]> ()
    rest = Constant <value_ints = [-1]> ()
    scale_real = Constant <value_float: float = @scale> ()
    keep_2 = Constant <value_ints = [0, 0]> ()
    keep_3 = Constant <value_ints = [0, 0, 0]> ()
    keep_7 = Constant <value_ints = [0, 0, 0, 0, 0, 0, 0]> ()
    r = Constant <value_int: int = @radius> ()
    twice_r = Add (r, r)
    s = Add (twice_r, one)
    r_1 = Unsqueeze (r, at_0)
    s_1 = Unsqueeze (s, at_0)

    height = Shape <start = 2, end = 3> (feature1)
    width = Shape <start = 3, end = 4> (feature1)
    scale = CastLike (scale_real, feature1)
    scaled = Mul (feature1, scale)
    cells = Transpose <perm = [0, 2, 3, 1]> (scaled)
    left = Unsqueeze (cells, at_1)

    margins = Concat <axis = 0> (keep_2, r_1, r_1, keep_2, r_1, r_1)
    padded = Pad (feature2, margins)
    rows = Transpose <perm = [0, 2, 1, 3]> (padded)
    shifts = Range (zero, s, one)
    shift_column = Unsqueeze (shifts, at_1)
    height_0 = Squeeze (height)
    row_numbers = Range (zero, height_0, one)
    band_rows = Add (shift_column, row_numbers)
    bands = Gather <axis = 1> (rows, band_rows)

    products = MatMul (left, bands)
    flat_shape = Concat <axis = 0> (keep_3, rest)
    flat = Reshape (products, flat_shape)
    skew = Concat <axis = 0> (keep_7, width)
    lengthened = Pad (flat, skew)
    skewed_shape = Concat <axis = 0> (keep_3, width, rest)
    skewed = Reshape (lengthened, skewed_shape)
    band = Slice (skewed, at_0, s_1, at_4)
    ordered = Transpose <perm = [0, 1, 4, 2, 3]> (band)
    displacements = Mul (s_1, s_1)
    volume_shape = Concat <axis = 0> (at_0, displacements, height, width)
    volume = Reshape (ordered, volume_shape)
}}
"""


def operator_function(opset: int) -> FunctionProto:
    """The function ``dinoflow::LocalCorrelation``.

    Its inputs ``feature1`` and ``feature2`` are ``[B, C, H, W]`` of float32, float16 or bfloat16; its output
    is ``[B, (2 radius + 1)^2, H, W]`` of the same type, as ``local_correlation`` defines it. Every length
    may be dynamic, and the body holds for any radius.

    Args:
        opset: Version of the standard operators, the one of the model that the function goes into.
    """
    attributes = ", ".join(OPERATOR_ATTRIBUTES)
    function = parser.parse_function(
        _BODY.format(opset=opset, domain=OPERATOR_DOMAIN, name=OPERATOR_NAME, attributes=attributes)
    )
    for node in function.node:
        # Runtimes name the nodes that they put in place of the call after these.
        (node.name,) = node.output
    return function


def attach_operator(model: ModelProto) -> None:
    """Add the function to a model that calls it, in place."""
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    model.functions.append(operator_function(opset))


def operator_nodes(model: ModelProto) -> list[onnx.NodeProto]:
    """The nodes of a model's graph that call the operator."""
    return [
        node for node in model.graph.node if (node.domain, node.op_type) == (OPERATOR_DOMAIN, OPERATOR_NAME)
    ]
