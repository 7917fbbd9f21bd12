"""Pictures into a video: H.264 in mp4, or VP9 in WebM."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.system.ffmpeg_rate import ffmpeg_rate
from dinoflow_deploy.video.coarse_clock import CoarseClock
from dinoflow_deploy.video.hardware import NVENC
from dinoflow_deploy.video.picture_sink import PictureSink, named_errors
from dinoflow_deploy.video.square_pixels import made_square
from dinoflow_deploy.video.yuv import YuvConverter, YuvPicture

_BT709 = 1  # the code of ITU-R BT.709 for matrix, primaries and transfer (ISO/IEC 23091-2)
_LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG


@dataclass(frozen=True, slots=True)
class _Coding:
    """A kind of video file.

    Attributes:
        container: FFmpeg's name of the format.
        encoder: FFmpeg's name of the encoder.
        quality: Its constant rate factor by default: visually lossless on flow.
        settings: Its other options.
        quality_setting: Its name for the rate factor.
        container_settings: Those of the format.
        time_unit: Seconds per unit in which the file counts; ``None`` if it takes any.
        even: Whether sides must be even.
        square: Whether pixels must be square: PyAV does not give WebM's muxer another shape.
    """

    container: str
    encoder: str
    quality: int
    settings: Mapping[str, str]
    container_settings: Mapping[str, str] = field(default_factory=dict)
    quality_setting: str = "crf"
    time_unit: Fraction | None = None
    even: bool = False
    square: bool = False


_MP4 = _Coding(
    "mp4",
    "libx264",
    18,
    # Without the motion of 8x8 blocks, and with the smaller search, it takes 0.7 of the time; and half of the
    # adaptive quantisation, which spends on smooth parts of flow what shows nowhere. Against plain "veryfast"
    # files are as large within a tenth, and a little closer to the picture.
    {"preset": "veryfast", "partitions": "i4x4", "motion-est": "dia", "aq-strength": "0.5"},
    {"movflags": "+faststart"},
    even=True,
)
# A constant quality on NVENC's own scale, in place of a bit rate.
_NVENC = replace(_MP4, encoder=NVENC, settings={"preset": "p4", "rc": "vbr", "b": "0"}, quality_setting="cq")
_WEBM = _Coding(
    "webm",
    "libvpx-vp9",
    24,
    # Without a bit rate of 0 the rate factor is only a limit. 0 threads are as many as there are CPUs.
    {"b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1", "threads": "0"},
    time_unit=Fraction(1, 1000),
    square=True,
)


class VideoWriter(PictureSink):
    """Writes what every browser plays: VP9 in WebM where the suffix is ``.webm``, else H.264 in mp4.

    The pixels are yuv420p, tagged as ITU-R BT.709. H.264 needs even sides there: an odd width or height grows
    by repeating the last column or row. An mp4 has its index in front ("fast start") and keeps times exactly;
    WebM counts in milliseconds, and its pixels are made square. Use it as a context manager; leaving it
    completes the file.

    Args:
        path: The file.
        rate: Nominal frames per second.
        time_base: Seconds per unit of ``pts``.
        pixel_aspect: Width of a pixel divided by its height.
        quality: Constant rate factor, of x264 and NVENC (0 is the best, 51 the worst, 18 the default) or VP9
            (0 to 63, 24).
        encoder: Of H.264: ``"x264"``, which ``"auto"`` is, or ``"nvenc"``.
    """

    def __init__(
        self,
        path: Path,
        *,
        rate: Fraction,
        time_base: Fraction,
        pixel_aspect: Fraction = Fraction(1),
        quality: int | None = None,
        encoder: str = "auto",
    ) -> None:
        super().__init__()
        self._path = path
        self._coding = _coding_of(path, encoder)
        self._rate = ffmpeg_rate(rate)
        self._time_base = self._coding.time_unit or time_base
        self._clock = CoarseClock(self._rate, time_base, self._time_base)
        self._pixel_aspect = pixel_aspect
        self._quality = self._coding.quality if quality is None else quality
        self._stream: VideoStream | None = None
        self._convert = yuv_converter(path, pixel_aspect)
        self._drawn_size = (0, 0)

    def __enter__(self) -> Self:
        with named_errors(self._path):
            self._container: OutputContainer = av.open(
                str(self._path),
                "w",
                format=self._coding.container,
                options=dict(self._coding.container_settings),
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with named_errors(self._path):
            try:
                if kind is None and self._stream is not None:
                    self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()

    def write(self, picture: Image | YuvPicture, pts: int, duration: int | None = None) -> None:
        """Encode a picture, or one that :func:`yuv_converter` has converted."""
        time = self._clock.time(pts)
        if time is None:
            return
        yuv = picture if isinstance(picture, YuvPicture) else self._convert(picture)
        frame, self._drawn_size = yuv.frame, yuv.drawn
        with named_errors(self._path):
            stream = self._stream = self._stream or self._add_stream(frame)
            frame.pts, frame.time_base = time, self._time_base
            frame.duration = self._clock.rest(pts, duration)
            self._container.mux(stream.encode(frame))
        self.count += 1

    def notes(self) -> Iterator[str]:
        """What grew, and what was left out."""
        if self.size != self._drawn_size and self._coding.square:
            yield made_square("WebM", self._drawn_size, self.size)
        elif self.size != self._drawn_size:
            drawn, written = ("x".join(map(str, size)) for size in (self._drawn_size, self.size))
            yield f"H.264 needs even sides: {drawn} grew to {written}"
        left_out = self._clock.left_out
        if left_out:
            yield f"WebM counts in milliseconds: frames within the same one are left out, {left_out} here"

    def _add_stream(self, frame: VideoFrame) -> VideoStream:
        options = {self._coding.quality_setting: str(self._quality), **self._coding.settings}
        stream = self._container.add_stream(self._coding.encoder, rate=self._rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = frame.width, frame.height
        self.size = (stream.width, stream.height)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._time_base
        # An mp4 file states how long frames last in decoding order: that of the last one shown is only kept
        # where this is the order of showing too. On flow this costs 2 % of the file's size.
        context.max_b_frames = 0
        context.flags |= Flags.frame_duration.value
        context.sample_aspect_ratio = Fraction(1) if self._coding.square else self._pixel_aspect
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        return stream


def yuv_converter(path: Path, pixel_aspect: Fraction = Fraction(1)) -> YuvConverter:
    """What converts pictures for a file: a part of the work that several threads can do.

    Args:
        path: The file.
        pixel_aspect: Width of a pixel divided by its height.
    """
    coding = _coding_of(path, "auto")
    return YuvConverter(path, even=coding.even, pixel_aspect=pixel_aspect if coding.square else Fraction(1))


def _coding_of(path: Path, encoder: str) -> _Coding:
    if path.suffix.lower() == ".webm":
        return _WEBM
    return _NVENC if encoder == "nvenc" else _MP4
