"""The package ``onnx``, without which an ONNX file stays closed."""

import re
from typing import Final

from dinoflow_deploy.errors import MissingPackageError
from dinoflow_deploy.optional import install_command, is_installed, requirements

_OWN_REQUIREMENT: Final = re.compile(r"onnx(?![\w-])")


def require_onnx() -> None:
    """Check that ``onnx`` is installed.

    Raises:
        MissingPackageError: It is not; the message holds the command that installs it, without the torch that
            the extra ``export`` brings too.
    """
    if is_installed("onnx"):
        return
    wanted = [each for each in requirements("export") if _OWN_REQUIREMENT.match(each)]
    raise MissingPackageError(
        "looking into an ONNX file needs the package 'onnx', which is not installed: "
        + install_command(wanted or ["onnx"])
    )
