"""Image files that hold more than one picture, told from their headers: nothing is decoded."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_PNG, _RIFF, _WEBP = b"\x89PNG\r\n\x1a\n", b"RIFF", b"WEBP"
_HEADER = 30  # bytes of an animated WebP's beginning, up to its size
_ANIMATED = 2  # bit of the flags in the chunk VP8X
_NEW_SUBFILE_TYPE = 254
_REDUCED_OR_MASK = 1 | 4  # a page that is a smaller copy, or a transparency mask
_TIFF, _BIG_TIFF = 42, 43


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
    """The pages of a TIFF or BigTIFF file (TIFF 6.0, section 2); ``None`` for other files."""
    with path.open("rb") as file:
        start = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(start[:2])
        version = struct.unpack_from(f"{order}H", start, 2)[0] if order and len(start) == 16 else 0
        if version not in (_TIFF, _BIG_TIFF):
            return None
        big, whole = version == _BIG_TIFF, True
        headers: list[tuple[int, int]] = []
        try:
            headers.extend(_headers(file, str(order), big=big))
        except struct.error:
            whole = False
        pages = tuple(place for place, kind in headers if not kind & _REDUCED_OR_MASK)
        return Pages(pages, (8, f"{order}Q") if big else (4, f"{order}I"), whole)


def _headers(file: BinaryIO, order: str, *, big: bool) -> Iterator[tuple[int, int]]:
    """Where the header of each picture begins, along their chain, and its NewSubfileType.

    Raises:
        struct.error: The chain leads out of the file.
    """
    offset = struct.Struct(order + ("Q" if big else "I"))
    count = struct.Struct(order + ("Q" if big else "H"))
    entry = struct.Struct(order + ("HHQI4x" if big else "HHII"))
    seen: set[int] = set()
    file.seek(8 if big else 4)
    (place,) = offset.unpack(file.read(offset.size))
    # A damaged chain may lead in a circle.
    while place and place not in seen:
        seen.add(place)
        file.seek(place)
        (entries,) = count.unpack(file.read(count.size))
        fields = [entry.unpack(file.read(entry.size)) for _ in range(entries)]
        following = offset.unpack(file.read(offset.size))
        yield place, next((value for tag, _, _, value in fields if tag == _NEW_SUBFILE_TYPE), 0)
        (place,) = following
