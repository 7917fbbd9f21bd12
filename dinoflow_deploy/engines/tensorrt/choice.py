"""Which plans a bundle holds, and whether one is what "auto" should run."""

from pathlib import Path

from dinoflow_deploy.bundles.manifest import MANIFEST_NAME, Manifest
from dinoflow_deploy.engines.backend import Source
from dinoflow_deploy.engines.devices import KINDS, Device
from dinoflow_deploy.engines.tensorrt.cuda import gpu_is_usable
from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.tensorrt.flavours import FLAVOURS
from dinoflow_deploy.tensorrt.plan_info import PlanInfo


def planned_flavours(folder: Path) -> tuple[str, ...]:
    """The flavours that a bundle holds a plan for, from its manifest alone.

    Nothing if it is not a bundle or damaged, which :meth:`Bundle.open` reports.
    """
    try:
        manifest = Manifest.read(folder / MANIFEST_NAME)
    except (OSError, FileFormatError):
        return ()
    return tuple(plan.flavour for plan in manifest.all_of(PlanInfo))


def can_run_here(source: Source, device: str) -> bool:
    """Whether there are a TensorRT for a bundle's plan and a GPU, and the device is not another one.

    That the plan is of this version and for this GPU is not asked: a plan that has to be built again is an
    error that says so, and no reason to run something else in its place.

    Args:
        source: Folder of a bundle, or a bare plan.
        device: Name of the device that was asked for.
    """
    if Device.parse(device, KINDS).kind not in ("auto", "cuda"):
        return False
    if not isinstance(source, Path):
        return False
    planned = planned_flavours(source)
    return any(flavour.name in planned and flavour.is_installed for flavour in FLAVOURS) and gpu_is_usable()
