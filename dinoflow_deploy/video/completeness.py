"""How much a video file says that it holds, and whether that was there."""

from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from dinoflow_deploy.system.matroska import has_all_bytes
from dinoflow_deploy.video.several_pictures import count_pictures

_MICROSECOND = Fraction(1, 1_000_000)
_MATROSKA, _AVI, _APNG = "matroska,webm", "avi", "apng"
# Formats whose header says how long the file should be; others are guessed from the file's end.
_FORMATS_WITH_DURATION = ("mov,mp4,m4a,3gp,3g2,mj2", _MATROSKA, _AVI)


class Completeness:
    """Compares what is read of a file with what its header says.

    Args:
        container: An opened file, no live stream.
        stream: The one that is read.
        rate: Its nominal frames per second.
        file: Where the file is; ``None`` if it is elsewhere.

    Attributes:
        count: Number of frames, as far as the header says; ``None`` if not known.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, rate: Fraction, file: Path | None
    ) -> None:
        self._format = container.format.name
        self._stream = stream
        self._rate = rate
        self._file = file if file is not None and file.is_file() else None
        self._packets = 0
        self._reached = Fraction(0)
        self._end = self._stated_end(container)
        self.count = self._stated_count(container)

    def add(self, packet: "Packet[Stream]") -> None:
        """Count a packet: of any stream, since only together do they show whether the file is whole."""
        self._packets += packet.size > 0 and packet.stream.index == self._stream.index
        time = packet.dts if packet.pts is None else packet.pts
        if time is not None and packet.time_base is not None:
            self._reached = max(self._reached, (time + (packet.duration or 0)) * packet.time_base)

    def missing(self) -> str | None:
        """What is missing at the end of the file; ``None`` if nothing."""
        if self._format == _APNG and self.count is not None and self._packets < self.count:
            return f"it ends after {self._packets} of {self.count} frames"
        if self._end is None or self._reached >= self._end - 2 / self._rate - Fraction(1, 10):
            return None
        # The length of a Matroska's last frame counts in its duration, and may be written nowhere else.
        if self._format == _MATROSKA and self._file is not None and has_all_bytes(self._file):
            return None
        return f"it ends after {float(self._reached):.2f} s of {float(self._end):.2f} s"

    def _stated_end(self, container: InputContainer) -> Fraction | None:
        """When the file ends, in seconds, or a little earlier.

        Some formats do not count what lies before the first frame; the clock of the packets always does.
        """
        if self._format not in _FORMATS_WITH_DURATION or container.duration is None:
            return None
        duration = container.duration * _MICROSECOND
        if self._format == _AVI:
            # FFmpeg shortens the duration of a truncated AVI file; the number of frames stays.
            duration = max(duration, self._stream.frames / self._rate)
        return duration

    def _stated_count(self, container: InputContainer) -> int | None:
        if self._format == _APNG and self._file is not None:
            return count_pictures(self._file)
        if self._stream.frames:
            return self._stream.frames
        duration, start = container.duration, container.start_time or 0
        if duration is None:
            return None
        if self._format == _MATROSKA and duration > start:
            # FFmpeg's files state their end, which is no length where they begin late.
            duration -= start
        return round(duration * _MICROSECOND * self._rate)
