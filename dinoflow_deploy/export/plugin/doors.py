"""The ways in which a plan computes the local correlation."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from dinoflow_deploy.engines.input_range import InputRange
from dinoflow_deploy.engines.tensorrt.flavours import Flavour
from dinoflow_deploy.errors import ExportError


@dataclass(frozen=True, slots=True)
class Door:
    """What computes the local correlation, and why; ``digest`` is of its library, empty for none."""

    name: str
    reason: str
    library: Path | None
    digest: str


def choose_door(wanted: str, trt: ModuleType, flavour: Flavour, inputs: InputRange) -> Door:
    """The door that was asked for."""
    if wanted not in ("auto", "none"):
        raise ExportError(f"the plugin '{wanted}' is not there yet: use --plugin none")
    return Door("none", "this release has no plugin", None, "")


def open_door(door: Door, trt: ModuleType, builder: Any, config: Any) -> None:
    """Make the plugin known before parsing."""


def network_flags(door: Door, trt: ModuleType) -> int:
    """Further flags of the network."""
    return 0


def check_plugin_layer(network: Any, door: Door) -> None:
    """Refuse a network without the plugin that was asked for."""
