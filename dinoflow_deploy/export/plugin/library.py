"""Compiled plugins, in the user's cache.

The cache is ``dinoflow-deploy/plugins`` in ``XDG_CACHE_HOME`` (``~/.cache``). Each folder in it is named by
what its library was made of, and says so in ``build.json``.
"""

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from dinoflow_deploy.export.plugin.files import LIBRARY_FILES, digest_of
from dinoflow_deploy.system.user_folders import user_cache
from dinoflow_deploy.tensorrt.flavours import Flavour

LIBRARY_NAME: Final = "libdinoflow_local_correlation.so"
_RECORD_NAME: Final = "build.json"


@dataclass(frozen=True, slots=True)
class Build:
    """What a library is made of.

    Attributes:
        sources: SHA-256 over its source files.
        flavour: Name of the TensorRT that it is for.
        tensorrt: Version of that TensorRT.
        headers: Version of the headers.
        architectures: Compute capabilities times ten with machine code in it, ascending.
        nvcc: Version of the compiler.
        machine: Processor architecture.
    """

    sources: str
    flavour: str
    tensorrt: str
    headers: str
    architectures: tuple[int, ...]
    nvcc: str
    machine: str

    @property
    def key(self) -> str:
        """Name of its folder in the cache."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Library:
    """A compiled plugin.

    Attributes:
        path: The shared library.
        digest: Its SHA-256.
        build: What it is made of.
    """

    path: Path
    digest: str
    build: Build

    def __str__(self) -> str:
        build = self.build
        architectures = ", ".join(f"sm_{number}" for number in build.architectures)
        return (
            f"{self.path} (for {build.flavour} {build.tensorrt} on {build.machine}; {architectures} by nvcc "
            f"{build.nvcc}, headers {build.headers})"
        )


def cache_folder() -> Path:
    """Where compiled plugins are kept."""
    return user_cache("plugins")


def cached_libraries() -> list[Library]:
    """Every whole library in the cache that this version's sources make, on this kind of machine."""
    # Folders that are being written, or were when their process was killed, begin with a dot.
    found = (read_library(record.parent) for record in sorted(cache_folder().glob(f"[!.]*/{_RECORD_NAME}")))
    sources, machine = digest_of(LIBRARY_FILES), platform.machine()
    return [
        library
        for library in found
        if library is not None and (library.build.sources, library.build.machine) == (sources, machine)
    ]


def find_library(flavour: Flavour, version: str, capabilities: Sequence[str] = ()) -> Library | None:
    """A library in the cache for this TensorRT, whatever compiled it; none if there is none.

    Args:
        flavour: The TensorRT.
        version: Its version.
        capabilities: Compute capabilities, such as ``"9.0"``, of GPUs that all have to run it.
    """
    wanted = (flavour.name, version)
    fitting = (
        library
        for library in cached_libraries()
        if (library.build.flavour, library.build.tensorrt) == wanted
        and all(runs_on(library.build.architectures, capability) for capability in capabilities)
    )
    return max(fitting, key=lambda library: library.path.stat().st_mtime, default=None)


def runs_on(architectures: Sequence[int], capability: str) -> bool:
    """Whether a GPU runs code compiled so: it has machine code of its generation, or PTX that is not newer.

    Args:
        architectures: As in ``Build``, the last one's PTX included.
        capability: Compute capability of the GPU, such as ``"9.0"``.
    """
    number = architecture_of(capability)
    same_generation = (each for each in architectures if each // 10 == number // 10)
    return architectures[-1] <= number or any(each <= number for each in same_generation)


def architecture_of(capability: str) -> int:
    """What nvcc calls a compute capability: 90 for ``"9.0"``."""
    return int(capability.replace(".", ""))


def write_record(folder: Path, build: Build) -> None:
    """Complete a folder that holds a library."""
    record = {**asdict(build), "sha256": _sha256(folder / LIBRARY_NAME)}
    (folder / _RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n")


def read_library(folder: Path) -> Library | None:
    """The library of a folder; none if there is none, or if it is not the one that was written."""
    path = folder / LIBRARY_NAME
    try:
        record = json.loads((folder / _RECORD_NAME).read_text())
        digest = record.pop("sha256")
        build = Build(**{**record, "architectures": tuple(record["architectures"])})
        return Library(path, digest, build) if digest == _sha256(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
