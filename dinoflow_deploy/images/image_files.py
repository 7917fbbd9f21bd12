"""Image files: read whole, or not at all, with the values that they store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.images.image_headers import netpbm_white, tiff_type_without_white

IMAGE_SUFFIXES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""What files of images are called, in lower case."""

_DEPTHS: Final = (8, 10, 12, 14, 16)
"""Bits of the values that cameras give."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image as its file stores it.

    Attributes:
        values: ``uint8`` or ``uint16``, ``[H, W]`` or ``[H, W, 3]``, channels in OpenCV's order: blue, green,
            red.
        white: The value of white. ``None`` where the file does not say: many a 16-bit file holds 10 or 12
            bits and leaves the rest at 0. (A PNG's ``sBIT`` says how many bits count, not that they lie low.)
    """

    values: NDArray[Any]
    white: int | None


def decode_image(path: Path, flags: int) -> StoredImage:
    """Decode an image file with OpenCV, which says whether it is whole; bytes behind the image do not matter.

    Args:
        path: The file.
        flags: OpenCV's ``IMREAD_...``; whatever they say, 16-bit values stay 16-bit.

    Raises:
        FileFormatError: The file is missing, cut off, damaged or not an image, or holds values of a type
            that has no agreed black and white.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror}") from error
    return decode_bytes(data, str(path), flags)


def decode_bytes(data: bytes | memoryview, name: str, flags: int) -> StoredImage:
    """Decode what :func:`decode_image` reads.

    Args:
        data: An image file's content.
        name: What errors call it.
        flags: As for ``decode_image``.

    Raises:
        FileFormatError: As ``decode_image``.
    """
    # Asked first, since OpenCV reads some of these and prints its own thoughts on the others.
    if kind := tiff_type_without_white(data):
        raise _no_white(name, kind)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_ANYDEPTH) if data else None
    except cv2.error as error:
        raise FileFormatError(f"{name}: cannot be decoded: {error}") from None
    if image is None:
        raise FileFormatError(
            f"{name}: cannot be decoded as an image: it is cut off, damaged or of another kind"
        )
    if image.dtype not in (np.uint8, np.uint16):
        raise _no_white(name, str(image.dtype))
    return StoredImage(image, netpbm_white(data) or (255 if image.dtype == np.uint8 else None))


def _no_white(name: str, kind: str) -> FileFormatError:
    return FileFormatError(
        f"{name} holds {kind} values, whose black and white are not known: convert it to 8 or 16 bits, "
        "unsigned"
    )


def guessed_white(largest: int) -> int:
    """The white of 16-bit images that do not say: that of the least camera depth that holds their values.

    Args:
        largest: Their largest value. Where it is below what the camera could give, the images become
            brighter, all by the same factor, and keep more grey levels.

    Returns:
        255, 1023, 4095, 16383 or 65535.
    """
    return next((1 << depth) - 1 for depth in _DEPTHS if largest < 1 << depth)


def to_8_bit(values: NDArray[Any], white: int) -> NDArray[np.uint8]:
    """Values of which ``white`` is white as 8-bit ones, rounded; larger ones are white too.

    Args:
        values: ``uint8`` or ``uint16``, of any shape.
        white: Of 1 to 65535.
    """
    if values.dtype == np.uint8 and white == 255:
        return values
    return np.asarray(cv2.convertScaleAbs(values, alpha=255 / white), np.uint8)
