"""What TensorRT's ahead-of-time interface is given; in the model of it, shape expressions are integers."""

from typing import Any

import pytest

from dinoflow_deploy.export.plugin import aot
from dinoflow_deploy.export.plugin.launch import ENTRIES, block_count
from dinoflow_deploy.export.plugin.ptx import load_ptx
from tests.tensorrt_model.module import TensorRT
from tests.tensorrt_model.plugin import (
    AutoTuneCombination,
    KernelLaunchParams,
    SymIntExprs,
    TensorDesc,
)


@pytest.fixture
def registered(trt: TensorRT) -> dict[str, Any]:
    """The functions by what they were registered as."""
    aot.register_aot_plugin(trt)
    assert {plugin_id for _, plugin_id in trt.state.registered} == {"dinoflow::LocalCorrelation"}
    return {kind: function for (kind, _), function in trt.state.registered.items()}


def test_shape_and_types(trt: TensorRT, registered: dict[str, Any]) -> None:
    feature = TensorDesc(shape_expr=(2, 256, 28, 64), dtype=trt.DataType.HALF)
    volume = registered["register"](feature, feature, 4)
    assert (volume.shape_expr, volume.dtype) == ((2, 81, 28, 64), trt.DataType.HALF)
    (combination,) = registered["autotune"](feature, feature, 4, (volume,))
    assert combination.types == "FP32|FP16|BF16, FP32|FP16|BF16, FP32|FP16|BF16"
    assert combination.layouts == "LINEAR"


@pytest.mark.parametrize(("dtype", "kind"), [("FLOAT", "fp32"), ("HALF", "fp16"), ("BF16", "bf16")])
def test_kernel_and_how_it_is_launched(
    trt: TensorRT, registered: dict[str, Any], dtype: str, kind: str
) -> None:
    feature = TensorDesc(shape_expr=(2, 256, 28, 64), dtype=trt.DataType[dtype])
    name, ptx, launch, integers = registered["aot_impl"](feature, feature, 4, (feature,), 0)
    assert name == ENTRIES[kind]
    assert ptx == load_ptx()
    assert vars(launch) == {"grid_x": block_count(2, 28, 64, 4), "block_x": 192, "shared_mem": 0}
    assert integers == [256, 28, 64, 4]


@pytest.mark.parametrize("radius", [0, 9])
def test_radius_outside_the_range_is_refused(trt: TensorRT, registered: dict[str, Any], radius: int) -> None:
    feature = TensorDesc(shape_expr=(1, 8, 4, 4), dtype=trt.DataType.HALF)
    with pytest.raises(ValueError, match=f"radius of {radius}"):
        registered["register"](feature, feature, radius)


def test_annotations_are_what_tensorrt_checks(registered: dict[str, Any]) -> None:
    arguments = {"feature1": TensorDesc, "feature2": TensorDesc, "radius": int}
    outputs = {"outputs": tuple[TensorDesc]}
    kernel = tuple[str, str, KernelLaunchParams, SymIntExprs]
    assert registered["register"].__annotations__ == {**arguments, "return": TensorDesc}
    assert registered["autotune"].__annotations__ == {
        **arguments,
        **outputs,
        "return": list[AutoTuneCombination],
    }
    assert registered["aot_impl"].__annotations__ == {**arguments, **outputs, "tactic": int, "return": kernel}
