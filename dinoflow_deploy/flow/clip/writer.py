"""Writes the flow of a clip as a video file."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import av
import numpy.typing as npt
from av.container import OutputContainer
from av.video.stream import VideoStream

from dinoflow_deploy.atomic import atomic_file, check_file
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow.arrays import Mask, as_flow
from dinoflow_deploy.flow.clip.layout import CODEC, PIXEL_FORMAT, SUFFIX, ClipTags, to_picture
from dinoflow_deploy.system.ffmpeg_rate import ffmpeg_rate

_MILLISECOND: Final = Fraction(1, 1000)
_RATE: Final = Fraction(25)
_LATEST: Final = 2**31
"""Seconds up to which times are exact to the millisecond, and fit into FFmpeg's."""
# Level 3 has checksums. Each picture stands alone, so that any can be read at once.
_CODING: Final = {"level": "3", "slicecrc": "1", "g": "1"}
_HIGHEST_COLUMN: Final = 144
"""Most pixels of a field of one column: FFmpeg divides higher pictures into columns."""
_LARGE: Final = 256
"""Pixels on both sides of a field from which many slices, each with statistics of its own, take less room."""


class FlowClipWriter:
    """Writes the flow of a clip into one video file, field by field, in constant memory.

    Matroska with FFV1 in 16-bit grey: u above v in KITTI's levels of 1/64 px, 0 in both where unknown. The
    same fields give the same bytes on any machine. Use it as a context manager: the file appears when the
    block succeeds, whole or not at all.

    Args:
        path: The file, ``.mkv``; missing folders are made.
        model: What computed the flow, for the file's tags.
        source: What it was computed of, likewise.
        rate: Nominal fields per second.
        overwrite: Whether a file that exists is replaced.

    Raises:
        InputError: Another suffix, a rate that is not positive, or the file could not be written
            (``atomic.check_file``).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        model: str = "",
        source: str = "",
        rate: Fraction = _RATE,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != SUFFIX:
            raise InputError(f"{self.path}: flow of a clip is a {SUFFIX} file: name it so")
        if rate <= 0:
            raise InputError(f"rate is {rate}: it must be positive")
        check_file(self.path, overwrite=overwrite)
        self._model, self._source, self._rate = model, source, ffmpeg_rate(rate)
        self._overwrite = overwrite
        self._count = 0
        self._last = -1
        self._stream: VideoStream | None = None

    def __enter__(self) -> Self:
        with ExitStack() as blocks:
            partial = blocks.enter_context(atomic_file(self.path, overwrite=self._overwrite))
            with self._named_errors():
                # Bit-exact, since the muxer else numbers files at random.
                self._container: OutputContainer = av.open(
                    str(partial), "w", format="matroska", options={"fflags": "+bitexact"}
                )
            blocks.push(self._complete)
            self._blocks = blocks.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.__exit__(kind, error, trace)

    def write(
        self, flow: npt.NDArray[Any], valid: Mask | None = None, *, time: Fraction | float | None = None
    ) -> None:
        """Add a field.

        Args:
            flow: ``[H, W, 2]`` in pixels, all of one size; rounded to the nearest 1/64 px.
            valid: bool ``[H, W]``; by default every pixel with usable values.
            time: When the frame that it belongs to is shown, in seconds. Matroska counts in milliseconds: it
                is rounded, and what would not come after the field before follows that by one. By default as
                ``rate`` says.

        Raises:
            InputError: An array of the wrong shape or type, another size, one column of more than 144 px, a
                value outside [-511.984, 511.984] px, a time outside [0, 2^31) s, or a full disk.
        """
        flow = as_flow(flow)
        height, width = flow.shape[:2]
        stream = self._stream or self._begin(width, height)
        if (2 * height, width) != (stream.height, stream.width):
            raise InputError(
                f"field {self._count} is {width}x{height}, and {self.path} holds "
                f"{stream.width}x{stream.height // 2}: fields of a clip have one size"
            )
        try:
            picture = to_picture(flow, valid)
        except InputError as error:
            raise InputError(f"field {self._count}: {error}") from None
        time = self._count / self._rate if time is None else time
        if not 0 <= time < _LATEST:
            raise InputError(f"field {self._count}: time is {time} s: it must be from 0 to {_LATEST}")
        with self._named_errors():
            frame = av.VideoFrame.from_ndarray(picture, format=PIXEL_FORMAT)
            self._last = max(round(time / _MILLISECOND), self._last + 1)
            frame.pts, frame.time_base = self._last, _MILLISECOND
            self._container.mux(stream.encode(frame))
        self._count += 1

    def _begin(self, width: int, height: int) -> VideoStream:
        self._container.metadata.update(ClipTags(width, height, self._model, self._source).to_tags())
        slices = _slices(width, height, self.path)
        stream = self._container.add_stream(CODEC, rate=self._rate, options={**_CODING, "slices": slices})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, 2 * height, PIXEL_FORMAT
        stream.codec_context.time_base = _MILLISECOND
        self._stream = stream
        return stream

    def _complete(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._named_errors():
            try:
                if kind is None and self._stream is not None:
                    self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()
        if kind is None and self._stream is None:
            raise InputError(f"{self.path} would hold no flow: write a field at least")

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Say of FFmpeg's errors which file they are of; as the system's own, of which a full disk is one."""
        try:
            yield
        except av.error.FFmpegError as error:
            number = errno.EIO if error.errno is None or error.errno > 2**16 else error.errno
            raise OSError(number, error.strerror, str(self.path)) from error


def _slices(width: int, height: int, path: Path) -> str:
    """Parts of a picture that threads code at a time: counted by its size, not by the machine's cores."""
    if min(width, height) >= _LARGE:
        return "24"
    if width >= 2:
        return "4"
    if height > _HIGHEST_COLUMN:
        raise InputError(f"{path}: FFV1 holds no column of {height} px: a field is to be 2 px wide at least")
    return "1"
