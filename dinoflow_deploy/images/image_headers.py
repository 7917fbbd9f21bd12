"""What the headers of image files say about their values, which OpenCV does not tell."""

import re
import struct
from typing import Final

from dinoflow_deploy.images.tiff_headers import BITS_PER_SAMPLE, SAMPLE_FORMAT, page_headers

_UNSIGNED, _UNDEFINED = 1, 4
_SAMPLE_FORMATS: Final = {
    _UNSIGNED: "uint",
    2: "int",
    3: "float",
    _UNDEFINED: "uint",
    5: "complex int",
    6: "complex",
}
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

    Source: TIFF 6.0, fields BitsPerSample and SampleFormat.

    Returns:
        For instance ``"float32"``, ``"uint32"``, ``"int16"``; ``None`` for unsigned values of up to 16 bits,
        for other files, and for damaged ones.
    """
    try:
        fields = next((fields for _, fields in page_headers(data)), {})
    except struct.error:
        return None
    bits, form = fields.get(BITS_PER_SAMPLE, 1), fields.get(SAMPLE_FORMAT, _UNSIGNED)
    if form in (_UNSIGNED, _UNDEFINED) and bits <= 16:
        return None
    return f"{_SAMPLE_FORMATS.get(form, 'unknown')}{bits}"
