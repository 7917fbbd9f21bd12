"""CUDA's compiler: the toolkit's own, or the one that pip installs."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Final

from dinoflow_deploy.errors import ExportError

_PACKAGES: Final = (
    "nvidia-cuda-nvcc",
    "nvidia-cuda-crt",
    "nvidia-nvvm",
    "nvidia-cuda-runtime",
    "nvidia-cuda-cccl",
)
"""The wheels that hold a whole nvcc; none of them brings the others' versions with it."""
INSTALL_NVCC: Final = f"pip install {' '.join(f'{name}==13.0.*' for name in _PACKAGES)}"
"""The command that gets them, with the headers of CUDA's runtime."""
_RELEASE: Final = re.compile(r"release [\d.]+, V([\d.]+)")


@dataclass(frozen=True, slots=True)
class Nvcc:
    """One nvcc.

    Attributes:
        path: The program.
        version: For instance ``"13.0.88"``.
    """

    path: Path
    version: str

    def compile(self, arguments: Sequence[str | Path]) -> None:
        """Run it.

        Raises:
            ExportError: It failed; the message ends with what it said.
        """
        # The wheels keep their libraries in lib, where their nvcc does not look for them.
        libraries = self.path.resolve().parents[1] / "lib"
        run_compiler([self.path, *arguments, f"-L{libraries}"])


def find_nvcc() -> Nvcc:
    """The nvcc of ``CUDACXX``, of the path, of ``CUDA_HOME``, of /usr/local/cuda, or of pip, in this order.

    Raises:
        ExportError: There is none, or the one of ``CUDACXX`` is none.
    """
    chosen = os.environ.get("CUDACXX")
    if chosen:
        return Nvcc(Path(chosen), nvcc_version(Path(chosen)))
    for path in _candidates():
        if path.is_file():
            return Nvcc(path, nvcc_version(path))
    looked = ", ".join(map(str, _candidates()))
    raise ExportError(
        f"nvcc, the CUDA compiler, was not found (looked for on the PATH and at {looked}): install the CUDA "
        f"toolkit, or {INSTALL_NVCC}, or set CUDACXX"
    )


def wheel_nvcc() -> Path | None:
    """Where pip puts nvcc, for CUDA 13."""
    found = util.find_spec("nvidia")
    places = found.submodule_search_locations if found else None
    paths = [Path(place, "cu13", "bin", "nvcc") for place in places or ()]
    return next((path for path in paths if path.is_file()), None)


def nvcc_version(path: Path) -> str:
    """The version that an nvcc gives.

    Raises:
        ExportError: It cannot be run, or is something else.
    """
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace", check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise ExportError(f"{path} cannot be run as nvcc ({error}): set CUDACXX to another one") from error
    release = _RELEASE.search(done.stdout)
    if release is None:
        raise ExportError(f"{path} does not give an nvcc version: set CUDACXX to another one")
    return release[1]


def find_host_compiler() -> Path:
    """g++, which nvcc calls for the part that runs on the CPU.

    Raises:
        ExportError: It is not on the path.
    """
    found = shutil.which("g++")
    if found is None:
        raise ExportError("g++, which nvcc needs, was not found on the PATH: install it (apt install g++)")
    return Path(found)


def run_compiler(command: Sequence[str | Path]) -> None:
    """Run a compiler, quietly.

    Raises:
        ExportError: It failed; the message ends with what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or "it said nothing"
        raise ExportError(f"{command[0]} failed with exit code {done.returncode}: {said[-2000:]}")


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("nvcc")
    if on_path:
        yield Path(on_path)
    for name in ("CUDA_HOME", "CUDA_PATH"):
        if os.environ.get(name):
            yield Path(os.environ[name], "bin", "nvcc")
    yield Path("/usr/local/cuda/bin/nvcc")
    in_wheel = wheel_nvcc()
    if in_wheel:
        yield in_wheel
