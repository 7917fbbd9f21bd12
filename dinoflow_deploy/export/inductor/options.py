"""What a package is asked for."""

from dataclasses import dataclass
from typing import Any, Final

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.option import Option, option, setting
from dinoflow_deploy.export.shapes import ANY_SHAPES, RequestedShapes
from dinoflow_deploy.export.target import SharedOptions

DEVICES: Final = ("auto", "cuda", "cpu")


@dataclass(frozen=True, slots=True)
class PackageOptions:
    """What to compile a package for.

    Attributes:
        device: ``"cuda"``, the GPU of this machine; ``"cpu"``; or ``"auto"``: the GPU if there is one.
        shapes: Shapes to compile for.
        verify: Compare the package's flow with PyTorch's.
    """

    device: str = option(
        "auto",
        Option(
            "--device",
            "What the package computes on, the GPU or the CPU of this machine.",
            choices=DEVICES,
            shown_default="the GPU if there is one",
        ),
        outside_key="the device that it is compiled for is part of it",
    )
    shapes: RequestedShapes = setting(ANY_SHAPES, outside_key="the shapes that come of it are part of it")
    verify: bool = setting(True, outside_key="comparing changes no byte of the package")

    @classmethod
    def from_command(cls, shared: SharedOptions, own: dict[str, Any]) -> "PackageOptions":
        """As ``TargetOptions`` has it."""
        return cls(shapes=shared.shapes, verify=shared.verify, **own)

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise InputError(f"the device '{self.device}' is not one of {', '.join(DEVICES)}")
