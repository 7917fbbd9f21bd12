"""GPUs, on the real module of NVML whose functions answer for a driver that is not there."""

import subprocess
from collections.abc import Callable
from typing import Any
from unittest.mock import create_autospec

import pynvml
import pytest

from dinoflow_deploy.system.gpus import Gpu, list_gpus, memory_held

MIB = 1 << 20


class Driver:
    """A driver with two GPUs: one with memory of its own, one that shares the CPU's.

    Functions of the module are replaced one by one: a name that it has not, or arguments that it does not
    take, are errors.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = 0
        self.processes: list[list[tuple[int, int | None]]] = [[], []]
        self._real: dict[str, Callable[..., Any]] = {}
        self._monkeypatch = monkeypatch
        self.answer("nvmlInit", self._init)
        self.answer("nvmlShutdown", self._shutdown)
        self.answer("nvmlSystemGetDriverVersion", lambda: "580.65.06")
        self.answer("nvmlDeviceGetCount", lambda: 2)
        self.answer("nvmlDeviceGetHandleByIndex", lambda index: index)
        self.answer("nvmlDeviceGetName", ["NVIDIA GH200 480GB", "NVIDIA GB10"].__getitem__)
        self.answer("nvmlDeviceGetCudaComputeCapability", [(9, 0), (12, 1)].__getitem__)
        self.answer("nvmlDeviceGetMemoryInfo", self._memory)
        self.answer("nvmlDeviceGetComputeRunningProcesses", self._running)

    def answer(self, name: str, with_: Callable[..., Any]) -> None:
        """What a function of the module gives while the library is open."""

        def opened(*arguments: object) -> object:
            if not self.open and name != "nvmlInit":
                raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)
            return with_(*arguments)

        real = self._real.setdefault(name, getattr(pynvml, name))
        replaced = create_autospec(real, side_effect=opened)
        self._monkeypatch.setattr(pynvml, name, replaced)

    def fails(self, name: str, code: int) -> None:
        def fail(*_: object) -> None:
            raise pynvml.NVMLError(code)

        self.answer(name, fail)

    def _init(self) -> None:
        self.open += 1

    def _shutdown(self) -> None:
        self.open -= 1

    def _memory(self, index: int) -> object:
        if index == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return pynvml.c_nvmlMemory_t(total=97871 * MIB, free=0, used=0)

    def _running(self, index: int) -> list[object]:
        return [process(*each) for each in self.processes[index]]


def process(pid: int, used: int | None) -> object:
    """As the module gives one: with attributes that can be set."""
    found = pynvml.nvmlStructToFriendlyObject(pynvml.c_nvmlProcessInfo_v3_t(pid=pid))
    found.usedGpuMemory = used
    return found


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    return Driver(monkeypatch)


def test_gpus_are_those_of_the_driver(driver: Driver) -> None:
    assert list_gpus() == (
        (
            Gpu("NVIDIA GH200 480GB", 97871 * MIB, "9.0", "580.65.06"),
            Gpu("NVIDIA GB10", None, "12.1", "580.65.06"),
        ),
        None,
    )
    assert driver.open == 0


def test_a_machine_without_a_driver_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "CDLL", no_library)
    assert list_gpus() == ((), None)
    assert memory_held(1) is None


@pytest.mark.parametrize("function", ["nvmlInit", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetName"])
def test_a_broken_driver_is_told_apart_from_none(driver: Driver, function: str, monkeypatch) -> None:
    driver.fails(function, pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)
    # The library's own words cannot be had: those of the package.
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    assert list_gpus() == ((), "NVML: RM has detected an NVML/RM version mismatch.")
    assert driver.open == 0

    words = create_autospec(pynvml.nvmlErrorString, return_value="Driver/library version mismatch")
    monkeypatch.setattr(pynvml, "nvmlErrorString", words)
    assert list_gpus() == ((), "NVML: Driver/library version mismatch")
    words.assert_called_once_with(pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)


def test_memory_of_a_process_is_summed_over_gpus(driver: Driver) -> None:
    driver.processes = [[(11, 512 * MIB), (12, 1024 * MIB), (112, 7 * MIB)], [(12, 8 * MIB), (13, None)]]
    assert memory_held(12) == 1032 * MIB
    assert memory_held(13) is None
    assert memory_held(14) is None
    driver.fails("nvmlDeviceGetComputeRunningProcesses", pynvml.NVML_ERROR_NOT_SUPPORTED)
    assert memory_held(12) is None


@pytest.mark.gpu
def test_nvidia_smi_says_the_same() -> None:
    fields = "name,memory.total,compute_cap,driver_version"
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    gpus, problem = list_gpus()
    assert problem is None
    assert listed.splitlines() == [
        f"{gpu.name}, {'[N/A]' if gpu.memory_bytes is None else gpu.memory_bytes // MIB}, "
        f"{gpu.compute_capability}, {gpu.driver}"
        for gpu in gpus
    ]
