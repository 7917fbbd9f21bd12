"""The row of ONNX Runtime."""

from collections.abc import Iterator
from typing import Final

from packaging.version import Version

from dinoflow_deploy.engines.backend import Backend, Option, Package, Probe, Problem
from dinoflow_deploy.engines.kinds import ONNX
from dinoflow_deploy.engines.onnxruntime.packages import cuda_fix, installed_packages, repair
from dinoflow_deploy.system.optional import install_command

PACKAGE: Final = Package(
    modules=("onnxruntime",),
    title="onnxruntime",
    distributions=("onnxruntime", "onnxruntime-gpu"),
    enables="running exported models",
    extra="cpu",
    gpu_extra="gpu",
)
OPTIONS: Final = (Option("intra_op_threads"),)
_CUDA: Final = "CUDAExecutionProvider"
_FAST_SAMPLING: Final = Version("1.25")
"""Since then ``GridSample`` with zeros beyond the frame has a fast kernel on the CPU."""


def probe() -> dict[str, str | None]:
    """Run a convolution on every execution provider that ONNX Runtime lists."""
    import onnxruntime

    from dinoflow_deploy.engines.onnxruntime.providers import provider_problem

    # Azure's provider calls a service on the network: nothing runs on it here.
    names = [name for name in onnxruntime.get_available_providers() if name != "AzureExecutionProvider"]
    return {name: provider_problem(name) for name in names}


def _repair(check: str) -> str:
    return cuda_fix() if check == _CUDA else repair()


def _problems(has_gpu: bool) -> Iterator[Problem]:
    packages = installed_packages()
    if has_gpu and packages and "onnxruntime-gpu" not in packages:
        yield Problem("ONNX Runtime has no CUDA provider", "exported models run on the CPU", cuda_fix())
    if packages.keys() == {"onnxruntime"} and Version(packages["onnxruntime"]) < _FAST_SAMPLING:
        yield Problem(
            f"onnxruntime {packages['onnxruntime']} is older than {_FAST_SAMPLING}",
            "it samples slowly: an exported model takes half as long again on the CPU",
            install_command([f"onnxruntime>={_FAST_SAMPLING}"], "--upgrade"),
        )
    if len(packages) > 1:
        yield Problem(
            f"{' and '.join(packages)} are both installed",
            "they own the same files, and the one installed last wins",
            cuda_fix(),
        )


BACKEND: Final = Backend(
    name="onnxruntime",
    runs=(ONNX,),
    devices=("cpu", "cuda"),
    engine="dinoflow_deploy.engines.onnxruntime.engine:OnnxRuntimeEngine",
    packages=(PACKAGE,),
    options=OPTIONS,
    probe=Probe(
        title="ONNX Runtime",
        function=f"{__name__}:probe",
        checks={"cpu": "CPUExecutionProvider", "cuda": _CUDA},
        repair=_repair,
        problems=_problems,
    ),
)
