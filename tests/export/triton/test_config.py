"""The configurations, read by Triton's own schema (``tritonclient``'s ``model_config_pb2``)."""

from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.bundles.model_input import FRAMES, IMAGES, ModelInput
from dinoflow_deploy.export.triton.config import PLATFORMS, NetworkConfig, front_config
from dinoflow_deploy.tensorrt.plan_info import PlanInfo

DYNAMIC = InputRange(AxisRange(1, 2, 16), AxisRange(64, 448, 2048), AxisRange(64, 1024, 2048))
ONE_PAIR = InputRange(AxisRange.fixed(1), AxisRange(64, 448, 1088), AxisRange(64, 1024, 1920))
FIXED = InputRange(AxisRange.fixed(2), AxisRange.fixed(448), AxisRange.fixed(1024))


def plan(plugin: str, inputs: InputRange) -> PlanInfo:
    return PlanInfo(
        file="tensorrt.plan",
        inputs=inputs,
        tools={},
        key=None,
        parity=None,
        flavour="tensorrt",
        version="10.16.1.11",
        compute_capabilities=("9.0",),
        gpu="NVIDIA H200",
        driver="580",
        plugin=plugin,
        hardware_compatibility="none",
        optimization_level=3,
    )


def parsed(text: str) -> Any:
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def network(
    kind: str, inputs: InputRange, plugin: str = "none", takes: ModelInput = IMAGES
) -> tuple[Any, str]:
    of_plan = plan(plugin, inputs) if kind == "plan" else None
    text = NetworkConfig(PLATFORMS[kind], inputs, takes, of_plan).text("dinoflow_network")
    return parsed(text), text


@pytest.mark.parametrize("kind", ["onnx", "plan"])
@pytest.mark.parametrize(
    ("inputs", "batch", "image", "flow", "warm", "count"),
    [
        (DYNAMIC, 16, [3, -1, -1], [2, -1, -1], [3, 448, 1024], 2),
        (ONE_PAIR, 0, [1, 3, -1, -1], [1, 2, -1, -1], [1, 3, 448, 1024], 1),
        (FIXED, 0, [2, 3, 448, 1024], [2, 2, 448, 1024], [2, 3, 448, 1024], 1),
    ],
)
def test_shapes_are_those_of_the_file(
    inputs: InputRange,
    batch: int,
    image: list[int],
    flow: list[int],
    warm: list[int],
    count: int,
    kind: str,
) -> None:
    config, _ = network(kind, inputs)
    assert config.name == "dinoflow_network"
    assert config.max_batch_size == batch
    assert [(each.name, list(each.dims)) for each in config.input] == [("image1", image), ("image2", image)]
    assert [(each.name, list(each.dims)) for each in config.output] == [("flow", flow)]
    assert {each.data_type for each in (*config.input, *config.output)} == {model_config_pb2.TYPE_FP32}
    # Where the batch is free Triton joins requests; where it stands in the shape it could not.
    assert config.HasField("dynamic_batching") == (batch > 1)
    (warm_up,) = config.model_warmup
    assert warm_up.name == "tuned for 448x1024"
    assert warm_up.batch_size == count
    assert {name: list(each.dims) for name, each in warm_up.inputs.items()} == {
        "image1": warm,
        "image2": warm,
    }
    assert all(each.zero_data for each in warm_up.inputs.values())
    assert config.version_policy.latest.num_versions == 2


@pytest.mark.parametrize(("inputs", "before"), [(DYNAMIC, []), (ONE_PAIR, [1])])
def test_a_network_of_bytes_takes_frames(inputs: InputRange, before: list[int]) -> None:
    config, _ = network("onnx", inputs, takes=FRAMES)
    frame = (model_config_pb2.TYPE_UINT8, [*before, -1, -1, 3])
    taken = {each.name: (each.data_type, list(each.dims)) for each in config.input}
    assert taken == {"frame1": frame, "frame2": frame}
    assert [(each.data_type, list(each.dims)) for each in config.output] == [
        (model_config_pb2.TYPE_FP32, [*before, 2, -1, -1])
    ]
    (warm_up,) = config.model_warmup
    warmed = {(each.data_type, *each.dims) for each in warm_up.inputs.values()}
    assert warmed == {(model_config_pb2.TYPE_UINT8, *before, 448, 1024, 3)}


def test_an_onnx_file_runs_on_a_gpu_where_there_is_one() -> None:
    config, _ = network("onnx", DYNAMIC)
    assert config.platform == "onnxruntime_onnx"
    assert config.default_model_filename == "model.onnx"
    (group,) = config.instance_group
    assert group.kind == model_config_pb2.ModelInstanceGroup.KIND_AUTO
    assert list(group.profile) == []


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ("none", "# Local correlation: no plugin."),
        ("aot", "the ahead-of-time plugin, whose kernel the plan holds."),
        ("cpp", "start the server with --backend-config=tensorrt,version-compatible=true."),
    ],
)
def test_a_plan_has_its_profile_and_says_what_it_needs(plugin: str, words: str) -> None:
    config, text = network("plan", ONE_PAIR, plugin)
    assert config.platform == "tensorrt_plan"
    assert config.default_model_filename == "model.plan"
    (group,) = config.instance_group
    assert group.kind == model_config_pb2.ModelInstanceGroup.KIND_GPU
    assert list(group.profile) == ["0"]
    assert "Built by TensorRT 10.16.1.11 for compute capability 9.0" in text
    assert words in text


def test_the_front_takes_frames_as_they_are() -> None:
    config = parsed(front_config("dinoflow"))
    assert (config.name, config.backend, config.max_batch_size) == ("dinoflow", "python", 0)
    frame = (model_config_pb2.TYPE_UINT8, [-1, -1, 3])
    inputs = {each.name: (each.data_type, list(each.dims)) for each in config.input}
    assert inputs == {"frame1": frame, "frame2": frame}
    outputs = {each.name: (each.data_type, list(each.dims)) for each in config.output}
    assert outputs == {
        "flow": (model_config_pb2.TYPE_FP32, [-1, -1, 2]),
        "about": (model_config_pb2.TYPE_STRING, [1]),
    }
    (group,) = config.instance_group
    assert (group.count, group.kind) == (4, model_config_pb2.ModelInstanceGroup.KIND_CPU)


def test_versions_share_a_configuration_but_for_the_tuned_shape() -> None:
    onnx, retuned = (NetworkConfig(PLATFORMS["onnx"], inputs) for inputs in (ONE_PAIR, ONE_PAIR))
    assert onnx.shares_with(retuned)
    others = [NetworkConfig(PLATFORMS["onnx"], inputs) for inputs in (DYNAMIC, FIXED)]
    assert not any(onnx.shares_with(other) for other in others)
    planned = NetworkConfig(PLATFORMS["plan"], ONE_PAIR, IMAGES, plan("none", ONE_PAIR))
    assert not onnx.shares_with(planned)
    assert not onnx.shares_with(NetworkConfig(PLATFORMS["onnx"], ONE_PAIR, FRAMES))
