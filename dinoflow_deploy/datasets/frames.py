"""Read the images of a data set as stored: whole, or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.errors import SizeMismatchError
from dinoflow_deploy.image_files import decode_image


def read_frame(path: Path) -> NDArray[np.uint8]:
    """One frame; a grey image gets three equal channels. Not turned, whatever its EXIF data says.

    Returns:
        `uint8 [H, W, 3]`, RGB.

    Raises:
        FileFormatError: The file is missing, cut off, damaged or not an image.
    """
    image = decode_image(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """A mask stored as an image, true where it is not black.

    Returns:
        `bool [H, W]`.

    Raises:
        FileFormatError: The file is missing, cut off, damaged or not an image.
    """
    return np.asarray(decode_image(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION) != 0)


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
