"""The row of PyTorch."""

from typing import Final

from dinoflow_deploy.engines.backend import Backend, Option, Package, Probe
from dinoflow_deploy.engines.kinds import PUBLISHED, SAFETENSORS

PACKAGE: Final = Package(
    modules=("torch",),
    title="torch",
    distributions=("torch",),
    enables="export, training and the PyTorch engine",
    extra="export",
)
_CUDA: Final = "torch on CUDA"


def probe() -> dict[str, str | None]:
    """Ask torch for a CUDA device."""
    import torch

    if torch.cuda.is_available():
        return {_CUDA: None}
    if torch.version.cuda is None:
        return {_CUDA: f"torch {torch.__version__} is built without CUDA"}
    return {_CUDA: "no CUDA device was found"}


def _repair(check: str) -> str:
    return "see https://pytorch.org/get-started for a build of torch with CUDA"


BACKEND: Final = Backend(
    name="pytorch",
    title="PyTorch",
    runs=(SAFETENSORS, PUBLISHED),
    devices=("cpu", "cuda"),
    engine="dinoflow_deploy.engines.pytorch.engine:PyTorchEngine",
    packages=(PACKAGE,),
    options=(Option("precision"),),
    probe=Probe(title=_CUDA, function=f"{__name__}:probe", checks={"cuda": _CUDA}, repair=_repair),
)
