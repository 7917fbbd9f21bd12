"""Names that fit: file systems of Linux take 255 bytes."""

import os
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 255
"""Longest name of a file or folder (NAME_MAX of Linux)."""
_LONGEST_SUFFIX: Final = 16


def fitting_name(stem: str, tail: str) -> str:
    """``stem`` and ``tail`` joined, the stem cut to whole characters where they are more than 255 bytes.

    Args:
        stem: What may be cut.
        tail: What may not, a few characters.
    """
    while stem and len(os.fsencode(stem + tail)) > MOST_BYTES:
        stem = stem[:-1]
    return stem + tail


def stem_and_suffix(path: Path) -> tuple[str, str]:
    """A name in two; what follows the last dot is no suffix where it is longer than any format's."""
    if len(os.fsencode(path.suffix)) > _LONGEST_SUFFIX:
        return path.name, ""
    return path.stem, path.suffix
