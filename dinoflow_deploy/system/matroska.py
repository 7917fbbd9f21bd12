"""The outermost parts of a Matroska or WebM file, which FFmpeg neither shows nor checks."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

CLUSTER: Final = 0x1F43B675
"""Identifier of the parts that hold frames (RFC 9559)."""
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_VOID: Final = 0xEC
_CRC_HEAD: Final = b"\xbf\x84"
"""How a part begins whose first element is the CRC-32 of what follows (RFC 8794)."""
_CRC_SIZE: Final = 6


@dataclass(frozen=True, slots=True)
class Part:
    """An element within the segment of a Matroska file.

    Attributes:
        name: Its identifier.
        start: Where it begins, counted in bytes from the beginning of the file.
        content: Where its content begins.
        size: Bytes of the content.
    """

    name: int
    start: int
    content: int
    size: int

    def is_sound(self, file: BinaryIO) -> bool:
        """Whether the content has the checksum that it begins with; what only fills the file has none."""
        if self.name == _VOID:
            return True
        file.seek(self.content)
        data = file.read(self.size)
        checksum = int.from_bytes(data[len(_CRC_HEAD) : _CRC_SIZE], "little")
        return data.startswith(_CRC_HEAD) and zlib.crc32(data[_CRC_SIZE:]) == checksum


def has_all_bytes(path: Path) -> bool:
    """Whether a Matroska file reaches to where its one segment says that it ends (RFC 8794, RFC 9559).

    Args:
        path: A Matroska or WebM file.

    Returns:
        ``False`` also where it does not say: a recording that was never finished.
    """
    with path.open("rb") as file:
        end = segment_end(file)
        return end is not None and end <= path.stat().st_size


def segment_end(file: BinaryIO) -> int | None:
    """Where a file's one segment says that it ends, in bytes; ``None`` where it does not say.

    Args:
        file: At its beginning.
    """
    size = _segment_size(file)
    return None if size is None else file.tell() + size


def parts(file: BinaryIO) -> Iterator[Part]:
    """The elements of a file's one segment, in order; their content is not read.

    They end early where the file does, or is damaged: those of a whole file fill it to its last byte.
    """
    if _segment_size(file) is None:
        return
    start = file.tell()
    while (element := _next_element(file)) is not None:
        name, size = element
        if size is None:
            return
        yield Part(name, start, content := file.tell(), size)
        start = file.seek(content + size)


def _segment_size(file: BinaryIO) -> int | None:
    """How long the segment says that its content is, which then follows; ``None`` where it does not say."""
    while (element := _next_element(file)) is not None:
        name, size = element
        if name == _SEGMENT:
            return size
        if name != _EBML or size is None:
            return None
        file.seek(size, 1)
    return None


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
