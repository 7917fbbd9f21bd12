"""Video files and network streams, decoded by FFmpeg through PyAV."""

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.video.frame_source import Frame, FrameSource, Image, Selection, fitted_size
from dinoflow_deploy.video.orientation import turns_on_its_side, upright
from dinoflow_deploy.video.timestamps import Timestamps

NETWORK_TIMEOUT = 10.0
"""Seconds without data after which a network stream counts as ended."""

_FALLBACK_RATE = Fraction(25)
_MICROSECOND = Fraction(1, 1_000_000)
_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
_HIGH_DEFINITION = 720  # rows from which untagged video is ITU-R BT.709 by convention, BT.601 below

# Formats whose header says how long the file should be; others are guessed from the file's end.
_FORMATS_WITH_DURATION = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi")


class VideoSource(FrameSource):
    """A video file or a network stream.

    Frames are upright and keep their timestamps. Where the size changes in the middle, later frames are
    scaled to the size of the first one. Sound is not decoded.

    Args:
        address: A path, or an address that FFmpeg understands (``rtsp://``, ``http://``, ...).
        name: What the user called it.
        max_side: Shrink frames to at most this many pixels on the longer side.
        live: Whether frames arrive at their own pace.

    Raises:
        VideoError: It cannot be opened, or holds no video.
    """

    def __init__(self, address: str, *, name: str, max_side: int | None = None, live: bool = False) -> None:
        self._container = _open(address, name)
        try:
            self._stream = _video_stream(self._container, name)
        except VideoError:
            self._container.close()
            raise
        rate = self._stream.average_rate or self._stream.guessed_rate or _FALLBACK_RATE
        super().__init__(name, rate=rate, time_base=self._stream.time_base or 1 / rate, live=live)
        if "://" not in address:
            self.files = [Path(address)]
        # Frames in parallel, not only slices of one.
        self._stream.thread_type = "AUTO"
        self._max_side = max_side
        self._size: tuple[int, int] | None = None
        self._changed_size = False
        self._damaged = 0
        self._duration = self._stated_duration()
        self.count = self._stated_count()
        if self._container.streams.audio:
            self.notes.append("the sound track is not copied: the output is silent")

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Give the selected frames; only these are converted to RGB."""
        timestamps = Timestamps(1 / self.rate, self.time_base)
        timed = ((picture, timestamps.next(picture.pts)) for picture in self._pictures())
        first: int | None = None
        try:
            for index, (picture, time) in selection.of(enumerate(self.until_stopped(timed))):
                first = time if first is None else first
                yield Frame(index, self._to_rgb(index, picture), time - first)
        finally:
            self.close()
        if self._damaged and not self.live:
            self._add_damage(f"{self._damaged} damaged frame(s) left out")

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _pictures(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            if packet.stream.index != self._stream.index:
                continue
            try:
                pictures = self._stream.decode(packet)
            except av.error.FFmpegError:
                self._damaged += 1
                continue
            for picture in pictures:
                if picture.is_corrupt:
                    self._damaged += 1
                else:
                    yield picture

    def _packets(self) -> "Iterator[Packet[Stream]]":
        """All packets, the sound's too: only together do they show whether the file is whole."""
        reached = Fraction(0)
        try:
            for packet in self._container.demux():
                if packet.pts is not None and packet.time_base is not None:
                    reached = max(reached, (packet.pts + (packet.duration or 0)) * packet.time_base)
                yield packet
        except av.error.FFmpegError as error:
            self._add_damage(f"reading stopped: {error.strerror}")
            return
        reached -= (self._container.start_time or 0) * _MICROSECOND
        if self._duration is not None and reached < self._duration - 2 / self.rate - Fraction(1, 10):
            self._add_damage(f"it ends after {float(reached):.2f} s of {float(self._duration):.2f} s")

    def _add_damage(self, reason: str) -> None:
        self.damage = f"{self.damage}; {reason}" if self.damage else reason

    def _stated_duration(self) -> Fraction | None:
        """Seconds that the file says it lasts."""
        container = self._container
        if self.live or container.format.name not in _FORMATS_WITH_DURATION or container.duration is None:
            return None
        duration = container.duration * _MICROSECOND
        if container.format.name == "avi":
            # FFmpeg shortens the duration of a truncated AVI file; the number of frames stays.
            duration = max(duration, self._stream.frames / self.rate)
        return duration

    def _stated_count(self) -> int | None:
        if self.live:
            return None
        if self._stream.frames:
            return self._stream.frames
        duration = self._container.duration
        return None if duration is None else round(duration * _MICROSECOND * self.rate)

    def _to_rgb(self, index: int, picture: VideoFrame) -> Image:
        matrix = picture.side_data.get("DISPLAYMATRIX")
        display_matrix = None if matrix is None else bytes(cast(Any, matrix))
        if self._size is None:
            self._size = fitted_size(picture.width, picture.height, self._max_side)
            self._stored_size = (picture.width, picture.height)
            self.pixel_aspect = self._upright_pixel_aspect(display_matrix)
        elif (picture.width, picture.height) != self._stored_size and not self._changed_size:
            self._changed_size = True
            self.notes.append(
                f"the frame size changes from {self._stored_size[0]}x{self._stored_size[1]} to "
                f"{picture.width}x{picture.height} at frame {index}: later frames are scaled to the first"
            )
        try:
            return upright(_convert(picture, self._size), display_matrix)
        except (av.error.FFmpegError, ValueError) as error:
            raise VideoError(f"frame {index} of {self.name} cannot be converted to RGB: {error}") from error

    def _upright_pixel_aspect(self, display_matrix: bytes | None) -> Fraction:
        aspect = self._stream.sample_aspect_ratio or Fraction(1)
        return 1 / aspect if turns_on_its_side(display_matrix) else aspect


def _open(address: str, name: str) -> InputContainer:
    try:
        return av.open(address, options={"rtsp_transport": "tcp"}, timeout=NETWORK_TIMEOUT)
    except (av.error.InvalidDataError, av.error.EOFError):
        raise VideoError(
            f"{name} is not a video that FFmpeg can read, or its header is damaged or cut off "
            "(an unfinished mp4 has no index)"
        ) from None
    except InterruptedError:  # Ctrl-C while a pipe was waited for
        raise KeyboardInterrupt from None
    except av.error.FFmpegError as error:
        raise VideoError(f"{name} cannot be opened: {error.strerror}") from error


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    streams = [
        stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise VideoError(f"{name} has no video stream (it holds: {kinds})")
    if streams[0].codec_context is None or not streams[0].codec_context.width:
        raise VideoError(
            f"{name} cannot be decoded: its header is damaged, or its codec is not known to FFmpeg"
        )
    return streams[0]


def _convert(picture: VideoFrame, size: tuple[int, int]) -> Image:
    """RGB at ``size`` (width, height)."""
    scaled = (picture.width, picture.height) != size
    untagged = picture.colorspace == _UNSPECIFIED and picture.height >= _HIGH_DEFINITION
    rgb = picture.reformat(
        *size,
        format="rgb24",
        src_colorspace="ITU709" if untagged else None,
        interpolation="AREA" if scaled else None,
    )
    return np.asarray(rgb.to_ndarray(), np.uint8)
