"""What TensorRT's ahead-of-time interface is given; in a stand-in for it, shape expressions are integers."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from dinoflow_deploy.export.plugin import aot
from dinoflow_deploy.export.plugin.launch import ENTRIES, block_count
from dinoflow_deploy.export.plugin.ptx import load_ptx


class TensorDesc(SimpleNamespace):
    pass


class KernelLaunchParams(SimpleNamespace):
    pass


class SymIntExprs(list[Any]):
    def __init__(self, length: int) -> None:
        super().__init__([None] * length)


class AutoTuneCombination(SimpleNamespace):
    def __init__(self, types: str, layouts: str) -> None:
        super().__init__(types=types, layouts=layouts)


def remember(registered: dict[tuple[str, str], Any], name: str, plugin_id: str, function: Any) -> None:
    registered[name, plugin_id] = function


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module ``tensorrt_stand_in``, with what was registered in ``plugin.registered``."""
    trt: Any = ModuleType("tensorrt_stand_in")
    trt.DataType = SimpleNamespace(FLOAT="float", HALF="half", BF16="bf16")
    trtp: Any = ModuleType("tensorrt_stand_in.plugin")
    trtp.registered = {}
    for name in ("register", "autotune", "aot_impl"):
        setattr(
            trtp, name, lambda plugin_id, name=name: lambda f: trtp.registered.update({(name, plugin_id): f})
        )
    trtp.TensorDesc, trtp.KernelLaunchParams = TensorDesc, KernelLaunchParams
    trtp.SymIntExprs, trtp.AutoTuneCombination, trtp.SymInt32 = SymIntExprs, AutoTuneCombination, int
    trtp.from_shape_expr = lambda shape, dtype: TensorDesc(shape_expr=shape, dtype=dtype)
    monkeypatch.setitem(sys.modules, trt.__name__, trt)
    monkeypatch.setitem(sys.modules, trtp.__name__, trtp)
    aot.register_aot_plugin(trt)
    return trt


@pytest.fixture
def registered(trt: Any) -> dict[str, Any]:
    functions = sys.modules["tensorrt_stand_in.plugin"].registered
    assert {plugin_id for _, plugin_id in functions} == {"dinoflow::LocalCorrelation"}
    return {name: function for (name, _), function in functions.items()}


def test_shape_and_types(registered: dict[str, Any]) -> None:
    feature = TensorDesc(shape_expr=(2, 256, 28, 64), dtype="half")
    volume = registered["register"](feature, feature, 4)
    assert (volume.shape_expr, volume.dtype) == ((2, 81, 28, 64), "half")
    (combination,) = registered["autotune"](feature, feature, 4, (volume,))
    assert combination.types == "FP32|FP16|BF16, FP32|FP16|BF16, FP32|FP16|BF16"
    assert combination.layouts == "LINEAR"


@pytest.mark.parametrize(("dtype", "kind"), [("float", "fp32"), ("half", "fp16"), ("bf16", "bf16")])
def test_kernel_and_how_it_is_launched(registered: dict[str, Any], dtype: str, kind: str) -> None:
    feature = TensorDesc(shape_expr=(2, 256, 28, 64), dtype=dtype)
    name, ptx, launch, integers = registered["aot_impl"](feature, feature, 4, (feature,), 0)
    assert name == ENTRIES[kind]
    assert ptx == load_ptx()
    assert vars(launch) == {"grid_x": block_count(2, 28, 64, 4), "block_x": 192, "shared_mem": 0}
    assert integers == [256, 28, 64, 4]


@pytest.mark.parametrize("radius", [0, 9])
def test_radius_outside_the_range_is_refused(registered: dict[str, Any], radius: int) -> None:
    feature = TensorDesc(shape_expr=(1, 8, 4, 4), dtype="half")
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
