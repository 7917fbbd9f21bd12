"""Why TensorRT does not take a plan, and what to do about it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dinoflow_deploy.tensorrt.plan_info import PlanInfo

# What TensorRT says itself, where no manifest knows better. Its wording differs between versions.
_SAYS_VERSION: Final = re.compile(
    r"library version|version of TensorRT|serialization.version|version tag", re.IGNORECASE
)
_SAYS_GPU: Final = re.compile(r"incompatible device|expecting compute|compute capability", re.IGNORECASE)
_SAYS_PLUGIN: Final = re.compile(r"plugin|creator", re.IGNORECASE)
_SAYS_HOST_CODE: Final = re.compile(r"host.?code|lean runtime", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a plan has to fit.

    Attributes:
        title: Name of the TensorRT.
        version: Its version.
        compute_capability: Of the GPU, for instance ``"9.0"``.
    """

    title: str
    version: str
    compute_capability: str


def causes(info: PlanInfo | None, machine: Machine, said: str) -> list[str]:
    """Why a plan was refused, as clauses of a sentence.

    Args:
        info: What the manifest says about the plan; ``None`` if there is no manifest.
        machine: Where it was refused.
        said: What TensorRT said.

    Returns:
        Every cause that is known; empty if none is.
    """
    known = list(_of_manifest(info, machine)) if info else []
    return known or list(_of_messages(info, machine, said))


def _of_manifest(info: PlanInfo, machine: Machine) -> Iterator[str]:
    if info.version != machine.version:
        yield (
            f"it was built by {machine.title} {info.version}, and {machine.version} is installed: a plan "
            "runs on the version that built it"
        )
    if not _fits(info, machine.compute_capability):
        built_for = ", ".join(info.compute_capabilities)
        on = f" on {info.gpu}" if info.gpu else ""
        yield (
            f"it was built for compute capability {built_for}{on}, and this GPU has "
            f"{machine.compute_capability}"
        )


def _of_messages(info: PlanInfo | None, machine: Machine, said: str) -> Iterator[str]:
    if _SAYS_HOST_CODE.search(said):
        # A manifest that knows of our plugin allows it.
        bundle = "" if info else "name the folder of its bundle, or "
        yield (
            f"it holds native code, which runs with your rights: if you trust where it is from, {bundle}load "
            "it with allow_host_code=True"
        )
    elif _SAYS_PLUGIN.search(said):
        yield _plugin_cause(info)
    elif _SAYS_GPU.search(said):
        yield f"it was built for another GPU than this one of compute capability {machine.compute_capability}"
    elif _SAYS_VERSION.search(said):
        yield f"it was built by another version than {machine.title} {machine.version}, which is installed"


def _plugin_cause(info: PlanInfo | None) -> str:
    if info and info.plugin == "cpp":
        return (
            "the plugin of the local correlation that is compiled into it does not load here: it is native "
            "code for one kind of processor (x86_64 or aarch64)"
        )
    return "it needs the plugin of the local correlation and does not hold it"


def _fits(info: PlanInfo, capability: str) -> bool:
    if info.hardware_compatibility == "ampere-plus":
        return int(capability.partition(".")[0]) >= 8
    return capability in info.compute_capabilities
