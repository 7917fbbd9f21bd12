"""What there is of the plugin on this machine, and what is missing to compile it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dinoflow_deploy.errors import DinoFlowError, ExportError
from dinoflow_deploy.export.plugin.aot import why_never_aot
from dinoflow_deploy.export.plugin.files import PTX_FILE
from dinoflow_deploy.export.plugin.headers import find_headers
from dinoflow_deploy.export.plugin.library import Library, cached_libraries
from dinoflow_deploy.export.plugin.nvcc import find_host_compiler, find_nvcc
from dinoflow_deploy.export.plugin.ptx import load_ptx
from dinoflow_deploy.tensorrt.flavours import TENSORRT, Flavour


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a plugin needs: what was found, or why it was not.

    Attributes:
        name: What it is.
        found: What was found, in words; empty if nothing was.
        problem: Why it was not found and what to do; empty if it was.
    """

    name: str
    found: str
    problem: str


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """Everything about the plugin.

    Attributes:
        libraries: What the cache holds for this version of dinoflow-deploy.
        needs: The PTX of the ahead-of-time plugin, unless this TensorRT cannot take it; then what compiling
            the C++ plugin takes.
    """

    libraries: tuple[Library, ...]
    needs: tuple[Need, ...]


def plugin_status(flavour: Flavour, root: Path | None) -> PluginStatus:
    """Look for everything, and raise nothing on purpose.

    Args:
        flavour: The TensorRT that a plugin would be for.
        root: Where its headers are; else ``find_headers`` looks for them.
    """

    def version() -> str:
        return str(flavour.load("its plugin").__version__)

    def ptx() -> str:
        load_ptx()
        problem = why_never_aot(flavour.load("its plugin"), flavour) if flavour == TENSORRT else None
        if problem:
            raise ExportError(problem)
        return f"up to date at {PTX_FILE}"

    def headers() -> str:
        found = find_headers(flavour, version(), root)
        return f"{found} in {found.folder}"

    def nvcc() -> str:
        found = find_nvcc()
        return f"{found.version} at {found.path}"

    return PluginStatus(
        tuple(cached_libraries()),
        (
            _need("PTX", ptx),
            _need(flavour.name, version),
            _need("headers", headers),
            _need("nvcc", nvcc),
            _need("g++", lambda: str(find_host_compiler())),
        ),
    )


def _need(name: str, look: Callable[[], str]) -> Need:
    try:
        return Need(name, look(), "")
    except DinoFlowError as error:
        return Need(name, "", str(error))
