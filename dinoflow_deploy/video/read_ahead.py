"""Decoding ahead of whoever uses the frames."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Final

from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.video.channel import Channel
from dinoflow_deploy.video.frame_source import Frame, FrameSource, Selection
from dinoflow_deploy.video.report import Stopwatch

QUEUE_LENGTH: Final = 4
"""Most frames waiting between two stages."""


class ReadAhead:
    """Reads frames in one thread for another, a few ahead.

    Args:
        source: What to read.
        selection: The frames to read.
        watch: Counts the time of decoding.

    Attributes:
        frames: Where they are put; it is left unfinished, for whoever has more to say at the end.
        dropped: Frames of a live source that arrived while there was no room.
    """

    def __init__(self, source: FrameSource, selection: Selection, watch: Stopwatch) -> None:
        self.frames: Channel[Frame] = Channel(QUEUE_LENGTH)
        self.dropped = 0
        self._source = source
        self._selection = selection
        self._watch = watch

    def run(self) -> None:
        """Read to the end, or until the source is told to stop.

        Raises:
            VideoError: A frame cannot be read.
            Cancelled: Nobody takes the frames any more.
        """
        with closing(self._source.frames(self._selection)) as frames:
            for frame in _timed(frames, self._watch):
                if self._source.stop.is_set():
                    break
                if not self._source.live:
                    self.frames.put(frame)
                elif not self.frames.offer(frame):
                    self.dropped += 1


def too_few_frames(source: FrameSource, selection: Selection, frames: int) -> VideoError:
    """The error of a source that gives no pair.

    Args:
        source: The source, read to its end.
        selection: The frames that were asked for.
        frames: How many it gave.
    """
    used = f"{frames} of its frames (start {selection.start}, stride {selection.stride})"
    reason = f": {source.damage}" if source.damage else ""
    return VideoError(f"{source.name} gives {used}; flow needs at least two{reason}")


def _timed(frames: Iterable[Frame], watch: Stopwatch) -> Iterator[Frame]:
    iterator = iter(frames)
    while True:
        with watch.stage("decode"):
            frame = next(iterator, None)
        if frame is None:
            return
        yield frame
