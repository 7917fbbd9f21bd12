"""KITTI's 16-bit PNG: KITTI 2012, KITTI 2015, HD1K.

Three 16-bit channels: red is ``64 u + 32768``, green ``64 v + 32768``, blue 1 where the pixel is valid and 0
where not. Source: the KITTI 2015 development kit (``readme.txt``, ``io_flow.h``). Pillow and imageio read
such files as 8-bit without a word; OpenCV keeps all bits.
"""

import struct
import zlib

import cv2
import numpy as np

from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.flow.arrays import Flow
from dinoflow_deploy.flow.formats.levels import from_levels, to_levels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_DEFLATE_LIMIT = 1032  # zlib compresses no further than this


def decode(data: bytes) -> Flow:
    """Flow with NaN at invalid pixels.

    Raises:
        FileFormatError: Not a PNG, damaged (each chunk's checksum is verified), or not 16-bit RGB.
    """
    _check(data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise FileFormatError(f"the PNG cannot be decoded: {error}") from None
    if image is None:
        raise FileFormatError("the PNG cannot be decoded: its image data is damaged")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint16:
        raise FileFormatError(f"the PNG decodes to {image.dtype} of shape {image.shape}, not 16-bit RGB")
    # OpenCV gives blue, green, red.
    flow = from_levels(image[..., :0:-1])
    flow[image[..., 0] == 0] = np.nan
    return flow


def _check(data: bytes) -> None:
    """Walk the chunks: every checksum right, 16-bit RGB, complete to the end."""
    if not data.startswith(_SIGNATURE):
        raise FileFormatError(f"not a PNG file: it starts with {data[:8]!r}")
    position, compressed = len(_SIGNATURE), 0
    name, content = _chunk(data, position)
    width, height = _size(name, content)
    while name != b"IEND":
        position += 12 + len(content)
        name, content = _chunk(data, position)
        if name == b"IDAT":
            compressed += len(content)
    if height * (6 * width + 1) > compressed * _DEFLATE_LIMIT:
        raise FileFormatError(f"the PNG is cut off: {compressed} bytes cannot hold {width}x{height} pixels")


def _chunk(data: bytes, position: int) -> tuple[bytes, bytes]:
    """Name and content of the chunk at a position."""
    if position + 12 > len(data):
        raise FileFormatError(f"the PNG is cut off after {len(data)} bytes")
    length, name = struct.unpack_from(">I4s", data, position)
    if position + 12 + length > len(data):
        raise FileFormatError(f"the PNG is cut off after {len(data)} bytes, inside its {name!r} chunk")
    content = data[position + 8 : position + 8 + length]
    (checksum,) = struct.unpack_from(">I", data, position + 8 + length)
    if zlib.crc32(content, zlib.crc32(name)) != checksum:
        raise FileFormatError(f"the PNG is damaged: wrong checksum in its {name!r} chunk")
    return name, content


def _size(name: bytes, content: bytes) -> tuple[int, int]:
    """Width and height from the header chunk, which must say 16-bit RGB."""
    if name != b"IHDR" or len(content) != 13:
        raise FileFormatError(f"the PNG does not start with a header chunk but with {name!r}")
    width, height, bits, color_type = struct.unpack_from(">IIBB", content)
    if (bits, color_type) != (16, 2):
        kind = _COLOR_TYPES.get(color_type, f"colour type {color_type}")
        raise FileFormatError(f"the PNG is {bits}-bit {kind}: flow in KITTI's layout is 16-bit RGB")
    return width, height


def encode(flow: Flow) -> bytes:
    """The file's bytes: values rounded to the nearest 1/64 px, all channels 0 at unknown pixels.

    Raises:
        InputError: A known component lies outside [-512, 511.984] px; the message names the worst.
    """
    levels = to_levels(flow, lowest=0, holder="a KITTI PNG")
    known = ~np.isnan(flow[..., 0])
    image = np.dstack([known.astype(np.uint16), levels[1], levels[0]])
    done, data = cv2.imencode(".png", image)
    if not done:
        raise InputError(f"OpenCV cannot write flow of shape {flow.shape} as PNG")
    return bytes(data.data)
