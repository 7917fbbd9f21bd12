"""What a bundle says of a package of PyTorch's compiler."""

from dataclasses import dataclass
from typing import ClassVar, Final

from dinoflow_deploy.bundles.artefact import ArtefactInfo
from dinoflow_deploy.bundles.model_input import IMAGES, MODEL_INPUTS
from dinoflow_deploy.errors import InputError

PACKAGE_NAME: Final = "model.pt2"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageInfo(ArtefactInfo):
    """A package in the bundle, and what it was compiled for.

    Attributes:
        device: ``"cuda"`` or ``"cpu"``: what it computes on.
        torch: Version and build of the PyTorch that compiled it, which alone runs it: ``"2.13.0+cu130"``.
        compute_capability: Of the GPU, for instance ``"9.0"``; ``None`` for the CPU.
        gpu: Name of the GPU.
        processor: Name of the processor that it was compiled on.
        extensions: That processor's extensions of the instruction set, which the package may use, one for a
            GPU too.
        model_input: ``"images"`` or ``"frames"``: how it takes pictures, see ``bundles.model_input``.
    """

    kind: ClassVar[str] = "inductor"

    device: str
    torch: str
    compute_capability: str | None
    gpu: str | None
    processor: str
    extensions: tuple[str, ...]
    model_input: str = IMAGES.name

    def __post_init__(self) -> None:
        for what, value, known in (
            ("device", self.device, ("cpu", "cuda")),
            ("model_input", self.model_input, MODEL_INPUTS),
        ):
            if value not in known:
                raise InputError(f"the {what} '{value}' of a package is not one of {', '.join(known)}")
