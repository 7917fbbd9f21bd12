"""Every probability and range of the augmentation."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from dinoflow_deploy.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How a pair is augmented: colour, eraser, resize, flip, crop, in this order.

    The defaults are those of RAFT's ``FlowAugmentor`` (Teed and Deng, ECCV 2020, arXiv:2003.12039,
    ``core/utils/augmentor.py``), whose scripts give crop and scale for each data set: see
    :func:`dinoflow_deploy.train.augmentation.augmentation_preset`. All values are plain, so that they can
    stand in a TOML file and come back from ``to_dict``.

    Attributes:
        crop_height: Height of the result, px.
        crop_width: Width of the result, px.
        min_scale: The scale is 2 to the power of a number drawn evenly from here ...
        max_scale: ... to here.
        sparse: Labels are single measurements, as a laser's (KITTI, HD1K): each is moved to the nearest pixel
            and none is interpolated. Otherwise the flow is interpolated, as the frames are.
        brightness: Factor drawn from 1 - brightness to 1 + brightness, not below 0.
        contrast: The same for the distance from the frames' mean grey.
        saturation: The same for the distance from a pixel's own grey.
        hue: Turn of the hue drawn from -hue to hue, in full circles, 0 to 0.5.
        asymmetric_probability: Of a colour draw for each frame in place of one for both.
        eraser_probability: Of covering rectangles of frame 2 by its mean colour; flow and valid stay.
        eraser_max_rectangles: Their number is drawn from 1 to this.
        eraser_min_side: Least height and width of one, px.
        eraser_max_side: Greatest, px.
        resize_probability: Of resizing at all. A frame smaller than the crop is always resized.
        stretch_probability: Of a further factor for each axis ...
        max_stretch: ... which is 2 to the power of a number drawn from -max_stretch to max_stretch.
        size_margin: A resized frame has at least this many px more than the crop, on both axes.
        horizontal_flip_probability: Of exchanging left and right.
        vertical_flip_probability: Of exchanging top and bottom.
        crop_margin_sides: The crop's left edge is drawn from this many px outside on either side and then put
            inside, so that the edges of the frame are seen more often.
        crop_margin_bottom: The same for its upper edge, at the bottom alone.
        max_noise: Standard deviation of noise in grey levels is drawn from 0 to this, for both frames; 0 is
            off. RAFT's scripts have 5 as an option and leave it off.

    Raises:
        InputError: A value is outside its range.
    """

    crop_height: int
    crop_width: int
    min_scale: float
    max_scale: float
    sparse: bool = False
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.5 / 3.14
    asymmetric_probability: float = 0.2
    eraser_probability: float = 0.5
    eraser_max_rectangles: int = 2
    eraser_min_side: int = 50
    eraser_max_side: int = 99
    resize_probability: float = 0.8
    stretch_probability: float = 0.8
    max_stretch: float = 0.2
    size_margin: int = 8
    horizontal_flip_probability: float = 0.5
    vertical_flip_probability: float = 0.1
    crop_margin_sides: int = 0
    crop_margin_bottom: int = 0
    max_noise: float = 0.0

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in (field.name for field in dataclasses.fields(self)):
            if name.endswith("_probability"):
                self._check(name, 0, 1)
        for name in ("crop_height", "crop_width"):
            self._check(name, 16, 4096)
        self._check("min_scale", -4, 4)
        self._check("max_scale", self.min_scale, 4)
        for name in ("brightness", "contrast", "saturation"):
            self._check(name, 0, 10)
        self._check("hue", 0, 0.5)
        self._check("eraser_max_rectangles", 1, 100)
        self._check("eraser_min_side", 1, 4096)
        self._check("eraser_max_side", self.eraser_min_side, 4096)
        self._check("max_stretch", 0, 4)
        for name in ("size_margin", "crop_margin_sides", "crop_margin_bottom"):
            self._check(name, 0, 1024)
        self._check("max_noise", 0, 255)

    def to_dict(self) -> dict[str, Any]:
        """All values by name; what :func:`dinoflow_deploy.train.augmentation.read_augmentation` takes."""
        return dataclasses.asdict(self)

    def _check(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not (math.isfinite(value) and low <= value <= high):
            raise InputError(f"{name} is {value}; give a value from {low} to {high}")
