"""TensorRT-RTX, whose parser and builder are TensorRT's, parses and builds every export without a GPU."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto

from dinoflow_deploy.export import ExportOptions
from dinoflow_deploy.export.graph.onnx_model import export_onnx
from dinoflow_deploy.export.options import DYNAMIC_INPUTS, parse_inputs
from tests.export.conftest import Exported, GetExport
from tests.export.graph.test_operator import operator_model
from tests.export.old_operator import with_old_operator

pytestmark = pytest.mark.slow

trt = pytest.importorskip("tensorrt_rtx_bindings")

PROFILE = tuple(
    (getattr(DYNAMIC_INPUTS.batch, bound), 3, getattr(side, bound), getattr(side, bound))
    for side in (DYNAMIC_INPUTS.height,)
    for bound in ("min", "opt", "max")
)


LOW_TYPES = {"fp32": "FLOAT", "fp16": "HALF", "bf16": "BF16"}
# Where precision matters: the layers that compute.
COMPUTING = {"CONVOLUTION", "MATRIX_MULTIPLY", "NORMALIZATION", "SOFTMAX", "GRID_SAMPLE"}
LAST_CONVOLUTION = "model.Conv_0"


@dataclass(frozen=True)
class Layer:
    """One layer of a network as it is handed to the builder, with the types of what it reads and writes."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Built:
    """What came of an export."""

    layers: tuple[Layer, ...]
    plan_bytes: int

    @property
    def kinds(self) -> Counter[str]:
        return Counter(layer.kind for layer in self.layers)


@pytest.fixture(scope="session")
def get_build() -> Callable[[Exported], Built]:
    """Builds by export; each is made when first asked for."""
    made: dict[Path, Built] = {}

    def build_once(exported: Exported) -> Built:
        if exported.folder not in made:
            network, plan = build(exported.onnx, PROFILE if exported.dynamic else None)
            assert plan is not None
            made[exported.folder] = Built(layers_of(network), plan.nbytes)
        return made[exported.folder]

    return build_once


def test_every_export_parses_and_builds(exported: Exported, get_build: Callable[[Exported], Built]) -> None:
    built = get_build(exported)
    assert built.plan_bytes > 0.8 * exported.path.stat().st_size
    assert built.kinds["GRID_SAMPLE"] == 4
    assert built.kinds["SOFTMAX"] == exported.model.config.backbone_config.depth
    assert built.kinds["NORMALIZATION"] == 2 * built.kinds["SOFTMAX"]
    # The function's body, since no plugin is registered here.
    assert built.kinds["PLUGIN_V3"] == 0


def test_the_network_has_the_precision_asked_for_where_it_matters(
    exported: Exported, get_build: Callable[[Exported], Built]
) -> None:
    """Read from the network before it is built: an engine's inspector needs a GPU, also for RTX.

    The network is strongly typed, so that the builder keeps these types.
    """
    low = LOW_TYPES[exported.precision]
    layers = [layer for layer in get_build(exported).layers if layer.kind in COMPUTING]
    whole = {layer.name for layer in layers if is_float32(layer)}
    if exported.precision != "fp32":
        assert whole == {LAST_CONVOLUTION} | {
            f"head.upsample_{stage}.dysample{step}.0.GridSample_0" for stage in (1, 2) for step in (1, 2)
        }
    for layer in layers:
        expected = "FLOAT" if layer.name in whole else low
        assert {*floats(layer.inputs), *floats(layer.outputs)} == {expected}, layer.name
    # Six products in each transformer block and two around its softmax, eight in the fusion, one in the cost
    # volume: none of them is float32.
    depth = exported.model.config.backbone_config.depth
    kinds = Counter(layer.kind for layer in layers)
    assert kinds["MATRIX_MULTIPLY"] == 8 * depth + 8 + 1
    assert kinds["CONVOLUTION"] == 21


