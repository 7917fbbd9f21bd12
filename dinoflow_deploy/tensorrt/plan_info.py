"""What a bundle says of a TensorRT plan."""

from dataclasses import dataclass
from typing import ClassVar, Final

from dinoflow_deploy.bundles.artefact import ArtefactInfo

PLUGINS: Final = ("cpp", "aot", "none")
"""What may compute the local correlation: two forms of the plugin, or the operator's own body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInfo(ArtefactInfo):
    """A TensorRT engine in the bundle, and what it was built with.

    Attributes:
        flavour: ``"tensorrt"`` or ``"rtx"``.
        version: Version of the builder, which alone can run it.
        compute_capabilities: What it runs on, for instance ``("9.0",)``.
        gpu: Name of the GPU that it was built on; ``None`` where there was none.
        driver: Version of the driver there.
        plugin: What computes the local correlation, of ``PLUGINS``.
        hardware_compatibility: ``"none"``, ``"same-cc"`` or ``"ampere-plus"``.
        optimization_level: 0 to 5.
    """

    kind: ClassVar[str] = "plan"

    flavour: str
    version: str
    compute_capabilities: tuple[str, ...]
    gpu: str | None
    driver: str | None
    plugin: str
    hardware_compatibility: str
    optimization_level: int
