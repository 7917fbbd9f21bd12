import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.inspection import inspect_artifact, report_lines
from dinoflow_deploy.inspection.engine_text import engine_lines
from dinoflow_deploy.inspection.report import EngineDetails, TensorDetails
from tests.small_bundles import difference_model
from tests.tensorrt_model.building import Profile, build_bytes
from tests.tensorrt_model.flavours import TENSORRT_10
from tests.tensorrt_model.module import TensorRT

SHAPE = ("batch", 3, "height", "width")
PROFILES: tuple[Profile, ...] = (((1, 64, 64), (1, 448, 1024), (4, 1088, 1920)), ((1, 64, 64),) * 3)
LAYERS: tuple[Any, ...] = (
    {
        "Name": "conv1",
        "LayerType": "CaskConvolution",
        "Outputs": [{"Name": "a", "Format/Datatype": "Channel major FP16 format where channel % 8 == 0"}],
    },
    {"Name": "conv2", "LayerType": "CaskConvolution", "Outputs": [{"Name": "b", "Format/Datatype": "Half"}]},
    {"Name": "norm", "LayerType": "kgen", "Outputs": [{"Name": "c", "Format/Datatype": "BFloat16"}]},
    {"Name": "grid", "LayerType": "kgen", "Outputs": [{"Name": "d", "Format/Datatype": "Float"}]},
    {"Name": "volume", "LayerType": "PluginV3", "Outputs": [{"Format/Datatype": "Row major linear FP32"}]},
    {"Name": "late", "LayerType": "NoOp", "Outputs": [{"Format/Datatype": "N/A due to dynamic shapes"}]},
    {"Name": "signal", "LayerType": "Signal", "Outputs": []},
)
"""As the inspector says them."""


def plan_bytes(**changes: Any) -> bytes:
    """A plan of ``difference_model`` with a float16 image2; ``changes`` are those of ``build_bytes``."""
    model = difference_model(("image1", "wide2"))
    model.graph.node.insert(0, helper.make_node("Cast", ["image2"], ["wide2"], to=TensorProto.FLOAT))
    del model.graph.input[1]
    model.graph.input.append(helper.make_tensor_value_info("image2", TensorProto.FLOAT16, SHAPE))
    told = {"hardware_compatibility_level": "SAME_COMPUTE_CAPABILITY"}
    said = {"layers": LAYERS, "settings": told, "memory": (700_000_000, 5_000_000), "weights": 30_000_000}
    return build_bytes(model.SerializeToString(), *PROFILES, **{**said, "streams": 2, **changes})


