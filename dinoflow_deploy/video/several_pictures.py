"""Image files that hold more than one picture, told from their headers: nothing is decoded."""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dinoflow_deploy.images.tiff_headers import NEW_SUBFILE_TYPE, first_page, page_headers

_PNG, _RIFF, _WEBP = b"\x89PNG\r\n\x1a\n", b"RIFF", b"WEBP"
_HEADER = 30  # bytes of an animated WebP's beginning, up to its size
_ANIMATED = 2  # bit of the flags in the chunk VP8X
_REDUCED_OR_MASK = 1 | 4  # a page that is a smaller copy, or a transparency mask


@dataclass(frozen=True, slots=True)
class Animation:
    """What the headers of an animated WebP file say.

    Attributes:
        width: Of all frames, in pixels.
        height: Likewise.
        durations: How long each frame is shown, in milliseconds.
        whole: Whether the file is as long as it says.
    """

    width: int
    height: int
    durations: tuple[int, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Pages:
    """What the headers of a TIFF file say.

    Attributes:
        headers: Where the headers of its pages begin. Smaller copies and masks of other pages are left out.
        start: Which bytes of the file say where the first header begins, in which of struct's formats.
        whole: Whether the last one says that it is the last.
    """

    headers: tuple[int, ...]
    start: tuple[int, str]
    whole: bool


def count_pictures(path: Path) -> int:
    """How many pictures an image file holds: frames of an APNG or animated WebP, pages of a TIFF.

    Args:
        path: An existing file of any kind.

    Returns:
        At least 1; 1 also where it is damaged or cannot be read, which its decoder will say.
    """
    try:
        animation, frames, pages = webp_animation(path), _frames_of_apng(path), tiff_pages(path)
    except OSError:
        return 1
    return max(
        1,
        len(animation.durations) if animation is not None else 0,
        frames,
        len(pages.headers) if pages is not None else 0,
    )


def webp_animation(path: Path) -> Animation | None:
    """The headers of an animated WebP file (WebP Container Specification); ``None`` for other files."""
    with path.open("rb") as file:
        start = file.read(_HEADER)
        if len(start) < _HEADER or start[:4] != _RIFF or start[8:16] != _WEBP + b"VP8X":
            return None
        if not start[20] & _ANIMATED:
            return None
        durations = [
            int.from_bytes(content[12:15], "little")
            for name, content in _riff_chunks(file, 12)
            if name == b"ANMF"
        ]
        width, height = (1 + int.from_bytes(start[place : place + 3], "little") for place in (24, 27))
        whole = int.from_bytes(start[4:8], "little") + 8 <= path.stat().st_size
        return Animation(width, height, tuple(durations), whole)


def _riff_chunks(file: BinaryIO, place: int) -> Iterator[tuple[bytes, bytes]]:
    """Names and first bytes of the chunks."""
    file.seek(place)
    while len(header := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", header)
        yield name, file.read(min(size, 16))
        place += 8 + size + size % 2
        file.seek(place)


def _frames_of_apng(path: Path) -> int:
    """As the chunk acTL says, which comes before the first picture (PNG specification, third edition)."""
    with path.open("rb") as file:
        if file.read(8) != _PNG:
            return 0
        while len(header := file.read(8)) == 8:
            size, name = struct.unpack(">I4s", header)
            if name == b"acTL":
                return int.from_bytes(file.read(4), "big")
            if name == b"IDAT":
                return 0
            file.seek(size + 4, 1)
    return 0


def tiff_pages(path: Path) -> Pages | None:
    """The pages of a TIFF or BigTIFF file; ``None`` for other files."""
    with path.open("rb") as file:
        start = first_page(file.read(4))
        if start is None:
            return None
        headers: list[int] = []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                for place, fields in page_headers(data):
                    if not fields.get(NEW_SUBFILE_TYPE, 0) & _REDUCED_OR_MASK:
                        headers.append(place)
            except struct.error:
                return Pages(tuple(headers), start, whole=False)
        return Pages(tuple(headers), start, whole=True)
