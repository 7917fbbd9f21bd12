"""The sizes that an engine takes, and how a frame is padded to one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from dinoflow_deploy.errors import InputError

if TYPE_CHECKING:
    from dinoflow_deploy.flow.padding import Padding

STRIDE: Final = 16
"""Height and width of the model's input are multiples of this: the patch size of its backbone."""
MINIMUM_SIDE: Final = 64
"""Smaller frames are padded to this side, by engines that set no limit of their own as by exported files."""
SMALLEST_FRAME: Final = 16
"""Frames with a shorter side than this are refused."""


@dataclass(frozen=True, slots=True)
class AxisRange:
    """The lengths that one axis may have.

    Attributes:
        min: Least length, at least 1.
        opt: Length that the engine is tuned for.
        max: Greatest length; ``None`` where only memory limits it.
    """

    min: int
    opt: int
    max: int | None

    def __post_init__(self) -> None:
        if not 1 <= self.min <= self.opt or (self.max is not None and self.opt > self.max):
            raise InputError(
                f"a range of min {self.min}, opt {self.opt}, max {self.max} is empty: "
                "it needs 1 <= min <= opt <= max"
            )

    @classmethod
    def fixed(cls, length: int) -> "AxisRange":
        """The range of an axis that has one length only."""
        return cls(length, length, length)

    @property
    def is_static(self) -> bool:
        """Whether only one length is taken."""
        return self.min == self.max

    def holds(self, length: int) -> bool:
        """Whether an axis of that length is within the range."""
        return self.min <= length <= (self.max or length)

    def __str__(self) -> str:
        if self.is_static:
            return str(self.min)
        return f"{self.min}..{'any' if self.max is None else self.max}"


@dataclass(frozen=True, slots=True)
class InputRange:
    """The input shapes that an engine takes: ``[batch, 3, height, width]``.

    Attributes:
        batch: Pairs in one call of the model.
        height: Height in pixels, limits in multiples of 16.
        width: Width in pixels, limits in multiples of 16.
    """

    batch: AxisRange
    height: AxisRange
    width: AxisRange

    def __post_init__(self) -> None:
        for name, axis in self.sides.items():
            for side in (axis.min, axis.opt, axis.max or STRIDE):
                if side % STRIDE:
                    raise InputError(f"a {name} of {side} is not a multiple of {STRIDE}: round it up")

    @classmethod
    def unlimited(cls) -> "InputRange":
        """Any batch and any size from 64x64: what a model without fixed shapes takes."""
        side = AxisRange(MINIMUM_SIDE, 512, None)
        return cls(AxisRange(1, 1, None), side, side)

    @property
    def sides(self) -> Mapping[str, AxisRange]:
        """Height and width by name."""
        return MappingProxyType({"height": self.height, "width": self.width})

    @property
    def is_static(self) -> bool:
        """Whether only one shape is taken."""
        return all(axis.is_static for axis in (self.batch, self.height, self.width))

    def holds(self, batch: int, height: int, width: int) -> bool:
        """Whether images of that shape are within the range."""
        return self.batch.holds(batch) and self.height.holds(height) and self.width.holds(width)

    def padding(self, height: int, width: int) -> "Padding":
        """How a frame is padded to a size that the engine takes.

        Args:
            height: Height of the frame in pixels.
            width: Width of the frame in pixels.

        Returns:
            Padding to the next multiple of 16 within the range, which for a static axis is its one length.

        Raises:
            InputError: A side is shorter than 16 pixels or longer than the range.
        """
        # Not above: whoever only describes shapes needs no NumPy.
        from dinoflow_deploy.flow.padding import Padding

        padded = {}
        for (name, axis), side in zip(self.sides.items(), (height, width), strict=True):
            if side < SMALLEST_FRAME:
                raise InputError(
                    f"frames of {height}x{width} pixels (height x width) are too small: "
                    f"each side needs at least {SMALLEST_FRAME} pixels"
                )
            if axis.max is not None and side > axis.max:
                raise InputError(
                    f"frames of {height}x{width} pixels (height x width) are too large for this engine, "
                    f"whose {name} is {axis}: {self.resize_advice(height, width)}, or export the model again "
                    "with a larger size"
                )
            padded[name] = max(-(-side // STRIDE) * STRIDE, axis.min)
        return Padding(height, width, padded["height"], padded["width"])

    def resize_advice(self, height: int, width: int) -> str:
        """How frames that are too large come within the range, as part of a sentence.

        Args:
            height: Height of the frames in pixels.
            width: Their width.
        """
        limits = ((self.height.max or height, height), (self.width.max or width, width))
        longest = int(max(height, width) * min(1.0, *(most / side for most, side in limits)))
        return f"resize the frames (video: --max-side {longest // 2 * 2})"

    def __str__(self) -> str:
        return f"batch {self.batch}, height {self.height}, width {self.width}"
