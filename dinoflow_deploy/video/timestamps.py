"""When frames are shown: the decoder's best estimate, and timestamps that a muxer takes."""

from fractions import Fraction


class BestEffort:
    """FFmpeg's ``best_effort_timestamp`` of decoded frames, which PyAV does not show.

    Files may lie in one of a frame's two times: AVI holds decoding times only, some muxers write presentation
    times that go back. The one that has gone back less often so far is believed (FFmpeg's
    ``guess_correct_pts`` in ``libavcodec/decode.c``).
    """

    def __init__(self) -> None:
        self._faulty_pts = self._faulty_dts = 0
        self._last_pts: int | None = None
        self._last_dts: int | None = None

    def next(self, pts: int | None, dts: int | None) -> int | None:
        """The time of the next frame in decoding order.

        Args:
            pts: Its presentation time, in units of the stream's time base; ``None`` if it has none.
            dts: The decoding time of the packet that gave the frame.
        """
        if dts is not None:
            self._faulty_dts += self._last_dts is not None and dts <= self._last_dts
        if pts is not None:
            self._faulty_pts += self._last_pts is not None and pts <= self._last_pts
        self._last_dts = _first(dts, pts, self._last_dts)
        self._last_pts = _first(pts, dts, self._last_pts)
        if pts is not None and (dts is None or self._faulty_pts <= self._faulty_dts):
            return pts
        return dts


class Timestamps:
    """Keeps the source's own timestamps wherever they make sense; they start at 0 and increase.

    A missing timestamp, or one that does not increase (concatenated streams, a camera that lost its
    connection), is replaced by the previous one plus the nominal interval.

    Args:
        interval: Nominal time between two frames in seconds.
        time_base: Seconds per unit.

    Attributes:
        missing: How many frames had no timestamp.
        backward: How many had one that did not increase.
    """

    def __init__(self, interval: Fraction, time_base: Fraction) -> None:
        self.missing = self.backward = 0
        self._interval = max(1, round(interval / time_base))
        self._first: int | None = None
        self._last = 0

    def next(self, pts: int | None) -> int:
        """The timestamp of the next frame, given what the source says."""
        self.missing += pts is None
        if self._first is None:
            self._first = pts or 0
            return 0
        time = None if pts is None else pts - self._first
        if time is not None and time > self._last:
            self._last = time
        else:
            self.backward += time is not None
            self._last += self._interval
        return self._last


def _first(*times: int | None) -> int | None:
    return next((time for time in times if time is not None), None)
