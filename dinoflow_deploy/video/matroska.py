"""How long a Matroska or WebM file should be, which FFmpeg does not tell."""

from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067


def has_all_bytes(path: Path) -> bool:
    """Whether a Matroska file reaches to where its one segment says that it ends (RFC 8794, RFC 9559).

    Args:
        path: A Matroska or WebM file.

    Returns:
        ``False`` also where it does not say: a recording that was never finished.
    """
    with path.open("rb") as file:
        while (element := _next_element(file)) is not None:
            name, size = element
            if name == _SEGMENT:
                return size is not None and file.tell() + size <= path.stat().st_size
            if name != _EBML or size is None:
                return False
            file.seek(size, 1)
    return False


def _next_element(file: BinaryIO) -> tuple[int, int | None] | None:
    """Its identifier and size; no size if that is unknown, ``None`` at the end."""
    name, size = _number(file), _number(file)
    if name is None or size is None:
        return None
    value, bits = size
    value &= (1 << bits) - 1
    return name[0], None if value == (1 << bits) - 1 else value


def _number(file: BinaryIO) -> tuple[int, int] | None:
    """A number with the bit that marks its length, and how many bits follow that."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    return int.from_bytes(first + file.read(length - 1), "big"), 7 * length
