"""NumPy ``.npy``: floating point ``[H, W, 2]``, NaN where unknown. Nothing is ever unpickled."""

import io
import math
from tokenize import TokenError

import numpy as np

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.flow.arrays import Flow
from dinoflow_deploy.flow.formats.layout import check_layout


def decode(data: bytes) -> Flow:
    """Flow of any floating-point type, as float32.

    Raises:
        FileFormatError: Not a .npy file, another shape or type, or a length that does not fit the shape.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, column_major, dtype = read_header(stream)
    except (ValueError, SyntaxError, TokenError) as error:
        raise FileFormatError(f"not a .npy file, or its header is damaged: {error}") from None
    check_layout(shape, dtype)
    body, expected = len(data) - stream.tell(), math.prod(shape) * dtype.itemsize
    if body != expected:
        what = "cut off" if body < expected else "too long"
        raise FileFormatError(f"the .npy file is {what}: shape {shape} takes {expected} bytes, it has {body}")
    values = np.frombuffer(data, dtype, offset=stream.tell())
    with np.errstate(over="ignore"):
        return values.reshape(shape, order="F" if column_major else "C").astype(np.float32, order="C")


def encode(flow: Flow) -> bytes:
    """The file's bytes, float32, NaN at unknown pixels."""
    stream = io.BytesIO()
    np.save(stream, flow, allow_pickle=False)
    return stream.getvalue()
