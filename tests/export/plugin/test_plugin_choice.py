from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.errors import ExportError, InputError
from dinoflow_deploy.export.plugin import plugin_choice
from dinoflow_deploy.export.plugin.build import build_library
from dinoflow_deploy.export.plugin.library import runs_on
from dinoflow_deploy.export.plugin.ptx import ptx_digest
from dinoflow_deploy.tensorrt.flavours import RTX, TENSORRT
from dinoflow_deploy.tensorrt.log import Messages, log_of
from tests.export.plugin.conftest import StandIn
from tests.tensorrt_model.flavours import TENSORRT_10, TENSORRT_11
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT

DYNAMIC = InputRange.unlimited()
STATIC = InputRange(AxisRange.fixed(1), AxisRange.fixed(448), AxisRange.fixed(1024))


GH200 = ("9.0",)
TRT = TensorRT(Machine())
# Which had no such plugins yet.
BEFORE = replace(
    TENSORRT_10,
    version="10.1.0.27",
    enums={**TENSORRT_10.enums, "NetworkDefinitionCreationFlag": {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1}},
)


@pytest.fixture
def no_headers(stand_in: StandIn) -> StandIn:
    (stand_in.root / "include" / "NvInferVersion.h").unlink()
    return stand_in


def test_cpp_builds_once_and_keeps_the_digest(stand_in: StandIn) -> None:
    plugin = plugin_choice.choose_plugin("cpp", TRT, TENSORRT, DYNAMIC, GH200)
    assert (plugin.name, len(plugin.digest)) == ("cpp", 64)
    assert plugin.library is not None
    assert plugin.library.is_file()
    again = plugin_choice.choose_plugin("auto", TRT, TENSORRT, DYNAMIC, GH200)
    assert (again.library, again.digest) == (plugin.library, plugin.digest)
    assert len(stand_in.calls) == 1


