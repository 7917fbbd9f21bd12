"""What a model repository is asked for."""

import re
from dataclasses import dataclass
from typing import Any, Final

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.option import Option, option, setting
from dinoflow_deploy.export.shapes import ANY_SHAPES, RequestedShapes
from dinoflow_deploy.export.target import SharedOptions

NETWORKS: Final = ("auto", "onnx", "plan")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class TritonOptions:
    """How a model is put into a repository of Triton Inference Server.

    Attributes:
        name: Of the model that clients call; its network has the name with ``_network`` behind it.
        network: What the server runs: ``"onnx"``, the ONNX file; ``"plan"``, the TensorRT plan of a bundle;
            or ``"auto"``: the plan where there is one.
        shapes: What was asked of shapes, which a bundle already has.
        verify: Compare the ONNX file with PyTorch, where it is exported now.
    """

    name: str = option(
        "dinoflow",
        Option("--name", "Of the model in the repository; its network: NAME_network.", metavar="NAME"),
    )
    network: str = option(
        "auto",
        Option(
            "--network",
            "What the server runs: the ONNX file, or the TensorRT plan of a bundle; auto: the plan where "
            "there is one.",
            choices=NETWORKS,
        ),
    )
    shapes: RequestedShapes = setting(ANY_SHAPES)
    verify: bool = setting(True)

    @classmethod
    def from_command(cls, shared: SharedOptions, own: dict[str, Any]) -> "TritonOptions":
        """As ``TargetOptions`` has it."""
        return cls(shapes=shared.shapes, verify=shared.verify, **own)

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise InputError(
                f"the name '{self.name}' is none for a model of Triton: letters, digits, '_', '-' and '.', a "
                "letter or digit first"
            )
        if self.network not in NETWORKS:
            raise InputError(f"the network '{self.network}' is not one of {', '.join(NETWORKS)}")
