"""The files of the plugin that are not Python."""

from pathlib import Path
from typing import Final

_FOLDER = Path(__file__).parent

KERNEL_SOURCE: Final = _FOLDER / "local_correlation.cu"
PLUGIN_SOURCE: Final = _FOLDER / "local_correlation_plugin.cpp"
CMAKE_FILE: Final = _FOLDER / "CMakeLists.txt"
PTX_FILE: Final = _FOLDER / "local_correlation.ptx"
