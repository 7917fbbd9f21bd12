"""Rectangles of the second frame are covered: what is behind them is hidden there."""

import cv2
import numpy as np

from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.train.augmentation.settings import Augmentation


def erase(frame2: Image, settings: Augmentation, generator: np.random.Generator) -> Image:
    """Frame 2 with one or more rectangles of its own mean colour, or as it is.

    Flow and valid stay: the flow to a hidden place is as true as that to an occluded one. A rectangle's upper
    left corner lies anywhere in the frame, so that a part of it may lie outside.

    Args:
        frame2: `uint8 [H, W, 3]`; not changed.
        settings: Probability, number and sides of the rectangles.
        generator: Source of the draws.

    Returns:
        The frame that was passed in where nothing is erased, or a new one.
    """
    if generator.random() >= settings.eraser_probability:
        return frame2
    height, width = frame2.shape[:2]
    color = np.rint(cv2.mean(frame2)[:3]).astype(np.uint8)
    erased = frame2.copy()
    for _ in range(generator.integers(1, settings.eraser_max_rectangles, endpoint=True)):
        top, left = generator.integers(0, (height, width))
        sides = generator.integers(settings.eraser_min_side, settings.eraser_max_side, 2, endpoint=True)
        erased[top : top + sides[0], left : left + sides[1]] = color
    return erased
