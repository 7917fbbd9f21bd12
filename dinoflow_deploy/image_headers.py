"""What the headers of image files say about their values, which OpenCV does not tell."""

import re
import struct
from collections.abc import Iterator
from typing import Final

_BITS_PER_SAMPLE, _SAMPLE_FORMAT = 258, 339
_UNSIGNED, _UNDEFINED = 1, 4
_SAMPLE_FORMATS: Final = {
    _UNSIGNED: "uint",
    2: "int",
    3: "float",
    _UNDEFINED: "uint",
    5: "complex int",
    6: "complex",
}
_TIFF, _BIG_TIFF = 42, 43
_SHORT: Final = 3
_GAP: Final = rb"(?:\s|#[^\n]*\n)+"
_NETPBM: Final = re.compile(rb"P[2356]" + 2 * (_GAP + rb"\d+") + _GAP + rb"(\d{1,5})\s")


def netpbm_white(data: bytes | memoryview) -> int | None:
    """The value of white that a PGM or PPM file states.

    Source: the format's specification (netpbm, ``pgm.5`` and ``ppm.5``), which calls it Maxval.

    Returns:
        1 to 65534; ``None`` for other files, and for 65535, which is also written by those who do not know.
    """
    header = _NETPBM.match(data)
    white = int(header[1]) if header else 0
    return white if 0 < white < 65535 else None


def tiff_type_without_white(data: bytes | memoryview) -> str | None:
    """The type of the values in a TIFF file, if they have no agreed black and white.

    Source: TIFF 6.0, section 2 (structure), its fields BitsPerSample and SampleFormat; BigTIFF's layout.

    Returns:
        For instance ``"float32"``, ``"uint32"``, ``"int16"``; ``None`` for unsigned values of up to 16 bits,
        for other files, and for damaged ones.
    """
    try:
        fields = dict(_first_shorts(data))
    except (struct.error, OverflowError):
        return None
    bits, form = fields.get(_BITS_PER_SAMPLE, 1), fields.get(_SAMPLE_FORMAT, _UNSIGNED)
    if form in (_UNSIGNED, _UNDEFINED) and bits <= 16:
        return None
    return f"{_SAMPLE_FORMATS.get(form, 'unknown')}{bits}"


def _first_shorts(data: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """The fields of 16-bit numbers that describe the first picture, each with its first number."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    version = struct.unpack_from(f"{order}H", data, 2)[0] if order else 0
    if version not in (_TIFF, _BIG_TIFF):
        return
    count_code, offset_code, first = ("Q", "Q", 8) if version == _BIG_TIFF else ("H", "I", 4)
    number, entry, count = (
        struct.Struct(f"{order}{code}") for code in (offset_code, f"HH{offset_code}", count_code)
    )
    (place,) = number.unpack_from(data, first)
    (entries,) = count.unpack_from(data, place)
    place += count.size
    for _ in range(entries):
        tag, kind, values = entry.unpack_from(data, place)
        if kind == _SHORT:
            inline = 2 * values <= number.size
            where = place + entry.size if inline else number.unpack_from(data, place + entry.size)[0]
            yield tag, struct.unpack_from(f"{order}H", data, where)[0]
        place += entry.size + number.size
