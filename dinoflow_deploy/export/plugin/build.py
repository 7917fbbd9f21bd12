"""Compiling the plugin's library: one call of nvcc, once for each TensorRT."""

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dinoflow_deploy.atomic import atomic_folder
from dinoflow_deploy.errors import ExportError, InputError
from dinoflow_deploy.export.plugin.files import KERNEL_SOURCE, LIBRARY_FILES, PLUGIN_SOURCE, digest_of
from dinoflow_deploy.export.plugin.headers import Headers, find_headers
from dinoflow_deploy.export.plugin.library import (
    LIBRARY_NAME,
    Build,
    Library,
    cache_folder,
    read_library,
    write_record,
)
from dinoflow_deploy.export.plugin.nvcc import Nvcc, find_host_compiler, find_nvcc
from dinoflow_deploy.export.plugin.runtime_name import write_alias
from dinoflow_deploy.system.locks import file_lock
from dinoflow_deploy.tensorrt.flavours import Flavour

DEFAULT_ARCHITECTURES: Final = (80, 90)
"""Machine code for compute capabilities 8.x and 9.0; later GPUs compile the PTX of the last one."""
OLDEST_ARCHITECTURE: Final = 75
"""What nvcc 13 and TensorRT-RTX begin with."""


def build_library(
    flavour: Flavour,
    version: str,
    *,
    root: Path | None = None,
    architectures: Sequence[int] = DEFAULT_ARCHITECTURES,
) -> Library:
    """Compile the plugin, unless the cache has what would come of it.

    Args:
        flavour: The TensorRT that will load it, already imported.
        version: Its version, as its Python module gives it.
        root: Where TensorRT's headers are; else ``find_headers`` looks for them.
        architectures: Compute capabilities times ten. The PTX is that of the highest.

    Raises:
        ExportError: A compiler or the headers are missing or do not fit, or compiling failed.
        InputError: There is no architecture, or one below 75.
    """
    if not architectures or min(architectures) < OLDEST_ARCHITECTURE:
        given = ", ".join(map(str, architectures)) or "none"
        raise InputError(
            f"the architectures are {given}: give compute capabilities times ten, such as 80,90, "
            f"from {OLDEST_ARCHITECTURE}"
        )
    headers = find_headers(flavour, version, root)
    nvcc = find_nvcc()
    find_host_compiler()
    build = Build(
        sources=digest_of(LIBRARY_FILES),
        flavour=flavour.name,
        tensorrt=version,
        headers=str(headers),
        architectures=tuple(sorted(set(architectures))),
        nvcc=nvcc.version,
        machine=platform.machine(),
    )
    return _build_once(build, flavour, headers, nvcc)


def _build_once(build: Build, flavour: Flavour, headers: Headers, nvcc: Nvcc) -> Library:
    target = cache_folder() / build.key
    try:
        with file_lock(target.with_suffix(".lock")):
            if read_library(target) is None:
                with atomic_folder(target, overwrite=True) as partial:
                    _compile(partial / LIBRARY_NAME, build, headers, nvcc)
                    write_alias(flavour, partial)
                    write_record(partial, build)
            library = read_library(target)
    except (OSError, InputError) as error:  # a read-only home, a full disk, a file in the way
        raise ExportError(
            f"the plugin's cache cannot be written: {error}. Set XDG_CACHE_HOME to a folder that can"
        ) from error
    if library is None:
        raise ExportError(f"{target} was changed while the plugin was built: run the command again")
    return library


def _compile(library: Path, build: Build, headers: Headers, nvcc: Nvcc) -> None:
    *earlier, last = build.architectures
    targets = [f"arch=compute_{number},code=sm_{number}" for number in earlier]
    targets.append(f"arch=compute_{last},code=[sm_{last},compute_{last}]")
    nvcc.compile(
        [
            *("-shared", "-std=c++20", "-O3", "-Xcompiler", "-fPIC,-fvisibility=hidden"),
            *(f"-gencode={target}" for target in targets),
            # CUDA's runtime is linked in, so that a plan that holds the library needs nothing beside it.
            *("-cudart", "static", "-isystem", headers.folder, "-o", library),
            *(KERNEL_SOURCE, PLUGIN_SOURCE),
        ]
    )
    if not library.is_file():
        raise ExportError(f"{nvcc.path} made no library and no complaint: set CUDACXX to another nvcc")
