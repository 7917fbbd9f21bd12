"""Pictures into an animated GIF."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import OutputContainer
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.progress import counted
from dinoflow_deploy.video.coarse_clock import CoarseClock
from dinoflow_deploy.video.filters import FilterGraph
from dinoflow_deploy.video.picture_sink import PictureSink, named_errors
from dinoflow_deploy.video.square_pixels import made_square, square_pixels

_UNIT = Fraction(1, 100)  # in seconds: GIF89a counts in hundredths
_SHORTEST = 2  # of these: browsers and viewers show a picture of less for ten
_LONGEST = 2**16 - 1
_CONTROL = b"\x21\xf9\x04"  # begins the graphic control extension; a byte of flags and the delay follow
_SAMPLED = 160  # px on each side of what a palette is made from: the same quality in a third of the time
_LARGE = 1280  # px; from here on viewers are slow


class GifWriter(PictureSink):
    """Writes a GIF that plays in a loop, each picture in 255 colours of its own; memory stays constant.

    GIF counts in hundredths of a second, and no viewer shows a picture for less than two of them: times are
    rounded, so that the clip's speed stays, and pictures that come sooner are left out. The longest pause is
    655 s. Its pixels are square: others are widened or heightened. Use it as a context manager; leaving it
    completes the file.

    Args:
        path: The file.
        rate: Nominal frames per second.
        time_base: Seconds per unit of ``pts``.
        pixel_aspect: Width of a pixel divided by its height.
    """

    def __init__(
        self, path: Path, *, rate: Fraction, time_base: Fraction, pixel_aspect: Fraction = Fraction(1)
    ) -> None:
        super().__init__()
        self._path = path
        self._clock = CoarseClock(rate, time_base, _UNIT, _SHORTEST)
        self._pixel_aspect = pixel_aspect
        self._drawn_size = (0, 0)
        self._rest = 0
        self._begun = 0
        self._pauses_cut = 0
        self._palette: FilterGraph | None = None
        self._stream: VideoStream | None = None

    def __enter__(self) -> Self:
        # Each picture is on the disk before the next is written, so that it is known where the last begins.
        options = {"loop": "0", "flush_packets": "1"}
        with named_errors(self._path):
            self._container: OutputContainer = av.open(str(self._path), "w", format="gif", options=options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with named_errors(self._path):
            last = 0
            try:
                if kind is None and self._palette is not None:
                    self._encode(self._palette.finish())
                    last = self._path.stat().st_size
                    self._pauses_cut += self.count > 1 and self._rest > _LONGEST
            finally:
                self._container.close()
        if last:
            self._set_delay(last)

    def write(self, picture: Image, pts: int, duration: int | None = None) -> None:
        """Encode a picture, or leave it out where it comes too soon."""
        time = self._clock.time(pts)
        self._rest = self._clock.rest(pts, duration)
        if time is None:
            return
        self._pauses_cut += time - self._begun > _LONGEST
        self._begun = time
        self._drawn_size = (picture.shape[1], picture.shape[0])
        picture = square_pixels(picture, self._pixel_aspect)
        self.size = (picture.shape[1], picture.shape[0])
        with named_errors(self._path):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, _UNIT
            self._palette = self._palette or FilterGraph(frame, _link_palette, _UNIT)
            self._encode(self._palette.push(frame))
        self.count += 1

    def notes(self) -> Iterator[str]:
        """What was resized, left out, or is too large."""
        if self.size != self._drawn_size:
            yield made_square("GIF", self._drawn_size, self.size)
        left_out = self._clock.left_out
        if left_out:
            yield (
                "GIF shows no picture for less than 0.02 s: to keep the clip's speed, some are left out, "
                f"{left_out} of {self.count + left_out}"
            )
        if self._pauses_cut:
            yield (
                f"GIF shows no picture for longer than {float(_LONGEST * _UNIT):.0f} s: the clip runs faster "
                f"there, {counted(self._pauses_cut, 'times')}"
            )
        if max(self.size) > _LARGE:
            yield f"GIFs of {self.size[0]}x{self.size[1]} are slow to show: set max-side, or name it .webm"

    def _encode(self, frames: Iterator[VideoFrame]) -> None:
        for frame in frames:
            stream = self._stream = self._stream or self._add_stream(frame)
            self._container.mux(stream.encode(frame))

    def _add_stream(self, frame: VideoFrame) -> VideoStream:
        stream = self._container.add_stream("gif", rate=1 / _UNIT)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
        stream.codec_context.time_base = _UNIT
        return stream

    def _set_delay(self, last: int) -> None:
        """Say how long the last picture is shown: FFmpeg repeats the time of the one before."""
        with self._path.open("r+b") as file:
            file.seek(last)
            # A single picture stands behind the file's header, and is shown for good.
            if file.read(len(_CONTROL)) == _CONTROL:
                file.seek(1, 1)
                file.write(struct.pack("<H", min(self._rest, _LONGEST)))


def _link_palette(graph: Graph, source: FilterContext, sink: FilterContext) -> None:
    """Each picture in the colours of a palette made from it: no frame is held back for another."""
    split, use = graph.add("split"), graph.add("paletteuse", "new=1")
    source.link_to(split)
    split.link_to(use, 0, 0)
    sample = graph.add("scale", f"w='min(iw,{_SAMPLED})':h='min(ih,{_SAMPLED})':flags=neighbor")
    palette = graph.add("palettegen", "stats_mode=single")
    split.link_to(sample, 1, 0)
    sample.link_to(palette)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
