"""Builds with TensorRT-RTX through a plugin, and prints what came of it as JSON; run by test_parser.py.

In a process of its own, since TensorRT-RTX ends the process where its parser cannot open its library.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import onnx
import tensorrt_rtx_bindings as trt
from onnx import AttributeProto, ModelProto, TensorProto

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.bundles.onnx_info import ONNX_NAME
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.plugin.plugin_choice import (
    PluginChoice,
    check_plugin_layer,
    choose_plugin,
    network_flags,
    register_plugin,
)
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.tensorrt.flavours import RTX
from dinoflow_deploy.tensorrt.log import Messages
from tests.export.old_operator import with_old_operator
from tests.export.test_operator import operator_model

DYNAMIC = ("batch", 32, "height", "width")
PROFILE = ((1, 32, 4, 4), (1, 32, 28, 64), (4, 32, 68, 120))


def models() -> Iterator[tuple[str, ModelProto, tuple[tuple[int, ...], ...] | None]]:
    """Name, model and profile."""
    for name in ("FLOAT", "FLOAT16", "BFLOAT16"):
        element_type = TensorProto.DataType.Value(name)
        yield f"{name} dynamic", operator_model(4, element_type, DYNAMIC, 22), PROFILE
        yield f"{name} static", operator_model(8, element_type, (2, 33, 7, 5), 22), None
    nano = onnx.load(builtin_models()["nano"].bundle / ONNX_NAME)
    yield "nano", nano, ((1, 3, 64, 64), (1, 3, 448, 1024), (1, 3, 1088, 1920))
    yield "older bundle", with_old_operator(operator_model(4, shape=(2, 33, 7, 5))), None
    no_radius = operator_model(4)
    no_radius.graph.node[0].attribute.remove(attribute(no_radius, "radius"))
    yield "no radius", no_radius, None
    yield "radius 9", operator_model(9), None
    elsewhere = operator_model(4)
    attribute(elsewhere, "plugin_namespace").s = b"elsewhere"
    yield "other namespace", elsewhere, None


def attribute(model: ModelProto, name: str) -> AttributeProto:
    return next(item for item in model.graph.node[0].attribute if item.name == name)


def outcome(
    plugin: PluginChoice, model: ModelProto, profile: tuple[tuple[int, ...], ...] | None
) -> dict[str, Any]:
    logger = trt.Logger(trt.Logger.INTERNAL_ERROR)
    builder = trt.Builder(logger)
    config = builder.create_builder_config()
    register_plugin(plugin, trt, builder, config, Messages())
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED) | network_flags(plugin, trt)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model.SerializeToString()):
        return {"refused": parser.get_error(0).desc()}
    try:
        check_plugin_layer(network, plugin)
    except ExportError as error:
        return {"unchecked": str(error)}
    kinds = [network.get_layer(index).type.name for index in range(network.num_layers)]
    if profile is not None:
        shapes = builder.create_optimization_profile()
        for index in range(network.num_inputs):
            shapes.set_shape(network.get_input(index).name, *profile)
        config.add_optimization_profile(shapes)
    plan = builder.build_serialized_network(network, config)
    return {
        "plugins": kinds.count("PLUGIN_V3"),
        "shape": list(network.get_output(0).shape),
        "holds_library": plugin.library is not None and plugin.library.read_bytes() in bytes(plan),
    }


def main() -> None:
    plugin = choose_plugin("cpp", trt, RTX, InputRange.unlimited(), ("8.9",))
    results = {name: outcome(plugin, model, profile) for name, model, profile in models()}
    nothing = choose_plugin("none", trt, RTX, InputRange.unlimited(), ("8.9",))
    results["none"] = outcome(nothing, operator_model(4, TensorProto.FLOAT16, DYNAMIC), PROFILE)
    json.dump({"library": str(plugin.library), "results": results}, sys.stdout)


if __name__ == "__main__":
    main()
