"""What packages are compiled with, and for what: torch, the C++ compiler, the GPU, CUDA's headers."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.version import Version

from dinoflow_deploy.engines.inductor.mismatch import Machine
from dinoflow_deploy.errors import DeviceError, ExportError, MissingPackageError
from dinoflow_deploy.export.plugin.nvcc import INSTALL_NVCC, find_nvcc
from dinoflow_deploy.system.cxx_compiler import compiler_problem
from dinoflow_deploy.system.optional import install_command, is_installed, require, requirements

if TYPE_CHECKING:
    from types import ModuleType

_OLDEST: Final = Version("2.11")
_HEADERS: Final = ("cuda.h", "cuda_runtime.h", "crt/host_defines.h", "nv/target")
"""What torch's own headers for packages lead to; pip has them in three wheels."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What compiles, and for what.

    Attributes:
        machine: What the package will fit.
        gpu: Name of the GPU; ``None`` for the CPU.
        cuda_home: The CUDA toolkit whose headers are used; ``None`` for the CPU.
    """

    machine: Machine
    gpu: str | None
    cuda_home: Path | None

    @property
    def title(self) -> str:
        """For what, in a sentence."""
        return self.gpu or f"the CPU, {self.machine.processor}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that tell the compiler."""
        return {"CUDA_HOME": str(self.cuda_home)} if self.cuda_home else {}


def find_toolchain(device: str) -> Toolchain:
    """Look at what is installed, and whether there is a GPU.

    Args:
        device: ``"auto"``, ``"cuda"`` or ``"cpu"``.

    Raises:
        MissingPackageError: torch, or for a GPU Triton, is not installed.
        ExportError: torch is too old, or there is no C++ compiler, or for a GPU there are no headers of CUDA.
        DeviceError: A GPU was asked for and torch finds none.
    """
    torch = require("torch", "compiling a package")
    if Version(torch.__version__) < _OLDEST:
        newer = install_command(requirements("export"), "--upgrade")
        raise ExportError(
            f"torch {torch.__version__} is too old to compile packages, {_OLDEST} is due: {newer}"
        )
    is_cuda = _is_cuda(torch, device)
    if problem := compiler_problem():
        raise ExportError(f"a package cannot be compiled: {problem}")
    if not is_cuda:
        return Toolchain(Machine.here(torch.__version__, "cpu", None), None, None)
    if not is_installed("triton"):
        raise MissingPackageError(
            "compiling a package for a GPU needs the package 'triton', which torch's builds for CUDA bring: "
            "pip install triton"
        )
    capability = ".".join(map(str, torch.cuda.get_device_capability()))
    machine = Machine.here(torch.__version__, "cuda", capability)
    return Toolchain(machine, torch.cuda.get_device_name(), _cuda_home())


def _is_cuda(torch: "ModuleType", device: str) -> bool:
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise DeviceError(
            f"a package for a GPU is compiled on it, and torch {torch.__version__} finds none: use --device "
            "cpu, or compile on such a machine, with a CUDA build of torch (https://pytorch.org/get-started)"
        )
    return bool(has_gpu) and device != "cpu"


def _cuda_home() -> Path:
    """The toolkit that the user chose, or the one that has an nvcc."""
    chosen = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    home = Path(chosen) if chosen else find_nvcc().path.resolve().parents[1]
    for header in _HEADERS:
        if not (home / "include" / header).is_file():
            raise ExportError(
                f"a package for a GPU is compiled with CUDA's headers, and {home / 'include' / header} is "
                f"missing: install the CUDA toolkit, or {INSTALL_NVCC}, or set CUDA_HOME"
            )
    return home
