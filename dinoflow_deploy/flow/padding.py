"""Where an image lies in the larger size that a model takes, and its output cut back to the image."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dinoflow_deploy.errors import InputError

_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Padding:
    """Rows and columns to add around images of one size, up to another size.

    What is added is split between both sides, an odd row or column going to the bottom or right (as RAFT's
    ``InputPadder`` in mode "sintel").

    Attributes:
        height: Height of the original images in pixels, at least 1.
        width: Width of the original images in pixels, at least 1.
        padded_height: Height after padding, at least ``height``.
        padded_width: Width after padding, at least ``width``.

    Raises:
        InputError: The original size is empty, or larger than the padded size.
    """

    height: int
    width: int
    padded_height: int
    padded_width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise InputError(f"an image of {self.height}x{self.width} pixels is empty: it needs at least 1x1")
        if self.padded_height < self.height or self.padded_width < self.width:
            raise InputError(
                f"an image of {self.height}x{self.width} pixels (height x width) does not fit in "
                f"{self.padded_height}x{self.padded_width}: make the image smaller"
            )

    @property
    def top(self) -> int:
        """Rows added above the image."""
        return (self.padded_height - self.height) // 2

    @property
    def left(self) -> int:
        """Columns added left of the image."""
        return (self.padded_width - self.width) // 2

    def crop(self, array: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
        """Cut the original region out of a padded array.

        Args:
            array: ``[..., padded_height, padded_width]``, for instance flow ``[B, 2, H, W]``.

        Returns:
            ``[..., height, width]``, a view of ``array``.

        Raises:
            InputError: The last two axes are not ``padded_height, padded_width``.
        """
        if array.shape[-2:] != (self.padded_height, self.padded_width):
            raise InputError(
                f"an array of shape {array.shape} does not end in height {self.padded_height} and width "
                f"{self.padded_width}: pass an array laid out as [..., H, W], of the size this padding was "
                "made for"
            )
        return array[..., self.top : self.top + self.height, self.left : self.left + self.width]
