"""Upright frames: the display matrix that phones store instead of turning the pixels."""

import struct

import numpy as np

from dinoflow_deploy.flow.arrays import Image

_MATRIX = struct.Struct("=9i")


def upright(image: Image, display_matrix: bytes | None) -> Image:
    """Turn and mirror a frame as its display matrix says.

    The matrix ``(a b u; c d v; x y w)`` maps a pixel at ``(p, q)`` to ``(a p + c q, b p + d q)`` plus a shift
    (FFmpeg's ``AV_FRAME_DATA_DISPLAYMATRIX``, ISO/IEC 14496-12 ``tkhd``). Quarter turns and mirrors are
    applied; another angle is rounded to the nearest quarter turn.

    Args:
        image: ``uint8 [H, W, 3]``, as stored.
        display_matrix: Nine int32 in native byte order, or ``None``.

    Returns:
        A contiguous ``[H, W, 3]`` or ``[W, H, 3]``.
    """
    if display_matrix is None:
        return image
    a, b, _, c, d, *_ = _MATRIX.unpack(display_matrix)
    if turns_on_its_side(display_matrix):
        image, horizontal, vertical = image.transpose(1, 0, 2), c, b
    else:
        horizontal, vertical = a, d
    if horizontal < 0:
        image = image[:, ::-1]
    if vertical < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)


def turns_on_its_side(display_matrix: bytes | None) -> bool:
    """Whether the matrix exchanges width and height."""
    if display_matrix is None:
        return False
    a, b, _, c, d, *_ = _MATRIX.unpack(display_matrix)
    return bool(max(abs(b), abs(c)) > max(abs(a), abs(d)))