@pytest.fixture(autouse=True)
def without_rtx(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT-RTX is where nobody finds it."""
    for name in ("tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "tensorrt.plan"
    path.write_bytes(plan_bytes())
    return path


def engine_of(path: Path) -> EngineDetails:
    (plan,) = inspect_artifact(path).plans
    assert plan.engine is not None
    return plan.engine


def test_layers_are_counted_by_precision_and_kind(trt: TensorRT, plan: Path) -> None:
    engine = engine_of(plan)
    assert engine.precision == {
        "fp16": {"CaskConvolution": 2},
        "fp32": {"kgen": 1, "PluginV3": 1},
        "unknown": {"NoOp": 1, "Signal": 1},
        "bf16": {"kgen": 1},
    }
    assert engine.layers == 7
    assert engine.plugins == ("volume",)


def test_the_type_is_found_in_what_the_inspector_says(trt: TensorRT, plan: Path) -> None:
    said = {
        "Row major linear INT8 format": "int8",
        "UInt8": "uint8",
        "FP8": "fp8",
        "Row major INT4 format": "int4",
        "FP4": "fp4",
        "Int32": "int32",
        "Int64": "int64",
        "Bool": "bool",
        "Channel major BF16 format": "bf16",
        "Row major linear Float16 format": "fp16",
    }
    layers = tuple({"LayerType": kind, "Outputs": [{"Format/Datatype": kind}]} for kind in said)
    plan.write_bytes(plan_bytes(layers=layers))
    assert engine_of(plan).precision == {kind: {text: 1} for text, kind in said.items()}


def test_tensors_profiles_and_memory(trt: TensorRT, plan: Path) -> None:
    engine = engine_of(plan)
    assert engine.tensors == (
        TensorDetails("image1", "input", "fp32", (-1, 3, -1, -1)),
        TensorDetails("image2", "input", "fp16", (-1, 3, -1, -1)),
        TensorDetails("flow", "output", "fp32", (-1, 2, -1, -1)),
    )
    first, second = engine.profiles
    assert first.shapes["image1"] == ((1, 3, 64, 64), (1, 3, 448, 1024), (4, 3, 1088, 1920))
    assert (first.device_memory_bytes, second.device_memory_bytes) == (700_000_000, 5_000_000)
    assert (engine.device_memory_bytes, engine.weights_bytes) == (700_000_000, 30_000_000)
    assert (engine.version, engine.hardware_compatibility) == ("11.4.0.106", "SAME_COMPUTE_CAPABILITY")


def test_what_it_reads_as_text(trt: TensorRT, plan: Path) -> None:
    lines = list(report_lines(inspect_artifact(plan)))
    assert ("profile", lines[lines.index(("output", "flow, fp32 [-1, 2, -1, -1]")) + 1][1]) in lines
    text = "\n".join(line for _, line in lines)
    assert "0: image1 1x3x64x64 .. 1x3x448x1024 .. 4x3x1088x1920, image2 1x3x64x64" in text
    assert "700.0 MB for a context, 30.0 MB weights, 2 auxiliary streams" in text
    assert ("layers", "7: 2 fp16, 2 fp32, 2 unknown, 1 bf16") in lines
    assert ("plugins", "volume") in lines
    assert ("runs on", "hardware compatibility SAME_COMPUTE_CAPABILITY") in lines
    refittable = replace(engine_of(plan), refittable=True)
    assert ("runs on", "hardware compatibility SAME_COMPUTE_CAPABILITY, refittable") in engine_lines(
        refittable
    )


@pytest.mark.parametrize("layers", [("conv1", "conv2"), ()])
def test_a_plan_without_details_of_its_layers_says_so(
    layers: tuple[str, ...], trt: TensorRT, plan: Path
) -> None:
    plan.write_bytes(plan_bytes(layers=layers))
    report = inspect_artifact(plan)
    engine = report.plans[0].engine
    assert engine is not None
    assert (engine.layers, engine.precision) == (len(layers), {})
    assert any("built without detailed profiling information" in line for _, line in report_lines(report))


def test_code_in_a_plan_is_loaded_only_where_it_is_allowed(trt: TensorRT, plan: Path) -> None:
    plan.write_bytes(plan_bytes(libraries=("plugin.so",)))
    report = inspect_artifact(plan)
    assert report.plans[0].engine is None
    assert "--allow-host-code, if you trust the plan" in report.left_out[-1].reason
    assert inspect_artifact(plan, allow_host_code=True).plans[0].engine is not None
    for options, loaded in (([], False), (["--allow-host-code"], True)):
        result = CliRunner().invoke(app, ["inspect", str(plan), *options])
        assert ("loaded by" in result.stdout) is loaded
    plan.write_bytes(b"other" + bytes(100))
    assert "--allow-host-code" not in inspect_artifact(plan, allow_host_code=True).left_out[-1].reason


def test_a_tensorrt_without_its_libraries_is_a_reason(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorrt.py").write_text(
        'raise ImportError("libnvinfer.so.11: cannot open shared object file")'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    assert "libnvinfer.so.11: cannot open" in inspect_artifact(plan).left_out[-1].reason


def test_a_plan_that_no_tensorrt_takes_gives_every_reason(trt: TensorRT, plan: Path) -> None:
    plan.write_bytes(plan_bytes(modelled=TENSORRT_10))
    header, layers = inspect_artifact(plan).left_out
    assert header.what == "the header of tensorrt.plan"
    assert "TensorRT 11.4.0.106 cannot load it here: The engine plan file is not compatible" in layers.reason
    assert "expecting library version 11.4.0.106 got 10.16.1.11, please rebuild. (native" in layers.reason
    assert re.search(r"needs the package 'tensorrt_rtx', which is not installed: pip install", layers.reason)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("CUDA driver version is insufficient for CUDA runtime version", "it finds no NVIDIA GPU"),
        (None, "factory function returned nullptr"),
    ],
)
def test_a_runtime_that_cannot_be_made_is_a_reason(
    said: str | None, reason: str, trt: TensorRT, plan: Path
) -> None:
    trt.state.fail["Runtime"] = said
    left_out = inspect_artifact(plan).left_out
    assert f"TensorRT 11.4.0.106 cannot load it here: {reason}" in left_out[-1].reason.replace(
        "pybind11::init(): ", ""
    )


@pytest.mark.tensorrt
def test_a_real_plan_on_a_gpu(tmp_path: Path) -> None:
    """An engine of one convolution in fp16, built and looked at."""
    import numpy as np

    if not Path("/proc/driver/nvidia").exists():
        pytest.skip("no NVIDIA driver")
    trt = pytest.importorskip("tensorrt")
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    value = network.add_input("x", trt.float16, (1, 8, -1, 32))
    weights = np.ones((8, 8, 3, 3), np.float16)
    network.mark_output(network.add_convolution_nd(value, 8, (3, 3), weights).get_output(0))
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    profile.set_shape("x", (1, 8, 16, 32), (1, 8, 32, 32), (1, 8, 64, 32))
    config.add_optimization_profile(profile)
    path = tmp_path / "real.plan"
    path.write_bytes(bytes(builder.build_serialized_network(network, config)))
    engine = engine_of(path)
    assert engine.version == trt.__version__
    assert engine.tensors[0] == TensorDetails("x", "input", "fp16", (1, 8, -1, 32))
    assert engine.profiles[0].shapes == {"x": ((1, 8, 16, 32), (1, 8, 32, 32), (1, 8, 64, 32))}
    assert sum(engine.precision.get("fp16", {}).values()) >= 1
    assert sum(sum(kinds.values()) for kinds in engine.precision.values()) == engine.layers
