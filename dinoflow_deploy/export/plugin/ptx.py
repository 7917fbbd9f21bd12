"""The kernels as PTX, compiled ahead and shipped: what needs no compiler where it is used.

PTX of compute capability 8.0 runs on every later one, with a driver of CUDA 13.0 or newer.
``python -m dinoflow_deploy.export.plugin.ptx`` compiles it again.
"""

import hashlib
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from dinoflow_deploy.atomic import atomic_file
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.plugin.files import KERNEL_FILES, KERNEL_SOURCE, PTX_FILE, digest_of
from dinoflow_deploy.export.plugin.nvcc import Nvcc, nvcc_version, wheel_nvcc

NVCC_RELEASE: Final = "13.0"
"""The oldest of CUDA 13: newer ones write PTX that only newer drivers read."""
PTX_CAPABILITY: Final = 80
"""Compute capability times ten of the oldest GPU that runs it."""
_OPTIONS: Final = ("-ptx", f"-arch=compute_{PTX_CAPABILITY}", "-std=c++17")
_HEADER: Final = re.compile(r"// source sha256 ([0-9a-f]{64})\n")


def load_ptx() -> str:
    """The shipped PTX.

    Raises:
        ExportError: It was not made of the sources beside it.
    """
    text = PTX_FILE.read_text()
    stated = _HEADER.match(text)
    if stated is None or stated[1] != digest_of(KERNEL_FILES):
        raise ExportError(f"{PTX_FILE.name} was not made of {KERNEL_SOURCE.name} as it is now: run make ptx")
    return text


def ptx_digest() -> str:
    """SHA-256 of the shipped PTX, in hexadecimal."""
    return hashlib.sha256(PTX_FILE.read_bytes()).hexdigest()


def compile_ptx(nvcc: Nvcc) -> str:
    """The PTX of the sources, with their checksum in its first line.

    Raises:
        ExportError: nvcc is not of release 13.0, or failed.
    """
    if not nvcc.version.startswith(f"{NVCC_RELEASE}."):
        raise ExportError(f"{nvcc.path} is of CUDA {nvcc.version}: the PTX is made by {NVCC_RELEASE}")
    with tempfile.TemporaryDirectory() as folder:
        for file in KERNEL_FILES:
            shutil.copy(file, folder)
        output = Path(folder, PTX_FILE.name)
        nvcc.compile([*_OPTIONS, "-o", output, Path(folder, KERNEL_SOURCE.name)])
        return f"// source sha256 {digest_of(KERNEL_FILES)}\n{output.read_text()}"


def main() -> None:
    """Write the PTX again, by the nvcc that pip installs."""
    path = wheel_nvcc()
    if path is None:
        raise SystemExit("error: the extra dev, which brings nvcc, is not installed: run make install")
    text = compile_ptx(Nvcc(path, nvcc_version(path)))
    with atomic_file(PTX_FILE, overwrite=True) as partial:
        partial.write_text(text)
    print(f"wrote {PTX_FILE}")


if __name__ == "__main__":
    main()
