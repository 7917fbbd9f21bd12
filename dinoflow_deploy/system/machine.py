"""What this machine is made of."""

import csv
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import dinoflow_deploy

_SMI_FIELDS = "name,memory.total,compute_cap,driver_version"
_MIB = 1 << 20
_PACKAGES: Final = (
    *("numpy", "opencv-python-headless", "av", "onnxruntime", "onnxruntime-gpu", "torch", "onnx"),
    *("tensorrt", "tensorrt-cu13", "tensorrt-rtx-cu13-bindings", "cuda-python"),
)


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


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine.

    Attributes:
        system: Kernel, C library and architecture, for instance ``"Linux 6.8, glibc 2.39, aarch64"``.
        processor: Name of the processor.
        cores: Logical cores that this process may use.
        memory_bytes: Installed memory.
        gpus: NVIDIA GPUs, as nvidia-smi lists them.
        gpu_problem: What nvidia-smi says where it is installed and lists none.
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
    gpus, gpu_problem = _nvidia_gpus()
    return Machine(
        system=f"{platform.system()} {platform.release()}, {libc}, {platform.machine()}",
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        gpus=gpus,
        gpu_problem=gpu_problem,
    )


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that this process can still take: without swapping, and within the limit of its container.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    available = _numbers(root / "proc/meminfo")["MemAvailable:"] * 1024
    groups = root / "sys/fs/cgroup"
    for folder, limit, used, cached in (
        (groups, "memory.max", "memory.current", "file"),
        (groups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"),
    ):
        try:
            most = (folder / limit).read_text().strip()
            taken = int((folder / used).read_text()) - _numbers(folder / "memory.stat")[cached]
        except FileNotFoundError:
            continue
        if most != "max":
            available = min(available, max(int(most) - taken, 0))
    return available


def _numbers(file: Path) -> dict[str, int]:
    """The first two words of each line, name and number."""
    return {words[0]: int(words[1]) for words in map(str.split, file.read_text().splitlines()) if words[1:]}


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of what computes beneath it."""
    installed = {"python": platform.python_version(), "dinoflow-deploy": dinoflow_deploy.__version__}
    for package in _PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _nvidia_gpus() -> tuple[tuple[Gpu, ...], str | None]:
    command = ["nvidia-smi", f"--query-gpu={_SMI_FIELDS}", "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    except FileNotFoundError:
        return (), None
    except subprocess.CalledProcessError as error:
        return (), " ".join((error.stdout + error.stderr).split()) or f"exit code {error.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return (), str(error)
    rows = csv.reader(listed.splitlines(), skipinitialspace=True)
    return tuple(
        Gpu(name, int(memory) * _MIB if memory.isdigit() else None, capability, driver)
        for name, memory, capability, driver in rows
    ), None


def _processor() -> str:
    # x86 names its processor there; Arm does not, and lscpu knows its part numbers.
    named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    if named:
        return named[1]
    try:
        listed = subprocess.run(["lscpu"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return platform.machine()
    named = re.search(r"^\s*Model name:\s*(.+)$", listed, re.MULTILINE)
    return named[1] if named else platform.machine()
