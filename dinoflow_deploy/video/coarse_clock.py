"""A clip's times in the units of a file that counts more coarsely."""

from fractions import Fraction


class CoarseClock:
    """Rounds times, and leaves out pictures that come too soon after another to be shown.

    Args:
        rate: Nominal pictures per second.
        time_base: Seconds per unit of the clip's times.
        unit: Seconds per unit of the file's.
        shortest: Least time that the file shows a picture, in its units.

    Attributes:
        left_out: How many pictures were.
    """

    def __init__(self, rate: Fraction, time_base: Fraction, unit: Fraction, shortest: int = 1) -> None:
        self.left_out = 0
        self._nominal = 1 / (rate * time_base)
        self._scale = time_base / unit
        self._shortest = shortest
        self._shown: int | None = None

    def time(self, pts: int) -> int | None:
        """When a picture is shown, in the file's units; ``None`` if it is to be left out."""
        time = round(pts * self._scale)
        if self._shown is not None and time - self._shown < self._shortest:
            self.left_out += 1
            return None
        self._shown = time
        return time

    def rest(self, pts: int, duration: int | None) -> int:
        """How long the picture that is shown stays, if the one at ``pts`` is the last of the clip."""
        end = pts + (self._nominal if duration is None else duration)
        return max(self._shortest, round(end * self._scale) - (self._shown or 0))
