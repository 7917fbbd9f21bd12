"""Optional packages: imported when first needed, named with the extra that brings them when missing."""

import importlib
import shlex
from collections.abc import Iterable
from importlib import metadata, util
from types import ModuleType

from dinoflow_deploy.errors import MissingPackageError

_EXTRA_OF = {
    "onnxruntime": "cpu",
    "openvino": "openvino",
    "tritonclient": "triton",
    "h5py": "flo5",
    "pyarrow": "extract",
    "ray": "ray",
    "torch": "export",
    "onnx": "export",
    "onnxscript": "export",
    "tensorboard": "train",
    "tensorrt": "tensorrt",
    "tensorrt_rtx": "rtx",
    "tensorrt_rtx_bindings": "rtx",
    "cuda": "tensorrt",
}
_OWN_NAME = "dinoflow-deploy"


def require(module: str, purpose: str, *, extra: str = "") -> ModuleType:
    """Import an optional module or say what brings it.

    Args:
        module: Dotted module name.
        purpose: What needs it, as the start of a sentence: ``"reading .flo5 files"``.
        extra: The extra that brings it; by default what the table says of the first part of the name.

    Raises:
        MissingPackageError: The package is not installed; the message holds the command that installs it.
    """
    package = module.partition(".")[0]
    if not is_installed(module):
        extra = extra or _EXTRA_OF[package]
        raise MissingPackageError(
            f"{purpose} needs the package '{package}', which is not installed: "
            + install_command(requirements(extra))
            + (f", or with an NVIDIA GPU: {install_command(requirements('gpu'))}" if extra == "cpu" else "")
        )
    return importlib.import_module(module)


def is_installed(module: str) -> bool:
    """Whether a module can be found, without importing it; of a dotted name the packages are imported.

    A part of a package is worth asking for where others share it: several distributions bring a ``cuda``.
    """
    try:
        return util.find_spec(module) is not None
    except ModuleNotFoundError as error:
        # One that is there and lacks something itself is broken, not missing.
        if not f"{module}.".startswith(f"{error.name}."):
            raise
        return False


def requirements(extra: str | None) -> list[str]:
    """What an extra brings, as pip takes it: ``["onnxruntime>=1.20"]``.

    Args:
        extra: Its name; none means what is always needed.
    """
    try:
        stated = metadata.requires(_OWN_NAME) or []
    except metadata.PackageNotFoundError:
        stated = []
    # Run from a clone that is not installed, or was before it had the extra: pip can install from it.
    from_clone = ["." if extra is None else f".[{extra}]"]
    return [named for line in stated for named in _brought(line, extra)] or from_clone


def _brought(stated: str, extra: str | None) -> list[str]:
    """What a requirement of this package brings with an extra, and not without."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    requirement = Requirement(stated)
    marker, requirement.marker = requirement.marker, None
    always = marker is None or marker.evaluate({"extra": ""})
    if always != (extra is None) or (marker and extra and not marker.evaluate({"extra": extra})):
        return []
    if canonicalize_name(requirement.name) == _OWN_NAME:
        return [named for inner in sorted(requirement.extras) for named in requirements(inner)]
    return [str(requirement)]


def install_command(wanted: Iterable[str], *options: str) -> str:
    """The command that installs requirements; it works from any folder and for any way of installing this.

    Args:
        wanted: As :func:`requirements` gives them.
        options: Of ``pip install``.
    """
    return shlex.join(["pip", "install", *options, *wanted])
