"""Pictures for files that cannot say that pixels are wider or higher than square."""

from fractions import Fraction

import cv2
import numpy as np

from dinoflow_deploy.flow.arrays import Image


def square_pixels(picture: Image, aspect: Fraction) -> Image:
    """The picture as it is meant to look on square pixels: wider, or else higher.

    Args:
        picture: ``uint8 [H, W, 3]``.
        aspect: Width of its pixels divided by their height.
    """
    if aspect == 1:
        return picture
    height, width = picture.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def made_square(kind: str, drawn: tuple[int, int], written: tuple[int, int]) -> str:
    """What to say of it: the kind of file, and the widths and heights."""
    before, after = ("x".join(map(str, size)) for size in (drawn, written))
    return f"{kind} is written with square pixels: {before} became {after}"
