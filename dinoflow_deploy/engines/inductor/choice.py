"""Whether a bundle's package is what "auto" should run."""

from importlib import metadata
from pathlib import Path

from dinoflow_deploy.bundles.manifest import MANIFEST_NAME, Manifest
from dinoflow_deploy.engines.backend import Source
from dinoflow_deploy.engines.devices import KINDS, Device
from dinoflow_deploy.engines.inductor.mismatch import Machine, causes
from dinoflow_deploy.engines.inductor.package import package_info
from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.system.gpus import list_gpus


def fits_here(source: Source, device: str) -> bool:
    """Whether a bundle holds a package for a GPU that is here, and for the PyTorch that is installed.

    On the CPU it is never chosen: OpenVINO is faster there. torch is not imported to find out, so that of its
    version the release alone is compared.

    Args:
        source: Folder of a bundle.
        device: Name of the device that was asked for.
    """
    if Device.parse(device, KINDS).kind not in ("auto", "cuda") or not isinstance(source, Path):
        return False
    try:
        info = package_info(Manifest.read(source / MANIFEST_NAME))
        installed = metadata.version("torch")
    except (OSError, FileFormatError, metadata.PackageNotFoundError):
        return False
    if info is None or info.device != "cuda" or _release(installed) != _release(info.torch):
        return False
    return any(
        not list(causes(info, Machine.here(info.torch, "cuda", gpu.compute_capability)))
        for gpu in list_gpus()[0]
    )


def _release(version: str) -> str:
    """Without the build: ``"2.13.0"`` of ``"2.13.0+cu130"``."""
    return version.partition("+")[0]
