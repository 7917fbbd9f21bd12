"""Random brightness, contrast, saturation and hue, as torchvision's ``ColorJitter`` has them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.train.augmentation.settings import Augmentation

_LEVELS = np.arange(256, dtype=np.float64)
# ITU-R 601-2, as Pillow, OpenCV and torchvision take it.
_GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, slots=True)
class Jitter:
    """One draw of the four adjustments.

    Attributes:
        order: The names of the other attributes, in the order in which they are applied.
        brightness: Factor of every level.
        contrast: Factor of the distance from the mean grey of the frames.
        saturation: Factor of the distance of a pixel from its own grey.
        hue: Turn of the hue in full circles.
    """

    order: tuple[str, ...]
    brightness: float
    contrast: float
    saturation: float
    hue: float


def jitter_pair(
    frame1: Image, frame2: Image, settings: Augmentation, generator: np.random.Generator
) -> tuple[Image, Image]:
    """Both frames in new colours, by one draw or, at times, by one for each.

    One draw for both takes its mean grey from both, as RAFT does, which stacks them.

    Whole frames, before the crop: the mean, and so the contrast, is that of what the camera saw. Taking it
    of the crop would be a little faster and another augmentation.

    Args:
        frame1: `uint8 [H, W, 3]`, RGB.
        frame2: The same.
        settings: Strengths, and the probability of two draws.
        generator: Source of the draws.

    Returns:
        The frames; those that were passed in where nothing changes.
    """
    if generator.random() < settings.asymmetric_probability:
        (frame1,) = apply_jitter([frame1], draw_jitter(settings, generator))
        (frame2,) = apply_jitter([frame2], draw_jitter(settings, generator))
    else:
        frame1, frame2 = apply_jitter([frame1, frame2], draw_jitter(settings, generator))
    return frame1, frame2


def draw_jitter(settings: Augmentation, generator: np.random.Generator) -> Jitter:
    """Random factors in random order; an adjustment of strength 0 is left out."""
    factors = {}
    for name in ("brightness", "contrast", "saturation"):
        strength = getattr(settings, name)
        factors[name] = generator.uniform(max(0.0, 1 - strength), 1 + strength)
    factors["hue"] = generator.uniform(-settings.hue, settings.hue)
    names = [list(factors)[place] for place in generator.permutation(len(factors))]
    return Jitter(tuple(name for name in names if getattr(settings, name)), **factors)


def apply_jitter(frames: Sequence[Image], jitter: Jitter) -> list[Image]:
    """Adjusted frames, rounded to whole levels after each adjustment; the mean grey is that of all frames."""
    adjusted = list(frames)
    for name in jitter.order:
        if name == "brightness":
            table = _table(_LEVELS * jitter.brightness)
            adjusted = [_look_up(frame, table) for frame in adjusted]
        elif name == "contrast":
            mean = _mean_grey(adjusted)
            table = _table(mean + (_LEVELS - mean) * jitter.contrast)
            adjusted = [_look_up(frame, table) for frame in adjusted]
        elif name == "saturation":
            adjusted = [_saturated(frame, jitter.saturation) for frame in adjusted]
        else:
            adjusted = [_hue_turned(frame, jitter.hue) for frame in adjusted]
    return adjusted


def _mean_grey(frames: Sequence[Image]) -> float:
    pixels = sum(frame.size // 3 for frame in frames)
    return sum(float(_GREY @ cv2.mean(frame)[:3]) * (frame.size // 3) / pixels for frame in frames)


def _table(levels: NDArray[np.float64]) -> Image:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _look_up(frame: Image, table: Image) -> Image:
    return np.asarray(cv2.LUT(frame, table), np.uint8)


def _saturated(frame: Image, factor: float) -> Image:
    """``grey + factor * (pixel - grey)``, one matrix for the three channels."""
    matrix = factor * np.eye(3) + (1 - factor) * np.tile(_GREY, (3, 1))
    return np.asarray(cv2.transform(frame, matrix), np.uint8)


def _hue_turned(frame: Image, turn: float) -> Image:
    """Through HSV with a hue of 256 steps, as Pillow's, which torchvision uses for images."""
    hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV_FULL)
    # In whole steps; the sum of unsigned bytes wraps around, as a hue does.
    hsv[..., 0] += np.uint8(round(turn * 256) % 256)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL), np.uint8)
