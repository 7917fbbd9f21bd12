"""GPUs of NVIDIA, as the driver's management library NVML describes them; nvidia-smi reads the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pynvml


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA GPU.

    Attributes:
        name: For instance ``"NVIDIA GH200 480GB"``.
        memory_bytes: Its memory; ``None`` where the driver does not say, as with memory shared with the CPU.
        compute_capability: For instance ``"9.0"``.
        driver: Version of the driver.
    """

    name: str
    memory_bytes: int | None
    compute_capability: str
    driver: str


def list_gpus() -> tuple[tuple[Gpu, ...], str | None]:
    """The GPUs in the order of the bus, which is nvidia-smi's.

    Returns:
        The GPUs, none without a driver; and what the driver says where it is installed and does not answer.
    """
    try:
        with _nvml():
            driver = pynvml.nvmlSystemGetDriverVersion()
            return tuple(_describe(handle, driver) for handle in _handles()), None
    except pynvml.NVMLError_LibraryNotFound:
        return (), None
    except pynvml.NVMLError as error:
        return (), f"NVML: {_words(error)}"


def memory_held(pid: int) -> int | None:
    """Bytes that a process holds on all GPUs; ``None`` where the driver does not say, or it holds none.

    Args:
        pid: The process, as the driver numbers it.
    """
    try:
        with _nvml():
            used = [
                process.usedGpuMemory
                for handle in _handles()
                for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
                if process.pid == pid and process.usedGpuMemory is not None
            ]
    except pynvml.NVMLError:
        return None
    return sum(used) if used else None


@contextmanager
def _nvml() -> Iterator[None]:
    pynvml.nvmlInit()
    try:
        yield
    finally:
        pynvml.nvmlShutdown()


def _handles() -> Iterator[object]:
    return map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))


def _describe(handle: object, driver: str) -> Gpu:
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle).total
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_NoPermission):
        memory = None
    return Gpu(pynvml.nvmlDeviceGetName(handle), memory, f"{major}.{minor}", driver)


def _words(error: pynvml.NVMLError) -> str:
    """The driver's own, which nvidia-smi prints, in place of the package's."""
    try:
        return str(pynvml.nvmlErrorString(error.value))
    except pynvml.NVMLError:
        return str(error)
