"""What the headers of a TIFF file say, page by page. Source: TIFF 6.0, section 2; BigTIFF's layout."""

import mmap
import struct
from collections.abc import Iterator
from typing import Final, TypeAlias

Buffer: TypeAlias = bytes | memoryview | mmap.mmap

NEW_SUBFILE_TYPE: Final = 254
BITS_PER_SAMPLE: Final = 258
SAMPLE_FORMAT: Final = 339
_TIFF, _BIG_TIFF = 42, 43
_VALUES: Final = {3: "H", 4: "I"}
"""The kinds of field that are read, 16 and 32 bits, in struct's formats."""


def first_page(data: Buffer) -> tuple[int, str] | None:
    """Where a TIFF or BigTIFF file says at which byte the header of its first page begins.

    Args:
        data: A file, or its beginning.

    Returns:
        The place of that number and struct's format of it; ``None`` for other files.
    """
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None or len(data) < 4:
        return None
    version = struct.unpack_from(f"{order}H", data, 2)[0]
    return {_TIFF: (4, f"{order}I"), _BIG_TIFF: (8, f"{order}Q")}.get(version)


def page_headers(data: Buffer) -> Iterator[tuple[int, dict[int, int]]]:
    """The headers along their chain: where each begins, and the first number of its fields by their tags.

    Args:
        data: A whole file; other ones than TIFF have no pages.

    Raises:
        struct.error: The chain leads out of the file.
    """
    start = first_page(data)
    if start is None:
        return
    number = struct.Struct(start[1])
    (place,) = number.unpack_from(data, start[0])
    seen: set[int] = set()
    # A damaged chain may lead in a circle.
    while place and place not in seen:
        seen.add(place)
        fields, end = _fields(data, place, number)
        (following,) = number.unpack_from(data, end)
        yield place, fields
        place = following


def _fields(data: Buffer, place: int, number: struct.Struct) -> tuple[dict[int, int], int]:
    """The fields of a page, and where they end."""
    order, wide = number.format[0], number.size == 8
    entry = struct.Struct(f"{order}HH{number.format[1]}")
    count = struct.Struct(f"{order}{'Q' if wide else 'H'}")
    if place > len(data):  # more than struct takes as a place
        raise struct.error(f"a page at byte {place} of {len(data)}")
    (entries,) = count.unpack_from(data, place)
    place += count.size
    fields: dict[int, int] = {}
    for _ in range(entries):
        tag, kind, values = entry.unpack_from(data, place)
        if kind in _VALUES:
            value = struct.Struct(order + _VALUES[kind])
            at = place + entry.size
            # Several values that do not fit lie elsewhere.
            where = at if value.size * values <= number.size else number.unpack_from(data, at)[0]
            if where + value.size <= len(data):
                (fields[tag],) = value.unpack_from(data, where)
        place += entry.size + number.size
    return fields, place
