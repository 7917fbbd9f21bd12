"""The packages that bring ONNX Runtime and ``onnx``, without importing either."""

import re
from importlib import metadata
from typing import Final

from dinoflow_deploy.errors import MissingPackageError
from dinoflow_deploy.system.optional import install_command, is_installed, requirements

_ONNX: Final = re.compile(r"onnx(?![\w-])")


def installed_packages() -> dict[str, str]:
    """Version by name of the packages that own the module ``onnxruntime``: more than one is a conflict."""
    found: dict[str, str] = {}
    for name in ("onnxruntime", "onnxruntime-gpu"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def cuda_fix() -> str:
    """The command after which the CUDA provider works, given an NVIDIA driver."""
    packages = installed_packages()
    if "onnxruntime" in packages:
        # Also where both are installed: the one installed last has overwritten the other's files.
        return f"pip uninstall --yes {' '.join(packages)} && {install_command(requirements('gpu'))}"
    return install_command(requirements("gpu"), "--upgrade")


def repair() -> str:
    """The command that mends ONNX Runtime itself, without a second package beside the one installed."""
    packages = installed_packages()
    if len(packages) > 1:
        return cuda_fix()
    extra = "gpu" if "onnxruntime-gpu" in packages else "cpu"
    return install_command(requirements(extra), "--force-reinstall")


def require_onnx(purpose: str) -> None:
    """Check that ``onnx`` is installed.

    Args:
        purpose: What needs it, as the start of a sentence.

    Raises:
        MissingPackageError: It is not; the message holds the command that installs it, without the torch that
            the extra ``export`` brings too.
    """
    if is_installed("onnx"):
        return
    wanted = [each for each in requirements("export") if _ONNX.match(each)]
    raise MissingPackageError(
        f"{purpose} needs the package 'onnx', which is not installed: {install_command(wanted or ['onnx'])}"
    )
