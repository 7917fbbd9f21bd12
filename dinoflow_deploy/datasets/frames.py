"""Read the images of a data set as stored: whole, or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.errors import SizeMismatchError
from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.images.image_files import decode_image, guessed_white, to_8_bit


def read_frames(*paths: Path) -> tuple[Image, ...]:
    """Frames of one sample; a grey image gets three equal channels. Not turned, whatever EXIF data says.

    16-bit values become 8-bit ones by one scale for all. Where the files do not say what is white, it is that
    of the least of 8, 10, 12, 14 and 16 bits that holds the values of all.

    Args:
        paths: Their files.

    Returns:
        `uint8 [H, W, 3]` each, RGB.

    Raises:
        FileFormatError: A file is missing, cut off, damaged, not an image, or of a type without known white.
    """
    stored = [decode_image(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) for path in paths]
    white = guessed_white(max((int(each.values.max()) for each in stored if each.white is None), default=0))
    return tuple(
        np.asarray(cv2.cvtColor(to_8_bit(each.values, each.white or white), cv2.COLOR_BGR2RGB), np.uint8)
        for each in stored
    )


def read_mask(path: Path) -> NDArray[np.bool_]:
    """A mask stored as an image, true where it is not black.

    Returns:
        `bool [H, W]`.

    Raises:
        FileFormatError: The file is missing, cut off, damaged, not an image, or of a type without a known
            white.
    """
    return np.asarray(decode_image(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION).values != 0)


def check_sizes(arrays: Mapping[Path, NDArray[Any]]) -> None:
    """Refuse files of one sample that differ in height or width.

    Args:
        arrays: What each file holds, `[H, W, ...]`.

    Raises:
        SizeMismatchError: Names the first file, the one that differs, and both sizes.
    """
    (first, expected), *others = ((path, array.shape[:2]) for path, array in arrays.items())
    for path, size in others:
        if size != expected:
            raise SizeMismatchError(
                f"{path} has {size[0]}x{size[1]} pixels (height x width) but {first} has "
                f"{expected[0]}x{expected[1]}: files of one sample must have one size"
            )
