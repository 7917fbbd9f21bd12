"""Middlebury ``.flo``: FlyingChairs, Sintel, Things subset.

Bytes ``PIEH``, int32 width, int32 height, then float32 u and v of each pixel, row by row; little-endian
throughout. A component above 1e9 marks an unknown pixel. Source: ``flowIO.cpp`` of the Middlebury benchmark
(https://vision.middlebury.edu/flow/).
"""

import struct

import numpy as np

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.flow.arrays import Flow

_HEADER = struct.Struct("<4sii")
_MAGIC = b"PIEH"
_UNKNOWN = 1e10


def decode(data: bytes) -> Flow:
    """Flow as stored, unknown pixels as the huge values the file holds.

    Raises:
        FileFormatError: Not a .flo file, an impossible size, or a length that does not fit the size.
    """
    if data[:4] != _MAGIC:
        raise FileFormatError(f"not a .flo file: it starts with {data[:4]!r} in place of {_MAGIC!r}")
    if len(data) < _HEADER.size:
        raise FileFormatError(f"the .flo header is cut off: {len(data)} bytes of {_HEADER.size}")
    _, width, height = _HEADER.unpack_from(data)
    if width < 1 or height < 1:
        raise FileFormatError(f"the .flo header gives an impossible size: width {width}, height {height}")
    expected = _HEADER.size + 8 * width * height
    if len(data) != expected:
        what = "cut off" if len(data) < expected else "too long"
        raise FileFormatError(
            f"the .flo file is {what}: {width}x{height} pixels take {expected} bytes, it has {len(data)}"
        )
    values = np.frombuffer(data, "<f4", offset=_HEADER.size)
    return values.reshape(height, width, 2).astype(np.float32)


def encode(flow: Flow) -> bytes:
    """The file's bytes, both components of unknown pixels 1e10."""
    height, width = flow.shape[:2]
    values = np.where(np.isnan(flow), np.float32(_UNKNOWN), flow).astype("<f4")
    return _HEADER.pack(_MAGIC, width, height) + values.tobytes()
