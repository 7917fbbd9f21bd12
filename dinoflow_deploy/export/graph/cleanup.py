"""What a file says about itself: names of nodes, and nothing of the machine that made it."""

from collections import Counter
from typing import Final

from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

import dinoflow_deploy
from dinoflow_deploy.export.graph.graph_builder import MODULE_KEY

_SCORES: Final = {0: "images", 2: "tokens", 3: "tokens"}


def clean(model: ModelProto) -> None:
    """Name nodes, and remove doc strings, stack traces and other metadata, in place.

    A node is named by the module it comes from, its operator and a number:
    ``backbone.blocks.0.attention.MatMul_2``. The same graph gets the same names.
    """
    model.producer_name = "dinoflow-deploy"
    model.producer_version = dinoflow_deploy.__version__
    model.graph.name = "dinoflow"
    model.doc_string = ""
    del model.metadata_props[:]
    _name_nodes(model.graph)
    _keep_scores(model.graph)
    _strip(model.graph)


def _name_nodes(graph: GraphProto) -> None:
    counts: Counter[str] = Counter()
    for node in graph.node:
        name = f"{_module_path(node)}.{node.op_type}"
        node.name = f"{name}_{counts[name]}"
        counts[name] += 1


def _module_path(node: NodeProto) -> str:
    """Dotted name of the module that a node was traced in; the model itself is ``model``."""
    return next((entry.value for entry in node.metadata_props if entry.key == MODULE_KEY), "") or "model"


def _keep_scores(graph: GraphProto) -> None:
    """Keep the shapes of attention's scores, before and after the softmax, alone.

    ONNX Runtime writes a result over its input where it can tell that both have one shape, which it does not
    see by itself here; these are by far the largest values of the graph. Others go, since the tracer has
    names of its own for the axes.
    """
    names = {name for node in graph.node if node.op_type == "Softmax" for name in (*node.input, *node.output)}
    scores = [value for value in graph.value_info if value.name in names]
    for value in scores:
        _name(value)
    del graph.value_info[:]
    graph.value_info.extend(scores)


def _name(value: ValueInfoProto) -> None:
    for index, name in _SCORES.items():
        dimension = value.type.tensor_type.shape.dim[index]
        if not dimension.HasField("dim_value"):
            dimension.dim_param = name


def _strip(graph: GraphProto) -> None:
    del graph.metadata_props[:]
    del graph.quantization_annotation[:]
    graph.doc_string = ""
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info):
        part.doc_string = ""
        del part.metadata_props[:]
