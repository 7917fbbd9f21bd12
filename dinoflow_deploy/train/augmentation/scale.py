"""How much a pair is enlarged, and how often the crop's size decides that."""

from dataclasses import dataclass

import numpy as np

from dinoflow_deploy.train.augmentation.settings import Augmentation


@dataclass(frozen=True, slots=True)
class Scale:
    """One draw.

    Attributes:
        x: Factor of the width.
        y: Factor of the height.
        common: The factor before stretching and before any limit.
        least: The limit that the crop sets: no resized axis may have a smaller factor.
        resized: Whether the draw said so.
        forced: Whether the draw said no, and the frame is resized because it is smaller than the crop.
    """

    x: float
    y: float
    common: float
    least: float
    resized: bool
    forced: bool


def draw_scale(settings: Augmentation, height: int, width: int, generator: np.random.Generator) -> Scale:
    """Random factors for a frame of a size.

    As RAFT: a common factor, at times a stretch of each axis, both limited below by the larger of
    (crop + margin) / size of the axes, and at times no resize at all. Unlike RAFT, whose crop then fails, a
    frame smaller than the crop on any axis is resized by the limit even where the draw says no resize: 384
    rows of FlyingChairs under a crop of 512. The alternative, filling up with invalid pixels, would train on
    frames that are a quarter empty.

    Args:
        settings: Ranges and probabilities.
        height: Of the frame, px.
        width: Of the frame, px.
        generator: Source of the draws.
    """
    margin = settings.size_margin
    least = max((settings.crop_height + margin) / height, (settings.crop_width + margin) / width)
    common = float(2 ** generator.uniform(settings.min_scale, settings.max_scale))
    x = y = common
    if generator.random() < settings.stretch_probability:
        stretch = 2 ** generator.uniform(-settings.max_stretch, settings.max_stretch, 2)
        x, y = common * float(stretch[0]), common * float(stretch[1])
    resized = bool(generator.random() < settings.resize_probability)
    smaller = height < settings.crop_height or width < settings.crop_width
    if resized:
        x, y = max(x, least), max(y, least)
    else:
        x = y = least if smaller else 1.0
    return Scale(x, y, common, least, resized, forced=smaller and not resized)


@dataclass(frozen=True, slots=True)
class ClippedShares:
    """Shares of draws, each from 0 to 1.

    Attributes:
        least: The limit, a factor.
        common: The common factor, before stretching, is below the limit.
        any_axis: A resized pair has an axis at the limit.
        both_axes: A resized pair has both.
        forced: The draw said no resize, and the frame is smaller than the crop.
        decided: The crop's size decided a factor in any of these ways.
    """

    least: float
    common: float
    any_axis: float
    both_axes: float
    forced: float
    decided: float


def clipped_shares(
    settings: Augmentation, height: int, width: int, draws: int, generator: np.random.Generator
) -> ClippedShares:
    """How often the crop's size, not the draw, decides the scale of frames of a size."""
    scales = [draw_scale(settings, height, width, generator) for _ in range(draws)]
    at_limit = [
        (scale.resized and scale.x == scale.least, scale.resized and scale.y == scale.least)
        for scale in scales
    ]
    any_axis = sum(x or y for x, y in at_limit) / draws
    forced = sum(scale.forced for scale in scales) / draws
    return ClippedShares(
        least=scales[0].least,
        common=sum(scale.common < scale.least for scale in scales) / draws,
        any_axis=any_axis,
        both_axes=sum(x and y for x, y in at_limit) / draws,
        forced=forced,
        decided=any_axis + forced,
    )
