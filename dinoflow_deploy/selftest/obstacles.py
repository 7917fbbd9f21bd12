"""Why a case cannot be tried on this machine: what is missing, found out once."""

from dataclasses import asdict
from functools import cache
from typing import Any

from dinoflow_deploy.doctor.probes import device_problem
from dinoflow_deploy.engines.backends import find_backend
from dinoflow_deploy.engines.inductor.backend import PACKAGE
from dinoflow_deploy.selftest.cases import BUILT_ONLY, Case
from dinoflow_deploy.system.cxx_compiler import compiler_problem
from dinoflow_deploy.system.optional import install_command, is_installed, requirements
from dinoflow_deploy.system.own_process import call_in_own_process
from dinoflow_deploy.tensorrt.flavours import TENSORRT, find_flavour


def obstacle(case: Case) -> str | None:
    """Why a case cannot be tried, with what mends it; ``None`` where it can."""
    if case.plugin == "aot" and not case.static:
        return "the ahead-of-time plugin takes static shapes only"
    # Every export needs it, and the reference of every comparison.
    if not is_installed("torch"):
        return f"torch is not installed: {install_command(requirements('export'))}"
    if case.backend in BUILT_ONLY:
        flavour = find_flavour(case.backend)
        return _missing(flavour.title, flavour.name, installed=flavour.is_installed)
    backend = find_backend(case.backend)
    for package in backend.packages[:1]:
        if missing := _missing(package.title, package.extra, installed=package.is_installed):
            return missing
    return device_problem(backend, case.device) or _plugin(case.plugin) or _compiler(case)


def _compiler(case: Case) -> str | None:
    """What compiling a package lacks."""
    if case.artefact != PACKAGE.name:
        return None
    return device_problem(find_backend("pytorch"), case.device) or compiler_problem()


def _missing(title: str, extra: str, *, installed: bool) -> str | None:
    return None if installed else f"{title} is not installed: {install_command(requirements(extra))}"


def _plugin(name: str) -> str | None:
    """What a plugin lacks; one that is compiled already needs nothing."""
    if name not in ("aot", "cpp"):
        return None
    status, failure = _plugin_status()
    lacks: dict[str, str] = {need["name"]: need["problem"] for need in status["needs"] if need["problem"]}
    aot = lacks.pop("PTX", None) or failure
    if name == "aot":
        return aot
    if status["libraries"]:
        return None
    cpp = "; ".join(lacks.values()) or failure
    return f"the C++ plugin cannot be compiled: {cpp}" if cpp else None


def describe_plugin() -> dict[str, Any]:
    """What there is of TensorRT's plugin, as JSON values: the files of ``libraries``, and ``needs``."""
    from dinoflow_deploy.export.plugin.status import plugin_status

    status = plugin_status(TENSORRT, None)
    return {
        "libraries": [str(library) for library in status.libraries],
        "needs": [asdict(need) for need in status.needs],
    }


@cache
def _plugin_status() -> tuple[dict[str, Any], str | None]:
    """The same from a process of its own, since it loads TensorRT; and why there is no answer."""
    answer, problem = call_in_own_process(f"{__name__}:{describe_plugin.__name__}")
    return answer or {"libraries": [], "needs": []}, problem
