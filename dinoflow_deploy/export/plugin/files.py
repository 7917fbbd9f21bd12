"""The files of the plugin that are not Python, and the checksum that stands for them."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_FOLDER = Path(__file__).parent

KERNEL_SOURCE: Final = _FOLDER / "local_correlation.cu"
KERNEL_HEADER: Final = _FOLDER / "local_correlation.h"
PLUGIN_SOURCE: Final = _FOLDER / "local_correlation_plugin.cpp"
PTX_FILE: Final = _FOLDER / "local_correlation.ptx"

KERNEL_FILES: Final = (KERNEL_SOURCE, KERNEL_HEADER)
"""What the PTX is made of."""
LIBRARY_FILES: Final = (*KERNEL_FILES, PLUGIN_SOURCE)
"""What the library is made of."""


def digest_of(files: Iterable[Path]) -> str:
    """SHA-256 over the files' contents, one after the other, in hexadecimal."""
    total = hashlib.sha256()
    for file in files:
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()
