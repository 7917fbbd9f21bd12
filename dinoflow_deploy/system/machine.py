"""What this machine is made of."""

import os
import platform
from dataclasses import dataclass
from importlib import metadata
from typing import Final

import dinoflow_deploy
from dinoflow_deploy.system.gpus import Gpu, list_gpus
from dinoflow_deploy.system.processor import processor_name

_PACKAGES: Final = (
    *("numpy", "opencv-python-headless", "av", "onnxruntime", "onnxruntime-gpu", "openvino", "torch", "onnx"),
    *("tensorrt", "tensorrt-cu13", "tensorrt-rtx-cu13-bindings", "cuda-python"),
)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine.

    Attributes:
        system: Kernel, C library and architecture, for instance ``"Linux 6.8, glibc 2.39, aarch64"``.
        processor: Name of the processor.
        cores: Logical cores that this process may use.
        memory_bytes: Installed memory.
        gpus: NVIDIA GPUs, in the order of nvidia-smi.
        gpu_problem: What the driver says where it is installed and does not answer.
    """

    system: str
    processor: str
    cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...]
    gpu_problem: str | None


def describe_machine() -> Machine:
    """Look at the machine that this process runs on (Linux)."""
    libc = " ".join(platform.libc_ver())
    gpus, gpu_problem = list_gpus()
    return Machine(
        system=f"{platform.system()} {platform.release()}, {libc}, {platform.machine()}",
        processor=processor_name(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        gpus=gpus,
        gpu_problem=gpu_problem,
    )


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of what computes beneath it."""
    installed = {"python": platform.python_version(), "dinoflow-deploy": dinoflow_deploy.__version__}
    for package in _PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed
