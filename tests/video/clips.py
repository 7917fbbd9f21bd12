"""Clips and engines for the tests: small, generated, exactly known."""

from collections.abc import Callable, Generator, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import av
import numpy as np

from dinoflow_deploy.engines import EngineDescription, FlowEngine, InputRange
from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.video.frame_source import Frame, FrameSource, Selection

NTSC = Fraction(30000, 1001)


def picture(number: int, width: int, height: int) -> np.ndarray:
    """A smooth pattern that moves 3 px to the right and 2 px down per frame."""
    y, x = np.mgrid[:height, :width]
    grey = 128 + 60 * np.sin((x - 3 * number) / 9) + 60 * np.sin((y - 2 * number) / 7)
    return (grey[..., None] + np.array([0, 20, -20])).clip(0, 255).astype(np.uint8)


def write_clip(
    path: Path,
    *,
    frames: int = 12,
    size: tuple[int, int] = (96, 64),
    rate: Fraction = NTSC,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    sound: bool = False,
    rotation: tuple[float, bool] | None = None,
    gop: int = 12,
    b_frames: int | None = None,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    draw: Callable[[int, int, int], np.ndarray] = picture,
) -> Path:
    """Write a clip. ``rotation`` is an angle in degrees and whether to mirror."""
    width, height = size
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=codec_options or {})
        stream.width, stream.height = size
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        stream.pix_fmt = "yuv420p" if width % 2 == 0 and height % 2 == 0 else "yuv444p"
        stream.gop_size = gop
        stream.codec_context.time_base = time_base or 1 / rate
        if rotation is not None:
            stream.set_display_rotation(rotation[0], hflip=rotation[1])
        track = container.add_stream("aac", rate=48000, layout="mono") if sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(number, width, height), format="rgb24")
            frame.pts = pts[number] if pts else number
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
            if track is not None:
                container.mux(track.encode(silence(number)))
        container.mux(stream.encode(None))
        if track is not None:
            container.mux(track.encode(None))
    return path


def remux(
    path: Path,
    target: Path,
    *,
    shift: Fraction = Fraction(0),
    first: int = 0,
    options: dict[str, str] | None = None,
    file_format: str | None = None,
) -> Path:
    """Copy the packets of a clip into another file, those from ``first`` on, ``shift`` seconds later."""
    with (
        av.open(str(path)) as source,
        av.open(str(target), "w", format=file_format, options=options or {}) as container,
    ):
        (video,) = source.streams.video
        stream = container.add_stream_from_template(video)
        packets = [packet for packet in source.demux(video) if packet.size]
        for packet in packets[first:]:
            ticks = round(shift / packet.time_base)
            packet.pts += ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
            packet.stream = stream
            container.mux(packet)
    return target


def silence(number: int) -> av.AudioFrame:
    """A thirtieth of a second of it."""
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 48000, 1600 * number
    return frame


def cut(path: Path, target: Path, share: float = 0.6) -> Path:
    """Copy the first part of a file."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def decode(path: Path) -> list[np.ndarray]:
    """All frames, by another route than the package's."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def times(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def boxes(path: Path) -> list[str]:
    """The kinds of an mp4's top-level boxes, in order."""
    data, position, kinds = path.read_bytes(), 0, []
    while position < len(data):
        kinds.append(data[position + 4 : position + 8].decode())
        position += int.from_bytes(data[position : position + 4], "big")
    return kinds


class ConstantEngine(FlowEngine):
    """Says that everything moves alike; ``seen`` holds the first pixel of the frames of each pair."""

    def __init__(self, u: float = 3.0, v: float = 2.0, before: Callable[[int], None] | None = None) -> None:
        super().__init__(
            EngineDescription("constant", "test", "cpu", "none", "fp32", None, InputRange.unlimited())
        )
        self._flow = np.array([u, v], np.float32)
        self._before = before
        self.seen: list[tuple[int, int]] = []

    def _run(self, images1: np.ndarray, images2: np.ndarray) -> np.ndarray:
        if self._before is not None:
            self._before(len(self.seen))
        self.seen.append((round(float(images1.max()) * 255), round(float(images2.max()) * 255)))
        flow = np.empty((len(images1), 2, *images1.shape[2:]), np.float32)
        flow[:] = self._flow[None, :, None, None]
        return flow


class NumberedSource(FrameSource):
    """Frames filled with their own number (modulo 256)."""

    def __init__(self, total: int, size: tuple[int, int] = (32, 32), **settings: Any) -> None:
        super().__init__("numbers", rate=Fraction(25), time_base=Fraction(1, 25), **settings)
        self.count = total
        self._shape = (size[1], size[0], 3)
        self.closed = False

    def frames(self, selection: Selection) -> Iterator[Frame]:
        try:
            for number in selection.of(range(self.count or 0)):
                yield Frame(number, np.full(self._shape, number % 256, np.uint8), number - selection.start)
        finally:
            self.closed = True


class PausedSource(NumberedSource):
    """A live source whose third frame comes when it is told to go on.

    Args:
        total: Number of frames.
        go_on: Set when it may come.
    """

    def __init__(self, total: int, go_on: Event) -> None:
        super().__init__(total, live=True)
        self._go_on = go_on

    def frames(self, selection: Selection) -> Iterator[Frame]:
        for frame in super().frames(selection):
            if frame.index == 2:
                assert self._go_on.wait(20), "the first flow does not come before the third frame"
            yield frame


class FailingSource(NumberedSource):
    """A source that breaks after ten frames."""

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        for frame in super().frames(selection):
            if frame.index == 10:
                raise VideoError("frame 10 is on fire")
            yield frame
