"""The operator as it was before it had the attribute ``scale``: 1 / sqrt(C) computed from a shape."""

from onnx import FunctionProto, ModelProto, helper

from dinoflow_deploy.export.graph.operator import operator_nodes


def with_old_operator(model: ModelProto) -> ModelProto:
    """The same model as older bundles have it."""
    old = ModelProto()
    old.CopyFrom(model)
    (node,) = operator_nodes(old)
    node.attribute.remove(next(item for item in node.attribute if item.name == "scale"))
    _compute_scale(old.functions[0])
    return old


def _compute_scale(function: FunctionProto) -> None:
    function.attribute.remove("scale")
    for node in function.node:
        node.ClearField("name")
    index = next(i for i, node in enumerate(function.node) if "scale_real" in node.output)
    del function.node[index]
    nodes = [
        helper.make_node("Constant", [], ["exponent"], value_float=-0.5),
        helper.make_node("Shape", ["feature1"], ["channels"], start=1, end=2),
        helper.make_node("Cast", ["channels"], ["channels_real"], to=1),
        helper.make_node("Pow", ["channels_real", "exponent"], ["scale_real"]),
    ]
    for node in reversed(nodes):
        function.node.insert(index, node)
