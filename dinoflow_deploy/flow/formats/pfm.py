"""Portable float map ``.pfm``: FlyingThings3D.

Three lines of text (``PF``, width and height, scale), then float32 triples, bottom row first; a negative
scale means little-endian. u and v are the first two channels, the third is unused. Source: the format's
description at https://netpbm.sourceforge.net/doc/pfm.html.
"""

import re

import numpy as np

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.flow.arrays import Flow

_HEADER = re.compile(rb"PF[ \t\r]*\n(\d{1,9})[ \t]+(\d{1,9})[ \t\r]*\n([-+.\deE]{1,32})[ \t\r]*\n")


def decode(data: bytes) -> Flow:
    """Flow of a colour PFM with a scale of 1 or -1.

    Refused on purpose: comments and other layouts of the header, which the format does not have and which
    readers disagree on; and any other scale, which some readers divide by and others ignore.

    Raises:
        FileFormatError: Any of these, a grey PFM, an impossible size, or a length that does not fit the size.
    """
    if data[:2] == b"Pf":
        raise FileFormatError("a grey .pfm ('Pf', one channel) holds no flow: flow needs a colour one ('PF')")
    if data[:2] != b"PF":
        raise FileFormatError(f"not a .pfm file: it starts with {data[:2]!r} in place of b'PF'")
    header = _HEADER.match(data)
    if header is None:
        raise FileFormatError(
            "the .pfm header is cut off or not in the form of three lines 'PF', 'WIDTH HEIGHT', 'SCALE' "
            "without comments"
        )
    width, height = int(header[1]), int(header[2])
    byte_order = _byte_order(header[3])
    if width < 1 or height < 1:
        raise FileFormatError(f"the .pfm header gives an impossible size: width {width}, height {height}")
    body, expected = len(data) - header.end(), 12 * width * height
    if body != expected:
        what = "cut off" if body < expected else "too long"
        raise FileFormatError(
            f"the .pfm file is {what}: {width}x{height} pixels take {expected} bytes after the header, "
            f"it has {body}"
        )
    rows = np.frombuffer(data, f"{byte_order}f4", offset=header.end()).reshape(height, width, 3)
    # A copy always, also of a view that is contiguous, as one pixel is: the file's bytes are read-only.
    return np.array(rows[::-1, :, :2], dtype=np.float32, order="C")


def _byte_order(scale_text: bytes) -> str:
    try:
        scale = float(scale_text)
    except ValueError:
        raise FileFormatError(f"the .pfm scale {scale_text.decode()!r} is not a number") from None
    if abs(scale) != 1:
        raise FileFormatError(
            f"the .pfm scale is {scale}: only 1 and -1 are read, since readers disagree on whether another "
            "scale changes the values"
        )
    return "<" if scale < 0 else ">"
