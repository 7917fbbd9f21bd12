"""Video files and network streams, decoded by FFmpeg through PyAV."""

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.codec.hwaccel import HWAccel
from av.container import Flags, InputContainer
from av.format import Flags as FormatFlags
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dinoflow_deploy.errors import InputError, VideoError
from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.video.completeness import Completeness
from dinoflow_deploy.video.filters import Deinterlacer
from dinoflow_deploy.video.frame_source import Frame, FrameSource, Selection, fitted_size, rate_of_its_own
from dinoflow_deploy.video.hardware import gpu_decoder
from dinoflow_deploy.video.images import FASTEST_RATE
from dinoflow_deploy.video.orientation import turns_on_its_side, upright
from dinoflow_deploy.video.rgb import RgbConverter
from dinoflow_deploy.video.timestamps import BestEffort, Timestamps
from dinoflow_deploy.video.video_streams import choose_stream

NETWORK_TIMEOUT = 10.0
"""Seconds without data after which a network stream counts as ended."""

_FALLBACK_RATE = Fraction(25)


class VideoSource(FrameSource):
    """A video file or a network stream.

    Frames are upright and keep their timestamps, which are FFmpeg's best estimate. Bare streams of a codec
    (``.h264``, ``.hevc``, ``.m2v``, ``.mjpeg``, ...) hold none: their frames come at ``rate``, or as FFmpeg
    guesses. Of several video streams, the one marked as default is read, or FFmpeg's own choice. Video of
    high dynamic range is tone-mapped to BT.709. Where the size changes in the middle, later frames are scaled
    to the size of the first one. Sound is not decoded. :attr:`notes` tells of each of these.

    Args:
        address: A path, or an address that FFmpeg understands (``rtsp://``, ``http://``, ...).
        name: What the user called it.
        rate: Frames per second of a source that holds no times.
        max_side: Shrink frames to at most this many pixels on the longer side.
        live: Whether frames arrive at their own pace.
        deinterlace: ``"auto"`` deinterlaces frames that are marked as interlaced, ``"on"`` all, ``"off"``
            none; each gives one frame.
        decoder: ``"cpu"``, which ``"auto"`` is, or ``"cuda"`` for an NVIDIA GPU's NVDEC.

    Raises:
        VideoError: It cannot be opened, or holds no video, or none that the GPU decodes.
        InputError: ``rate`` is given for a source that holds times, there is no such ``deinterlace`` or
            ``decoder``, or no GPU.
    """

    def __init__(
        self,
        address: str,
        *,
        name: str,
        rate: Fraction | None = None,
        max_side: int | None = None,
        live: bool = False,
        deinterlace: str = "auto",
        decoder: str = "auto",
    ) -> None:
        gpu = gpu_decoder(decoder)
        self._container = _open(address, name, gpu)
        try:
            self._stream, other_streams = choose_stream(self._container, name)
            self._on_gpu = gpu is not None
            if self._on_gpu and not self._stream.codec_context.is_hwaccel:
                raise self._not_by_gpu(name)
            self._timed = _holds_times(self._container)
            nominal = _nominal_rate(self._stream, self._timed)
            if rate is not None and self._timed:
                raise rate_of_its_own(name, nominal)
            time_base = self._stream.time_base if rate is None else 1 / rate
            super().__init__(name, rate=rate or nominal, time_base=time_base or 1 / nominal, live=live)
            self._deinterlacer = Deinterlacer(deinterlace, self.time_base)
        except (VideoError, InputError):
            self._container.close()
            raise
        if "://" not in address:
            self.files = [Path(address)]
        # Frames in parallel, not only slices of one.
        self._stream.thread_type = "AUTO"
        self._rate_is_given = rate is not None
        self._max_side = max_side
        self._size: tuple[int, int] | None = None
        self._changed_size = False
        self._damaged = 0
        self._rgb = RgbConverter()
        file = self.files[0] if self.files else None
        self._completeness = None if live else Completeness(self._container, self._stream, self.rate, file)
        self.count = None if self._completeness is None else self._completeness.count
        if other_streams is not None:
            self.notes.append(other_streams)
        if not self._timed and rate is None:
            self.notes.append(
                f"{name} holds no times: {float(nominal):.4g} fps is FFmpeg's guess; fps sets another rate"
            )
        if self._container.streams.audio:
            self.notes.append("the sound track is not copied: the output is silent")

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Give the selected frames; only these are converted to RGB."""
        timestamps = Timestamps(1 / self.rate, self.time_base)
        pictures = self._deinterlacer.apply(self._pictures(timestamps))
        first: int | None = None
        try:
            for index, picture in selection.of(enumerate(self.until_stopped(pictures))):
                time = picture.pts or 0
                first = time if first is None else first
                yield Frame(index, self._to_rgb(index, picture), time - first)
        finally:
            self._add_notes(timestamps)
            self.close()
        if self._on_gpu and self._damaged and first is None:
            raise self._not_by_gpu(self.name)
        if self._damaged and not self.live:
            self._add_damage(f"{self._damaged} damaged frame(s) left out")

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _pictures(self, timestamps: Timestamps) -> Iterator[VideoFrame]:
        """All frames, stamped in units of :attr:`time_base`."""
        best_effort = BestEffort()
        for packet in self._packets():
            if packet.stream.index != self._stream.index:
                continue
            try:
                pictures = self._stream.decode(packet)
            except av.error.FFmpegError:
                self._damaged += 1
                continue
            for picture in pictures:
                known = best_effort.next(picture.pts, picture.dts)
                picture.pts = timestamps.next(None if self._rate_is_given else known)
                if picture.is_corrupt:
                    self._damaged += 1
                else:
                    yield picture

    def _packets(self) -> "Iterator[Packet[Stream]]":
        try:
            for packet in self._container.demux():
                if self._completeness is not None:
                    self._completeness.add(packet)
                yield packet
        except av.error.FFmpegError as error:
            self._add_damage(f"reading stopped: {error.strerror}")
            return
        missing = None if self._completeness is None else self._completeness.missing()
        if missing is not None:
            self._add_damage(missing)

    def _not_by_gpu(self, name: str) -> VideoError:
        codec = self._stream.codec_context
        return VideoError(
            f"{name} holds {codec.name} of {codec.width}x{codec.height}, of a kind that the GPU does not "
            "decode: choose decoder 'cpu'"
        )

    def _add_damage(self, reason: str) -> None:
        self.damage = f"{self.damage}; {reason}" if self.damage else reason

    def _add_notes(self, timestamps: Timestamps) -> None:
        """What is known when frames were read."""
        faults = {"have no time": timestamps.missing, "have a time that goes back": timestamps.backward}
        self.notes += [
            f"{count} frame(s) {fault}: each follows the one before as at {float(self.rate):.4g} fps"
            for fault, count in faults.items()
            if count and self._timed
        ]
        self.notes += [note for note in (self._rgb.note, self._deinterlacer.note()) if note is not None]

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
            return upright(self._rgb.convert(picture, self._size), display_matrix)
        except (av.error.FFmpegError, ValueError) as error:
            raise VideoError(f"frame {index} of {self.name} cannot be converted to RGB: {error}") from error

    def _upright_pixel_aspect(self, display_matrix: bytes | None) -> Fraction:
        aspect = self._stream.sample_aspect_ratio or Fraction(1)
        return 1 / aspect if turns_on_its_side(display_matrix) else aspect


def _open(address: str, name: str, gpu: HWAccel | None) -> InputContainer:
    options = {"rtsp_transport": "tcp"}
    try:
        container = av.open(address, options=options, timeout=NETWORK_TIMEOUT, hwaccel=gpu)
    except (av.error.InvalidDataError, av.error.EOFError):
        raise VideoError(
            f"{name} is not a video that FFmpeg can read, or its header is damaged or cut off "
            "(an unfinished mp4 has no index)"
        ) from None
    except InterruptedError:  # Ctrl-C while a pipe was waited for
        raise KeyboardInterrupt from None
    except av.error.FFmpegError as error:
        raise VideoError(f"{name} cannot be opened: {error.strerror}") from error
    except RuntimeError:
        if gpu is None:
            raise
        # PyAV's, where it decodes none of the streams.
        raise VideoError(f"{name} holds no codec that the GPU decodes: choose decoder 'cpu'") from None
    # PyAV asks for presentation times made up from decoding times; they are wrong for H.264 in AVI.
    container.flags &= ~cast(int, Flags.gen_pts.value)
    return container


def _holds_times(container: InputContainer) -> bool:
    """Whether frames carry times; FFmpeg makes them up for bare streams and for pictures in a row."""
    kind = container.format
    return not kind.flags & cast(int, FormatFlags.no_timestamps.value) and not kind.name.endswith("_pipe")


def _nominal_rate(stream: VideoStream, timed: bool) -> Fraction:
    """Frames per second: as measured when times are known, else as the codec's own header says."""
    known = (stream.average_rate, stream.guessed_rate)
    measured, guessed = (None if _is_of_clock(rate, stream) else rate for rate in known)
    return (measured or guessed if timed else guessed or measured) or _FALLBACK_RATE


def _is_of_clock(rate: Fraction | None, stream: VideoStream) -> bool:
    """Whether FFmpeg knew no rate and took each tick of a fine clock for a frame (raw DV, some APNG)."""
    return rate is not None and rate > FASTEST_RATE and rate * (stream.time_base or 0) == 1
