import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import util
from types import ModuleType

import pytest

from dinoflow_deploy.errors import DeviceError, EngineError, ExportError, InputError, MissingPackageError
from dinoflow_deploy.export.plugin.status import plugin_status
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.tensorrt.toolchain import find_toolchain
from dinoflow_deploy.tensorrt.flavours import RTX, TENSORRT
from tests.export.tensorrt.conftest import GH200, RTX_OPTIONS
from tests.tensorrt_model.module import TensorRT

RTX_4090 = replace(GH200, name="NVIDIA GeForce RTX 4090", compute_capability="8.9")
SetGpus = Callable[..., None]


def test_tensorrt_builds_for_the_gpu_that_is_there(tensorrt: TensorRT) -> None:
    found = find_toolchain(PlanOptions())
    assert (found.flavour, found.module, found.gpu) == (TENSORRT, tensorrt, GH200)
    assert found.compute_capabilities == ("9.0",)
    assert found.title == f"TensorRT {tensorrt.__version__}"
    assert found.not_run_reason is None


def test_a_missing_package_comes_before_a_missing_gpu(
    set_gpus: SetGpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(
        MissingPackageError, match=r"building a plan needs the package 'tensorrt'.* pip install"
    ):
        find_toolchain(PlanOptions())
    with pytest.raises(MissingPackageError, match="the package 'tensorrt_rtx'"):
        find_toolchain(RTX_OPTIONS)


def test_tensorrt_needs_a_gpu(tensorrt: TensorRT, set_gpus: SetGpus) -> None:
    set_gpus()
    with pytest.raises(DeviceError, match=r"nvidia-smi finds none.*--flavour rtx"):
        find_toolchain(PlanOptions())


def test_an_old_tensorrt_is_refused(tensorrt: TensorRT) -> None:
    tensorrt.__version__ = "10.4.0.26"
    with pytest.raises(ExportError, match=r"10\.4\.0\.26 is too old.* 10\.16: pip install --upgrade"):
        find_toolchain(PlanOptions())


def test_a_tensorrt_that_does_not_load_says_why(tensorrt: TensorRT, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> ModuleType:
        raise ImportError("libnvinfer.so.11: cannot open shared object file")

    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(EngineError, match=r"TensorRT is installed and does not load: libnvinfer\.so\.11"):
        find_toolchain(PlanOptions())
    status = {need.name: need.problem for need in plugin_status(TENSORRT, None).needs}
    assert "installed and does not load: libnvinfer.so.11" in status["tensorrt"]


def test_a_level_that_a_version_lacks_is_refused(tensorrt: TensorRT) -> None:
    tensorrt.HardwareCompatibilityLevel = type("Levels", (), {"NONE": 0, "AMPERE_PLUS": 1})
    find_toolchain(PlanOptions(hardware_compatibility="ampere-plus"))
    with pytest.raises(InputError, match="has no hardware compatibility 'same-cc'"):
        find_toolchain(PlanOptions(hardware_compatibility="same-cc"))


def test_several_kinds_of_gpu_need_a_choice(
    tensorrt: TensorRT, set_gpus: SetGpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_gpus(GH200, GH200)
    assert find_toolchain(PlanOptions()).gpu == GH200
    set_gpus(GH200, RTX_4090)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(DeviceError, match="CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=N"):
        find_toolchain(PlanOptions())
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert find_toolchain(PlanOptions()).compute_capabilities == ("8.9",)


class TestRtx:
    @pytest.fixture(autouse=True)
    def module(self) -> ModuleType:
        return pytest.importorskip("tensorrt_rtx_bindings")

    def test_it_builds_without_a_gpu_for_what_it_is_told(self, set_gpus: SetGpus, module: ModuleType) -> None:
        found = find_toolchain(RTX_OPTIONS)
        assert (found.flavour, found.module, found.gpu) == (RTX, module, None)
        assert found.compute_capabilities == ("8.9",)
        assert found.not_run_reason == "no GPU"

    def test_it_must_be_told_where_there_is_no_gpu(self, set_gpus: SetGpus) -> None:
        with pytest.raises(InputError, match=r"--compute-capability, any of 7\.5, 8\.0, .*12\.0"):
            find_toolchain(replace(RTX_OPTIONS, compute_capabilities=()))

    def test_it_builds_for_the_gpu_where_there_is_one(self, set_gpus: SetGpus) -> None:
        set_gpus(RTX_4090)
        found = find_toolchain(replace(RTX_OPTIONS, compute_capabilities=()))
        assert found.compute_capabilities == ("8.9",)
        assert found.not_run_reason is None
        other = find_toolchain(replace(RTX_OPTIONS, compute_capabilities=("12.0",)))
        assert other.not_run_reason == "this machine's GPU has compute capability 8.9"

    def test_it_has_no_data_centre_gpus(self, set_gpus: SetGpus) -> None:
        set_gpus(GH200)
        with pytest.raises(InputError, match=r"does not build for the compute capability 9\.0.*--flavour"):
            find_toolchain(replace(RTX_OPTIONS, compute_capabilities=()))


def test_looking_loads_no_other_flavour(tensorrt: TensorRT, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorrt_rtx_bindings", raising=False)
    find_toolchain(PlanOptions())
    assert "tensorrt_rtx_bindings" not in sys.modules
