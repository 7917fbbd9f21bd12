"""Why a case cannot be tried on this machine: what is missing, found out once."""

import subprocess
import sys
from functools import cache

from dinoflow_deploy.doctor.probes import run_probe
from dinoflow_deploy.selftest.cases import Case
from dinoflow_deploy.system.optional import install_command, is_installed, requirements
from dinoflow_deploy.tensorrt.flavours import RTX, TENSORRT, Flavour


def obstacle(case: Case) -> str | None:
    """Why a case cannot be tried, with what mends it; ``None`` where it can."""
    if case.plugin == "aot" and not case.static:
        return "the ahead-of-time plugin takes static shapes only"
    if not is_installed("torch"):
        return f"torch is not installed: {install_command(requirements('export'))}"
    on_gpu = case.device == "cuda"
    match case.backend:
        case "pytorch":
            return _torch_cuda() if on_gpu else None
        case "onnxruntime":
            return _onnx_runtime(on_gpu)
        case "rtx":
            return _missing(RTX)
        case _:
            return _missing(TENSORRT) or _tensorrt() or _plugin(case.plugin)


def _missing(flavour: Flavour) -> str | None:
    if flavour.is_installed:
        return None
    extra = "tensorrt" if flavour == TENSORRT else flavour.name
    return f"{flavour.title} is not installed: {install_command(requirements(extra))}"


@cache
def _torch_cuda() -> str | None:
    return next(iter(run_probe("torch on CUDA").values()))


@cache
def _tensorrt() -> str | None:
    return next(iter(run_probe("TensorRT").values()))


def _plugin(name: str) -> str | None:
    """What a plugin lacks; one that is compiled already needs nothing."""
    if name == "none":
        return None
    shown = _plugin_show()
    lines = [line.partition("MISSING: ") for line in shown.stdout.splitlines()]
    lacks = {label.strip(): what for label, missing, what in lines if missing}
    failure = "" if lacks or not shown.returncode else " ".join(shown.stderr.split())
    aot = lacks.pop("PTX", failure)
    if name == "aot":
        return aot or None
    if "nothing yet" not in shown.stdout and not failure:
        return None
    cpp = "; ".join(lacks.values()) or failure
    return f"the C++ plugin cannot be compiled: {cpp}" if cpp else None


@cache
def _plugin_show() -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dinoflow_deploy", "plugin", "show", "--flavour", TENSORRT.name]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def _onnx_runtime(on_gpu: bool) -> str | None:
    if not is_installed("onnxruntime"):
        return f"onnxruntime is not installed: {install_command(requirements('cpu'))}"
    provider = f"{'CUDA' if on_gpu else 'CPU'}ExecutionProvider"
    found = _providers()
    # Under another name where the probe itself gave no answer.
    return found.get(provider, "; ".join(filter(None, found.values())) or f"this build holds no {provider}")


@cache
def _providers() -> dict[str, str | None]:
    return run_probe("ONNX Runtime")
