"""Pictures into a file: H.264 in mp4, or one PNG."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.stream import VideoStream

from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.video.frame_source import Image

VISUALLY_LOSSLESS = 18
"""Default quality (x264's constant rate factor; 0 is lossless, 51 the worst)."""

_BT709 = 1  # the code of ITU-R BT.709 for matrix, primaries and transfer (ISO/IEC 23091-2)
_LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG
_LARGEST_TERM = 2**30  # FFmpeg's fractions are of two int32


class PictureSink(ABC):
    """Takes pictures of one size, RGB.

    Attributes:
        size: Width and height of what is in the file, in pixels; known after the first picture.
    """

    size = (0, 0)

    @abstractmethod
    def write(self, picture: Image, pts: int, duration: int | None = None) -> None:
        """Add a picture.

        Args:
            picture: ``uint8 [H, W, 3]``.
            pts: When it is shown, in units of the time base; larger than the last one.
            duration: How long it is shown if no other follows; ``None`` for the nominal interval.

        Raises:
            VideoError: It cannot be written.
        """


class VideoWriter(PictureSink):
    """Writes H.264, yuv420p, with its index in front ("fast start"), which every browser plays.

    yuv420p needs even sides: an odd width or height grows by repeating the last column or row. Use it as a
    context manager; leaving it completes the file.

    Args:
        path: The mp4 file.
        rate: Nominal frames per second.
        time_base: Seconds per unit of ``pts``.
        pixel_aspect: Width of a pixel divided by its height.
        quality: x264's constant rate factor.
    """

    def __init__(
        self,
        path: Path,
        *,
        rate: Fraction,
        time_base: Fraction,
        pixel_aspect: Fraction = Fraction(1),
        quality: int = VISUALLY_LOSSLESS,
    ) -> None:
        self._path = path
        self._rate = _limited(rate)
        self._time_base = time_base
        self._pixel_aspect = pixel_aspect
        self._quality = quality
        self._stream: VideoStream | None = None

    def __enter__(self) -> "VideoWriter":
        with self._errors():
            self._container: OutputContainer = av.open(
                str(self._path), "w", format="mp4", options={"movflags": "+faststart"}
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        with self._errors():
            try:
                if kind is None and self._stream is not None:
                    self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()

    def write(self, picture: Image, pts: int, duration: int | None = None) -> None:
        """Encode a picture."""
        picture = _even(picture)
        with self._errors():
            stream = self._stream = self._stream or self._add_stream(picture)
            rgb = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = rgb.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts, frame.time_base = pts, self._time_base
            frame.duration = duration or max(1, round(1 / (self._rate * self._time_base)))
            self._container.mux(stream.encode(frame))

    def _add_stream(self, picture: Image) -> VideoStream:
        options = {"crf": str(self._quality), "preset": "veryfast"}
        stream = self._container.add_stream("libx264", rate=self._rate, options=options)
        stream.height, stream.width = picture.shape[:2]
        self.size = (stream.width, stream.height)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._time_base
        # An mp4 file states how long frames last in decoding order: that of the last one shown is only kept
        # where this is the order of showing too. On flow this costs 2 % of the file's size.
        context.max_b_frames = 0
        context.flags |= Flags.frame_duration.value
        context.sample_aspect_ratio = self._pixel_aspect
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        return stream

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except av.error.FFmpegError as error:
            raise VideoError(f"{self._path} cannot be written: {error.strerror}") from error


class PngWriter(PictureSink):
    """Writes a single picture.

    Args:
        path: The PNG file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, picture: Image, pts: int, duration: int | None = None) -> None:
        """Write the picture."""
        self.size = (picture.shape[1], picture.shape[0])
        # Not imwrite, which crashes on a path that is no text.
        self._path.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())


def _limited(rate: Fraction) -> Fraction:
    """The nearest rate that FFmpeg can hold: the rates of variable ones are odd fractions."""
    limited = rate.limit_denominator(int(_LARGEST_TERM / max(rate, Fraction(1))))
    return max(limited, Fraction(1, _LARGEST_TERM))


def _even(picture: Image) -> Image:
    height, width = picture.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return picture
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
