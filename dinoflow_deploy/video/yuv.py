"""RGB pictures as encoders take them."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import local

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.video.picture_sink import named_errors
from dinoflow_deploy.video.square_pixels import square_pixels


@dataclass(frozen=True, slots=True)
class YuvPicture:
    """A picture in yuv420p, ITU-R BT.709 of limited range.

    Attributes:
        frame: The picture.
        drawn: Width and height of the RGB picture that it was.
    """

    frame: VideoFrame
    drawn: tuple[int, int]


class YuvConverter:
    """Converts pictures; threads may share it.

    Args:
        path: The file that they are for, which errors name.
        even: Whether an odd width or height grows, by repeating the last column or row.
        pixel_aspect: Width of a pixel divided by its height, to be made square.
    """

    def __init__(self, path: Path, *, even: bool, pixel_aspect: Fraction = Fraction(1)) -> None:
        self._path = path
        self._even = even
        self._pixel_aspect = pixel_aspect
        self._own = local()

    def __call__(self, picture: Image) -> YuvPicture:
        """Convert a picture.

        Args:
            picture: ``uint8 [H, W, 3]``.

        Raises:
            VideoError: FFmpeg failed.
        """
        drawn = (picture.shape[1], picture.shape[0])
        picture = square_pixels(picture, self._pixel_aspect)
        if self._even:
            picture = _even(picture)
        with named_errors(self._path):
            # The picture's own memory, which nothing holds on to when it is converted.
            rgb = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(picture), format="rgb24")
            frame = self._reformatter.reformat(
                rgb, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
        return YuvPicture(frame, drawn)

    @property
    def _reformatter(self) -> VideoReformatter:
        """FFmpeg's, of this thread: it keeps what it has set up for the last size."""
        if not hasattr(self._own, "reformatter"):
            self._own.reformatter = VideoReformatter()
        reformatter: VideoReformatter = self._own.reformatter
        return reformatter


def _even(picture: Image) -> Image:
    height, width = picture.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return picture
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
