"""Timestamps that a muxer takes: they start at 0 and increase."""

from fractions import Fraction


class Timestamps:
    """Keeps the source's own timestamps wherever they make sense.

    A missing timestamp, or one that does not increase (old AVI files, concatenated streams, a camera that
    lost its connection), is replaced by the previous one plus the nominal interval.

    Args:
        interval: Nominal time between two frames in seconds.
        time_base: Seconds per unit.
    """

    def __init__(self, interval: Fraction, time_base: Fraction) -> None:
        self._interval = max(1, round(interval / time_base))
        self._first: int | None = None
        self._last = 0

    def next(self, pts: int | None) -> int:
        """The timestamp of the next frame, given what the source says."""
        if self._first is None:
            self._first = pts or 0
            return 0
        time = None if pts is None else pts - self._first
        self._last = time if time is not None and time > self._last else self._last + self._interval
        return self._last
