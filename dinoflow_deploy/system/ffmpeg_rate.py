"""Frame rates that FFmpeg can hold."""

from fractions import Fraction
from typing import Final

_LARGEST_TERM: Final = 2**30
"""FFmpeg's fractions are of two int32."""


def ffmpeg_rate(rate: Fraction) -> Fraction:
    """The nearest rate that FFmpeg can hold: the rates of variable ones are odd fractions.

    Args:
        rate: Frames per second, above 0.
    """
    within = min(max(rate, Fraction(1, _LARGEST_TERM)), Fraction(_LARGEST_TERM))
    limited = within.limit_denominator(int(_LARGEST_TERM / max(within, Fraction(1))))
    return max(limited, Fraction(1, _LARGEST_TERM))