def test_q_and_k_are_rotated_in_float32_and_multiplied_in_the_precision_asked_for(
    exported: Exported, get_build: Callable[[Exported], Built]
) -> None:
    low = LOW_TYPES[exported.precision]
    layers = get_build(exported).layers
    for block in range(exported.model.config.backbone_config.depth):
        prefix = f"backbone.blocks.{block}.attention."
        types = {layer.name.removeprefix(prefix): layer for layer in layers if layer.name.startswith(prefix)}
        # Cosine and sine, of Q and of K; then both are scaled before their product.
        rotations = [types[f"Mul_{index}"] for index in range(4)] + [types["Neg_0"], types["Neg_1"]]
        assert {name for layer in rotations for name in (*layer.inputs, *layer.outputs)} == {"FLOAT"}
        scalings = [types["Mul_4"], types["Mul_5"]]
        for layer in (*scalings, types["MatMul_0"], types["Softmax_0"], types["MatMul_1"]):
            assert set(layer.outputs) == {low}, layer.name


def test_the_plan_shrinks_with_the_precision(
    exported: Exported, get_export: GetExport, get_build: Callable[[Exported], Built]
) -> None:
    """By about as much as the file: measured 0.87 to 1.24 times that for nano, 0.99 and 1.03 for vits16."""
    if exported.precision == "fp32":
        return
    whole = get_export(exported.name, "fp32", exported.dynamic)
    whole_bytes, low_bytes = get_build(whole).plan_bytes, get_build(exported).plan_bytes
    saved = whole.path.stat().st_size - exported.path.stat().st_size
    assert 0.8 < (whole_bytes - low_bytes) / saved < 1.3
    # The share falls towards a half as the weights outgrow what else a plan holds, some 4 to 12 MB.
    assert low_bytes / whole_bytes < {"nano": 0.8, "vits16": 0.56}[exported.name]


@pytest.mark.parametrize("profile", [None, tuple((1, side, side, 3) for side in (64, 96, 128))])
def test_an_export_that_takes_bytes_builds(
    nano: Exported, profile: tuple[tuple[int, ...], ...] | None
) -> None:
    inputs = parse_inputs(None, "dynamic") if profile else parse_inputs("64x64", "1")
    options = ExportOptions(inputs=inputs, model_input="frames")
    network, plan = build(export_onnx(nano.model, options), profile)
    assert plan is not None
    assert {network.get_input(index).dtype.name for index in range(2)} == {"UINT8"}


@pytest.mark.parametrize("element_type", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16])
@pytest.mark.parametrize("radius", [1, 4, 6])
def test_the_operator_builds_in_every_type(radius: int, element_type: int) -> None:
    opset = 22 if element_type == TensorProto.BFLOAT16 else 20
    model = operator_model(radius, element_type, ("batch", 32, "height", "width"), opset)
    network, plan = build(model, ((1, 32, 4, 4), (1, 32, 32, 32), (16, 32, 128, 128)))
    assert plan is not None
    assert tuple(network.get_output(0).shape) == (-1, (2 * radius + 1) ** 2, -1, -1)


def test_the_operator_of_older_bundles_builds() -> None:
    old = with_old_operator(operator_model(4, TensorProto.FLOAT16))
    _, plan = build(old, ((1, 32, 4, 4), (1, 32, 32, 32), (16, 32, 128, 128)))
    assert plan is not None


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


def layers_of(network: Any) -> tuple[Layer, ...]:
    return tuple(
        Layer(
            layer.name,
            layer.type.name,
            tuple(layer.get_input(i).dtype.name for i in range(layer.num_inputs) if layer.get_input(i)),
            tuple(layer.get_output(i).dtype.name for i in range(layer.num_outputs)),
        )
        for layer in map(network.get_layer, range(network.num_layers))
    )


def floats(types: tuple[str, ...]) -> list[str]:
    return [name for name in types if name in LOW_TYPES.values()]


def is_float32(layer: Layer) -> bool:
    return "FLOAT" in (*layer.inputs, *layer.outputs)
