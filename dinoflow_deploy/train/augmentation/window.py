"""The part of a frame that a crop of the resized frame needs, one axis at a time."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class AxisWindow:
    """Pixels `start` to `stop` of a frame are resized to `size` px, of which the crop takes `length`.

    So only what the crop needs is resized. `size / (stop - start)` is the exact scale, of coordinates and of
    flow: it is the drawn one to the nearest whole size, as that of a whole resized frame would be. Against
    the grid of a whole resized frame, the crop's is shifted by less than a pixel; frames, flow and valid
    alike.

    Attributes:
        start: First pixel of the frame that is resized.
        stop: The one after the last.
        size: Pixels after the resize.
        offset: First of them in the crop.
        length: Pixels of the crop.
        flipped: Whether the crop is turned around in the end.
    """

    start: int
    stop: int
    size: int
    offset: int
    length: int
    flipped: bool

    @property
    def scale(self) -> float:
        """Pixels of the crop per pixel of the frame, exactly."""
        return self.size / (self.stop - self.start)

    @property
    def resized(self) -> bool:
        """Whether the scale is not 1."""
        return self.size != self.stop - self.start

    @property
    def source(self) -> slice:
        """What is resized."""
        return slice(self.start, self.stop)

    @property
    def crop(self) -> slice:
        """What the crop takes of it."""
        return slice(self.offset, self.offset + self.length)


def draw_window(
    size: int,
    crop: int,
    scale: float,
    generator: np.random.Generator,
    *,
    flip_probability: float = 0.0,
    margin_before: int = 0,
    margin_after: int = 0,
) -> AxisWindow:
    """A random place of the crop on one axis of the resized frame, and the part of the frame that it needs.

    Every offset can be drawn, the last one too, which RAFT leaves out by mistake (so that it cannot crop a
    frame of exactly the crop's size). Whether the frame is flipped is drawn before, as in RAFT, so that the
    margins are those of the flipped frame.

    Args:
        size: Of the frame, px.
        crop: Of the crop, px; at most ``round(size * scale)``.
        scale: The factor that was drawn.
        generator: Source of the draws.
        flip_probability: Of turning the axis around.
        margin_before: Offsets are drawn from this many px before the first on and then put inside.
        margin_after: The same after the last.
    """
    resized = size if scale == 1 else round(size * scale)
    flipped = bool(generator.random() < flip_probability)
    room = resized - crop
    offset = int(np.clip(generator.integers(-margin_before, room + margin_after, endpoint=True), 0, room))
    if flipped:
        offset = room - offset
    if resized == size:
        return AxisWindow(offset, offset + crop, crop, 0, crop, flipped)
    return place_window(size, resized, offset, crop, flipped=flipped)


def place_window(size: int, resized: int, offset: int, crop: int, *, flipped: bool = False) -> AxisWindow:
    """The window of `crop` px from `offset` on, where `size` px become `resized`."""
    scale = resized / size
    # A pixel more on either side than the crop covers: bilinear weights reach that far.
    start = max(0, math.floor(offset / scale) - 1)
    stop = min(size, math.ceil((offset + crop) / scale) + 2)
    part = max(crop, round((stop - start) * scale))
    within = min(max(0, round(offset - start * scale)), part - crop)
    return AxisWindow(start, stop, part, within, crop, flipped)
