"""Weights that half precision holds exactly are stored so: the same numbers in half the bytes."""

from typing import Final

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

_SMALLEST: Final = 4096
"""Values from which it is worth a node."""


def store_halves(model: ModelProto) -> None:
    """Store float32 weights as float16 where that loses nothing, and widen them again in the graph, in place.

    It is so for models whose file holds them as float16, as that of a built-in model does. Engines widen the
    weights once, when they load the graph.
    """
    widened: list[NodeProto] = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < _SMALLEST:
            continue
        values = numpy_helper.to_array(weight)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if not np.array_equal(halves.astype(np.float32), values):
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(halves, f"{name}.half"))
        widened.append(helper.make_node("Cast", [weight.name], [name], f"{name}.Cast", to=TensorProto.FLOAT))
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
