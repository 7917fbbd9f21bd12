"""What a plan is asked for."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.option import Option, option, setting
from dinoflow_deploy.export.shapes import ANY_SHAPES, RequestedShapes
from dinoflow_deploy.export.target import SharedOptions
from dinoflow_deploy.tensorrt.flavours import FLAVOURS, find_flavour
from dinoflow_deploy.tensorrt.plan_info import PLUGINS

PLUGIN_CHOICES: Final = ("auto", *PLUGINS)
HARDWARE_COMPATIBILITIES: Final = ("none", "same-cc", "ampere-plus")
OPTIMIZATION_LEVELS: Final = range(6)
WORKSPACE_LIMIT_GIB: Final = 1 << 20
"""More than any GPU has, and well within what TensorRT counts bytes with."""


def parse_compute_capabilities(text: str) -> tuple[str, ...]:
    """The capabilities in ``"89,120"`` or ``"8.9,12.0"``: ``("8.9", "12.0")``.

    Raises:
        InputError: One of them is not written so.
    """
    return tuple(dict.fromkeys(_capability(part.strip()) for part in text.split(",")))


def _capability(text: str) -> str:
    match = re.fullmatch(r"(\d{1,2})\.?(\d)", text)
    if match is None:
        raise InputError(f"the compute capability '{text}' is not written like 8.9 or 89")
    return f"{match[1]}.{match[2]}"


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What to build a plan as.

    Attributes:
        flavour: ``"tensorrt"``, or ``"rtx"`` for TensorRT-RTX.
        plugin: What computes the local correlation: ``"cpp"`` or ``"aot"``, two forms of the plugin;
            ``"none"``, the operator's body; or ``"auto"``, the best of them that can be had.
        shapes: Shapes to build for.
        optimization_level: 0 to 5, how long to search for fast kernels; ``None`` leaves it to TensorRT.
        hardware_compatibility: GPUs that run the plan: those of the building one's kind (``"none"``), of its
            compute capability (``"same-cc"``), or Ampere and newer (``"ampere-plus"``, slower). Not for RTX.
        workspace_gib: Most memory in GiB that a kernel may take as scratch space, above 0 and at most 2**20;
            ``None``: all of the GPU's.
        compute_capabilities: What TensorRT-RTX builds for, each like ``"8.9"``; empty: this machine's GPU.
        timing_cache: File of kernel timings that builds share, which makes the next quicker. Not for RTX.
        verify: Compare the plan's flow with a reference, where this machine can run it.
    """

    flavour: str = option(
        "tensorrt",
        Option(
            "--flavour",
            "TensorRT, or TensorRT-RTX for RTX cards.",
            choices=tuple(flavour.name for flavour in FLAVOURS),
        ),
    )
    plugin: str = option(
        "auto",
        Option(
            "--plugin",
            "Local correlation: C++ plugin, ahead-of-time one, or the operator's own body.",
            choices=PLUGIN_CHOICES,
        ),
        outside_key="the plugin that is chosen is part of it",
    )
    shapes: RequestedShapes = setting(ANY_SHAPES, outside_key="the shapes that come of it are part of it")
    optimization_level: int | None = option(
        None,
        Option(
            "--optimization-level",
            "How long to search for fast kernels.",
            metavar="0..5",
            shown_default="TensorRT's, 3",
        ),
    )
    timing_cache: Path | None = option(
        None,
        Option(
            "--timing-cache",
            "Kernel timings that builds share; not for rtx.",
            metavar="FILE",
        ),
        outside_key="it changes how long a build takes",
    )
    hardware_compatibility: str = option(
        "none",
        Option(
            "--hardware-compatibility",
            "none, same-cc or ampere-plus: GPUs that run it beside those like the building one; not for rtx.",
            metavar="NAME",
            choices=HARDWARE_COMPATIBILITIES,
        ),
    )
    workspace_gib: float | None = option(
        None,
        Option(
            "--workspace",
            "Most scratch memory of a kernel.",
            metavar="GiB",
            shown_default="all of the GPU's memory",
        ),
    )
    compute_capabilities: tuple[str, ...] = option(
        (),
        Option(
            "--compute-capability",
            "What rtx builds for, on any machine.",
            metavar="89,120",
            parse=parse_compute_capabilities,
            shown_default="this GPU's",
        ),
        outside_key="those that it is built for are part of it",
    )
    verify: bool = setting(True, outside_key="comparing changes no byte of the plan")

    @classmethod
    def from_command(cls, shared: SharedOptions, own: dict[str, Any]) -> "PlanOptions":
        """As ``TargetOptions`` has it."""
        return cls(shapes=shared.shapes, verify=shared.verify, **own)

    def __post_init__(self) -> None:
        find_flavour(self.flavour)
        _check_choice("plugin", self.plugin, PLUGIN_CHOICES)
        _check_choice("hardware compatibility", self.hardware_compatibility, HARDWARE_COMPATIBILITIES)
        if self.optimization_level is not None and self.optimization_level not in OPTIMIZATION_LEVELS:
            raise InputError(f"the optimization level {self.optimization_level} is outside 0 to 5")
        if self.workspace_gib is not None and not 0 < self.workspace_gib <= WORKSPACE_LIMIT_GIB:
            raise InputError(
                f"a workspace of {self.workspace_gib:g} GiB is not above 0 and at most {WORKSPACE_LIMIT_GIB}"
            )
        if self.flavour == "rtx":
            self._check_rtx()
        elif self.compute_capabilities:
            raise InputError(
                "compute capabilities are for TensorRT-RTX: TensorRT builds for the GPU that it runs on; use "
                "--flavour rtx, or --hardware-compatibility for other GPUs"
            )
        for capability in self.compute_capabilities:
            if not re.fullmatch(r"\d+\.\d", capability):
                raise InputError(f"the compute capability '{capability}' is not written like 8.9 or 89")

    def _check_rtx(self) -> None:
        if self.hardware_compatibility != "none":
            raise InputError(
                "TensorRT-RTX has no hardware compatibility levels: name the GPUs with --compute-capability"
            )
        if self.timing_cache is not None:
            raise InputError(
                "TensorRT-RTX keeps no timing cache, since it times nothing while it builds: leave out "
                "--timing-cache"
            )


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"the {what} '{value}' is not one of {', '.join(choices)}")
