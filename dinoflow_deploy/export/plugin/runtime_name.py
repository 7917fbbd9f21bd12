"""TensorRT's library under the name by which its ONNX parser opens it.

TensorRT-RTX's parser opens ``libtensorrt_rtx.so`` when it meets a plugin, and ends the process if there is
none; the wheels hold ``libtensorrt_rtx.so.1`` alone. An empty library of the wanted name that depends on the
versioned one answers in its place. Whether TensorRT's parser does the same could not be tried; it is helped
alike.
"""

import ctypes
from pathlib import Path
from typing import Final

from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.plugin.nvcc import find_host_compiler, run_compiler
from dinoflow_deploy.tensorrt.flavours import RTX, Flavour

RUNTIME_NAMES: Final = {"tensorrt": "libnvinfer.so", "rtx": "libtensorrt_rtx.so"}
"""By name of the flavour."""


def write_alias(flavour: Flavour, folder: Path) -> None:
    """Make the empty library in a folder, if the flavour's library is loaded in this process.

    Raises:
        ExportError: g++ is missing or failed.
    """
    name = RUNTIME_NAMES[flavour.name]
    versioned = loaded_library(name)
    if versioned is not None:
        options = ["-shared", "-nostdlib", f"-Wl,-soname,{name}", "-Wl,--no-as-needed"]
        run_compiler([find_host_compiler(), *options, "-o", folder / name, versioned])


def provide_runtime_name(flavour: Flavour, folder: Path) -> None:
    """Let the name be opened: by the empty library, or if there is none, by what the system has of that name.

    The empty one first, since the system's may be of another version than the one that is loaded.

    Raises:
        ExportError: Neither the name nor, for TensorRT-RTX, the empty library is there.
    """
    name = RUNTIME_NAMES[flavour.name]
    alias = folder / name
    if alias.is_file():
        ctypes.CDLL(str(alias), mode=ctypes.RTLD_GLOBAL)
    elif not _opens(name) and flavour == RTX:
        raise ExportError(
            f"{flavour.title}'s parser opens {name} for a plugin, and it is not there: put a folder with a "
            f"link of that name to {name}.1 on LD_LIBRARY_PATH, or use --plugin none"
        )


def loaded_library(name: str) -> Path | None:
    """The file, loaded in this process, whose name is ``name`` with a version after it."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = (Path(line.split(maxsplit=5)[5]) for line in lines if line.count("/"))
    return next((path for path in paths if path.name.startswith(f"{name}.")), None)


def _opens(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
