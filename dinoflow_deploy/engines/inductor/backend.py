"""The row of PyTorch's ahead-of-time compiler."""

from typing import Final

from dinoflow_deploy.engines.backend import Backend, Option, Probe, Source
from dinoflow_deploy.engines.inductor.package_info import PackageInfo
from dinoflow_deploy.engines.kinds import Kind
from dinoflow_deploy.engines.pytorch.backend import PACKAGE as TORCH

PACKAGE: Final = Kind(PackageInfo.kind, "a package of PyTorch's compiler")


def _fits_here(source: Source, device: str) -> bool:
    from dinoflow_deploy.engines.inductor.choice import fits_here

    return fits_here(source, device)


def probe() -> dict[str, str | None]:
    """Compile a small program: a package can be run without a compiler, and not be made."""
    from dinoflow_deploy.system.cxx_compiler import compiler_problem

    return {"C++ compiler (export --target inductor)": compiler_problem()}


def _repair(check: str) -> str:
    return "apt install g++"


BACKEND: Final = Backend(
    name="inductor",
    runs=(PACKAGE,),
    devices=("cpu", "cuda"),
    engine="dinoflow_deploy.engines.inductor.engine:InductorEngine",
    packages=(TORCH,),
    options=(Option("cuda_graph", "Replay a recorded CUDA graph: TensorRT and inductor, one fixed size."),),
    automatic=_fits_here,
    hint="dinoflow-deploy export --model WEIGHTS --target inductor --output NEW compiles one for it",
    probe=Probe(title="AOTInductor", function=f"{__name__}:probe", checks={}, repair=_repair),
)