def test_auto_takes_the_cached_library_without_compiler_or_headers(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = plugin_choice.choose_plugin("cpp", TRT, TENSORRT, DYNAMIC, GH200)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CUDACXX", "/nowhere/nvcc")
    monkeypatch.setenv("TENSORRT_ROOT", "/nowhere")
    assert plugin_choice.choose_plugin("auto", TRT, TENSORRT, DYNAMIC, GH200).library == built.library


def test_auto_without_headers(no_headers: StandIn) -> None:
    plugin = plugin_choice.choose_plugin("auto", TRT, TENSORRT, STATIC, GH200)
    assert (plugin.name, plugin.library, plugin.digest) == ("aot", None, ptx_digest())
    assert "C++ headers were not found" in plugin.reason
    plugin = plugin_choice.choose_plugin("auto", TRT, TENSORRT, DYNAMIC, GH200)
    assert (plugin.name, plugin.digest) == ("none", "")
    assert "C++ headers were not found" in plugin.reason
    assert "these are dynamic" in plugin.reason
    assert "\n" not in plugin.reason


def test_cpp_that_cannot_be_had_is_an_error(no_headers: StandIn) -> None:
    with pytest.raises(ExportError, match="libnvinfer-headers-dev"):
        plugin_choice.choose_plugin("cpp", TRT, TENSORRT, STATIC, GH200)


@pytest.mark.parametrize(
    ("trt", "flavour", "inputs", "reason"),
    [
        (TRT, TENSORRT, DYNAMIC, "leaks GPU memory whenever shapes change"),
        (TRT, RTX, STATIC, "TensorRT-RTX has no ahead-of-time plugins"),
        (
            TensorRT(Machine(), BEFORE),
            TENSORRT,
            STATIC,
            r"10\.1\.0\.27 has no ahead-of-time plugins: update it",
        ),
    ],
    ids=["dynamic", "rtx", "old"],
)
def test_aot_that_cannot_be_had_is_an_error(trt: Any, flavour: Any, inputs: InputRange, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        plugin_choice.choose_plugin("aot", trt, flavour, inputs, GH200)


def test_aot_is_closed_where_its_radius_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    old = TensorRT(Machine(), TENSORRT_10)
    for version, numpy, is_open in (
        ("10.16.1.11", "2.3.5", True),
        ("10.16.1.11", "2.4.0", False),
        ("11.1.0.106", "2.10.0rc1", False),
        ("11.4.0.106", "2.4.6", True),
    ):
        old.__version__ = version
        monkeypatch.setattr("numpy.__version__", numpy)
        if is_open:
            assert plugin_choice.choose_plugin("aot", old, TENSORRT, STATIC, GH200).name == "aot"
        else:
            with pytest.raises(InputError, match=rf"{version} cannot read .* NumPy {numpy}: pip install"):
                plugin_choice.choose_plugin("aot", old, TENSORRT, STATIC, GH200)


def test_the_library_runs_on_the_gpus_of_the_plan(stand_in: StandIn) -> None:
    of_blackwell = build_library(TENSORRT, TRT.__version__, architectures=[120]).path
    assert plugin_choice.choose_plugin("cpp", TRT, TENSORRT, DYNAMIC, ("12.1",)).library == of_blackwell
    plugin = plugin_choice.choose_plugin("cpp", TRT, TENSORRT, DYNAMIC, ("9.0", "12.0"))
    assert plugin.library != of_blackwell
    assert "sm_80 -gencode=arch=compute_90,code=[sm_90,compute_90]" in stand_in.calls[-1]
    # A generation before those that are compiled for by default.
    for wanted in ("cpp", "auto"):
        plugin = plugin_choice.choose_plugin(wanted, TRT, TENSORRT, STATIC, ("7.5", "8.6"))
        assert "sm_75" in stand_in.calls[-1]
        assert "[sm_90,compute_90]" in stand_in.calls[-1]
        assert (plugin.name, len(stand_in.calls)) == ("cpp", 3)


@pytest.mark.parametrize(
    ("architectures", "runs", "does_not"),
    [
        ((80, 90), ("8.0", "8.9", "9.0", "10.0", "12.1"), ("7.5",)),
        ((86,), ("8.6", "8.9", "9.0"), ("8.0", "7.5")),
        ((80, 120), ("8.6", "12.0", "12.1"), ("9.0", "10.3")),
    ],
)
def test_what_runs_on_a_gpu(
    architectures: tuple[int, ...], runs: tuple[str, ...], does_not: tuple[str, ...]
) -> None:
    assert [each for each in runs if not runs_on(architectures, each)] == []
    assert [each for each in does_not if runs_on(architectures, each)] == []


def test_aot_is_closed_to_gpus_older_than_its_ptx(no_headers: StandIn) -> None:
    with pytest.raises(InputError, match=r"does not run on GPUs of compute capability 7\.5"):
        plugin_choice.choose_plugin("aot", TRT, TENSORRT, STATIC, ("7.5",))
    plugin = plugin_choice.choose_plugin("auto", TRT, TENSORRT, STATIC, ("7.5", "9.0"))
    assert (plugin.name, "compute capability 7.5" in plugin.reason) == ("none", True)


def test_unknown_door_is_refused() -> None:
    with pytest.raises(InputError, match="'c': use auto, cpp, aot, none"):
        plugin_choice.choose_plugin("c", TRT, TENSORRT, STATIC, GH200)


def test_flags_by_name(stand_in: StandIn) -> None:
    for modelled, bit in ((TENSORRT_11, 2), (replace(TENSORRT_10, version="11.4.0.106"), 3)):
        trt = TensorRT(Machine(), modelled)
        for wanted, flags in (("aot", 1 << bit), ("cpp", 0), ("none", 0)):
            plugin = plugin_choice.choose_plugin(wanted, trt, TENSORRT, STATIC, GH200)
            assert plugin_choice.network_flags(plugin, trt) == flags


@pytest.mark.parametrize("accepts", [True, False])
def test_opening_cpp_loads_and_embeds_the_library(stand_in: StandIn, trt: TensorRT, accepts: bool) -> None:
    plugin = plugin_choice.choose_plugin("cpp", trt, TENSORRT, DYNAMIC, GH200)
    log = log_of(trt)
    builder = trt.Builder(log.logger)
    config = builder.create_builder_config()
    if accepts:
        plugin_choice.register_plugin(plugin, trt, builder, config, Messages())
        assert config.plugins_to_serialize == [str(plugin.library)]
        assert set(trt.state.creators) == {("LocalCorrelation", "1", "dinoflow")}
        return
    trt.state.fail["load_library"] = "wrong ELF class"
    with (
        log.listen() as said,
        pytest.raises(ExportError, match=r"did not load the plugin .*\.so: Unable to load .* ELF class\. R"),
    ):
        plugin_choice.register_plugin(plugin, trt, builder, config, said)
    assert config.plugins_to_serialize == []


def test_a_network_that_is_not_what_the_door_says_is_refused() -> None:
    layers = [SimpleNamespace(type=SimpleNamespace(name=name)) for name in ("CONVOLUTION", "PLUGIN_V3")]
    with_plugin = SimpleNamespace(num_layers=2, get_layer=lambda index: layers[index])
    without = SimpleNamespace(num_layers=1, get_layer=lambda index: layers[index])
    plugin = plugin_choice.PluginChoice("cpp", "")
    plugin_choice.check_plugin_layer(with_plugin, plugin)
    plugin_choice.check_plugin_layer(without, plugin_choice.PluginChoice("none", ""))
    with pytest.raises(ExportError, match=r"plugin \(cpp\) was not taken"):
        plugin_choice.check_plugin_layer(without, plugin)
    with pytest.raises(ExportError, match="took a plugin where none was wanted"):
        plugin_choice.check_plugin_layer(with_plugin, plugin_choice.PluginChoice("none", ""))
