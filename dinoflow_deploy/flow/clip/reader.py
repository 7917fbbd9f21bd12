"""Reads the flow of a clip from a video file."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.packet import Packet
from av.video.stream import VideoStream

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.flow.arrays import Flow, Mask
from dinoflow_deploy.flow.clip.layout import CODEC, PIXEL_FORMAT, ClipTags, from_picture
from dinoflow_deploy.system.matroska import CLUSTER, Part, parts, segment_end


class FlowClip:
    """The flow of a clip in a video file that ``FlowClipWriter`` wrote, in constant memory.

    ``len(clip)`` is the number of fields; ``clip[i]`` gives field ``i``, whichever was read before, and a
    loop all of them, each as float32 ``[H, W, 2]`` in pixels, **0 where unknown**, with bool ``[H, W]``,
    false there. Every checksum is verified before what it covers is used. Close it, or use it in a ``with``
    statement; it is not to be shared by threads.

    Args:
        path: The file.

    Attributes:
        width: Of the flow, in pixels.
        height: Likewise.
        times: When the frames are shown that the fields belong to, in seconds.
        model: What computed the flow; empty where the file does not say.
        source: What it was computed of; likewise.

    Raises:
        FileFormatError: The file is missing, cut off, damaged, of another codec or scale, or without the tags
            that say how it is to be read; the message names the file and the fault.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._closing = ExitStack()
        try:
            self._open()
        except BaseException as error:
            self._closing.close()
            raise self._named(error) from error

    def __len__(self) -> int:
        return len(self._stamps)

    def __getitem__(self, index: int) -> tuple[Flow, Mask]:
        """One field, counted from 0, or with -1 from the end.

        Raises:
            IndexError: There is none of that number.
            FileFormatError: It is damaged.
        """
        place = range(len(self))[index]
        try:
            return self._read(place)
        except (FileFormatError, av.error.FFmpegError, OSError) as error:
            raise self._named(error, f"field {place}: ") from error

    def __iter__(self) -> Iterator[tuple[Flow, Mask]]:
        return (self[place] for place in range(len(self)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._closing.close()

    def _open(self) -> None:
        self._file = self._closing.enter_context(self.path.open("rb"))
        self._clusters = self._checked_parts()
        # Absolute, since FFmpeg takes what stands before a colon for a protocol.
        container = self._closing.enter_context(av.open(str(self.path.absolute())))
        streams = container.streams
        if len(streams) != 1 or len(streams.video) != 1:
            raise FileFormatError(f"it has {len(streams)} streams, not one of video")
        self._container, self._stream = container, streams.video[0]
        tags = ClipTags.of(container.metadata)
        self._check_coding(self._stream, tags)
        self.width, self.height, self.model, self.source = tags.width, tags.height, tags.model, tags.source
        # The index is read when something is looked for.
        container.seek(0, stream=self._stream)
        self._stamps = [(entry.timestamp, entry.pos) for entry in self._stream.index_entries]
        # Small fields share a cluster.
        if set(self._clusters) != {position for _, position in self._stamps}:
            raise FileFormatError("its index does not list its fields: it was damaged, or written otherwise")
        time_base = self._stream.time_base or Fraction(0)
        self.times = tuple(float(time * time_base) for time, _ in self._stamps)
        self._packets: Iterator[Packet[VideoStream]] = iter(())
        self._next = -1

    def _checked_parts(self) -> dict[int, Part]:
        """Those that hold fields, by where they begin; all others are verified now."""
        clusters, end, said = {}, 0, segment_end(self._file)
        self._file.seek(0)
        for part in parts(self._file):
            if part.name == CLUSTER:
                clusters[part.start] = part
            elif not part.is_sound(self._file):
                raise FileFormatError(f"it is damaged: wrong checksum at byte {part.start}")
            end = part.content + part.size
        size = self.path.stat().st_size
        if not end:
            raise FileFormatError(f"it is no whole Matroska file: {size} bytes without a segment")
        # A file that is cut off between two parts ends with a whole one.
        if not size == end == said:
            what = "cut off" if size < max(end, said or 0) else "damaged"
            raise FileFormatError(
                f"it is {what}: it has {size} bytes, its parts end at {end}, and they should at {said}"
            )
        return clusters

    def _check_coding(self, stream: VideoStream, tags: ClipTags) -> None:
        if (stream.codec_context.name, stream.pix_fmt) != (CODEC, PIXEL_FORMAT):
            raise FileFormatError(
                f"it holds {stream.codec_context.name} in {stream.pix_fmt}, not {CODEC} in {PIXEL_FORMAT}"
            )
        if (stream.width, stream.height) != (tags.width, 2 * tags.height):
            raise FileFormatError(
                f"its pictures of {stream.width}x{stream.height} do not hold flow of "
                f"{tags.width}x{tags.height}, as its tags say"
            )
        # Slices in parallel: of pictures in parallel, the first would come with the last.
        stream.thread_type = "SLICE"

    def _read(self, place: int) -> tuple[Flow, Mask]:
        time, position = self._stamps[place]
        if not self._clusters[position].is_sound(self._file):
            raise FileFormatError("it is damaged: wrong checksum")
        if place != self._next:
            self._container.seek(time, stream=self._stream)
            self._packets = self._container.demux(self._stream)
        self._next = -1
        packet = next(self._packets, None)
        pictures = [] if packet is None or packet.pts != time else self._stream.decode(packet)
        if len(pictures) != 1:
            raise FileFormatError(f"it is damaged: there is no picture at {float(self.times[place]):.3f} s")
        self._next = place + 1
        return from_picture(pictures[0].to_ndarray())

    def _named(self, error: BaseException, what: str = "") -> BaseException:
        """What is wrong with the file as an error that names it; anything else as it is."""
        if isinstance(error, FileFormatError):
            return FileFormatError(f"{self.path}: {what}{error}")
        if isinstance(error, av.error.FFmpegError):
            return FileFormatError(f"{self.path}: {what}it is damaged: {error.strerror}")
        if isinstance(error, OSError):
            return FileFormatError(f"{self.path}: {what}cannot be read: {error.strerror}")
        return error
