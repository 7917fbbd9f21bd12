"""TensorRT-RTX, whose parser and builder are TensorRT's, parses and builds every export without a GPU."""

from collections import Counter
from typing import Any

import onnx
import pytest
from onnx import TensorProto

from dinoflow_deploy.export.options import DYNAMIC_INPUTS
from tests.export.conftest import Exported
from tests.export.test_operator import operator_model

trt = pytest.importorskip("tensorrt_rtx_bindings")

PROFILE = tuple(
    (getattr(DYNAMIC_INPUTS.batch, bound), 3, getattr(side, bound), getattr(side, bound))
    for side in (DYNAMIC_INPUTS.height,)
    for bound in ("min", "opt", "max")
)


def test_every_export_parses_and_builds(exported: Exported) -> None:
    network, plan = build(exported.onnx, PROFILE if exported.dynamic else None)
    assert plan is not None
    weights = exported.path.stat().st_size
    assert plan.nbytes > 0.8 * weights
    kinds = layer_kinds(network)
    assert kinds["GRID_SAMPLE"] == 4
    assert kinds["SOFTMAX"] == exported.model.config.backbone_config.depth
    assert kinds["NORMALIZATION"] == 2 * kinds["SOFTMAX"]
    # The function's body, since no plugin is registered here.
    assert kinds["PLUGIN_V3"] == 0


@pytest.mark.parametrize("element_type", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16])
@pytest.mark.parametrize("radius", [1, 4, 6])
def test_the_operator_builds_in_every_type(radius: int, element_type: int) -> None:
    opset = 22 if element_type == TensorProto.BFLOAT16 else 20
    model = operator_model(radius, element_type, ("batch", 32, "height", "width"), opset)
    network, plan = build(model, ((1, 32, 4, 4), (1, 32, 32, 32), (16, 32, 128, 128)))
    assert plan is not None
    assert tuple(network.get_output(0).shape) == (-1, (2 * radius + 1) ** 2, -1, -1)


def build(model: onnx.ModelProto, profile: tuple[tuple[int, ...], ...] | None) -> tuple[Any, Any]:
    """Parse into a strongly typed network and build a plan; the profile is of every input."""
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    parsed = parser.parse(model.SerializeToString())
    assert parsed, [str(parser.get_error(index)) for index in range(parser.num_errors)]
    config = builder.create_builder_config()
    if profile is not None:
        shapes = builder.create_optimization_profile()
        for index in range(network.num_inputs):
            shapes.set_shape(network.get_input(index).name, *profile)
        config.add_optimization_profile(shapes)
    return network, builder.build_serialized_network(network, config)


def layer_kinds(network: Any) -> Counter[str]:
    return Counter(network.get_layer(index).type.name for index in range(network.num_layers))
