"""TensorRT's C++ headers, which no pip package brings."""

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.version import Version

from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.tensorrt.flavours import RTX, Flavour

_VERSION_FILE: Final = "NvInferVersion.h"
_DEFINE: Final = re.compile(r"^\s*#define\s+(\w+)\s+(\w+)", re.MULTILINE)
_HOW_TO_GIVE: Final = "TENSORRT_ROOT, or to dinoflow-deploy plugin build --tensorrt-root"
_HEADERS_OF_RTX: Final = {1: 11}
"""TensorRT-RTX's major version and that of the TensorRT whose plugin interface it has."""


@dataclass(frozen=True, slots=True)
class Headers:
    """A folder of TensorRT's headers.

    Attributes:
        folder: It holds NvInferRuntime.h.
        version: Major, minor and patch.
    """

    folder: Path
    version: tuple[int, int, int]

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


def find_headers(flavour: Flavour, version: str, root: Path | None = None) -> Headers:
    """The headers to compile a plugin with.

    Args:
        flavour: The TensorRT that will load the plugin.
        version: Its version, as its Python module gives it.
        root: Where they are; else ``TENSORRT_ROOT``, else the system's folders.

    Raises:
        ExportError: There are none, or they are of another major version than the TensorRT installed.
    """
    named = root or (Path(os.environ["TENSORRT_ROOT"]) if os.environ.get("TENSORRT_ROOT") else None)
    folders = list(_folders(named))
    found = next((folder for folder in folders if (folder / _VERSION_FILE).is_file()), None)
    if found is None:
        raise ExportError(
            f"TensorRT's C++ headers were not found (looked for {_VERSION_FILE} in "
            f"{', '.join(map(str, folders))}): apt install libnvinfer-headers-dev, or clone "
            "github.com/NVIDIA/TensorRT at the release installed, and give the folder that holds include as "
            f"{_HOW_TO_GIVE}"
        )
    headers = Headers(found, headers_version((found / _VERSION_FILE).read_text()))
    _check_major(headers, flavour, version)
    return headers


def headers_version(text: str) -> tuple[int, int, int]:
    """Major, minor and patch that NvInferVersion.h defines, by number or by the name of another definition.

    Raises:
        ExportError: It does not define them.
    """
    defined: dict[str, str] = dict(_DEFINE.findall(text))
    parts = []
    for part in ("MAJOR", "MINOR", "PATCH"):
        name = defined.get(f"NV_TENSORRT_{part}", "")
        value = defined.get(name, name)
        if not value.isdecimal():
            raise ExportError(f"{_VERSION_FILE} does not define NV_TENSORRT_{part}: give another folder")
        parts.append(int(value))
    return parts[0], parts[1], parts[2]


def _check_major(headers: Headers, flavour: Flavour, version: str) -> None:
    major = Version(version).major
    accepted = {major, _HEADERS_OF_RTX.get(major, major)} if flavour == RTX else {major}
    if headers.version[0] not in accepted:
        wanted = " or ".join(f"{number}.x" for number in sorted(accepted))
        raise ExportError(
            f"the headers in {headers.folder} are of TensorRT {headers}, but {flavour.title} {version} is "
            f"installed: give headers of {wanted} as {_HOW_TO_GIVE}"
        )


def _folders(root: Path | None) -> Iterator[Path]:
    triple = f"{platform.machine()}-linux-gnu"
    if root is not None:
        yield from (root / "include", root / "include" / triple, root)
        return
    for prefix in (Path("/usr/include"), Path("/usr/local/include"), Path("/usr/local/tensorrt/include")):
        yield from (prefix / triple, prefix)
