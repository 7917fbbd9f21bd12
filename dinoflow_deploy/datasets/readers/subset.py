"""A part of a data set that stands for the whole."""

from collections.abc import Sequence


def spread_evenly(length: int, limit: int | None) -> Sequence[int]:
    """Indices from 0 to ``length``, all or ``limit`` of them at equal distances."""
    if limit is None or limit >= length:
        return range(length)
    return [place * length // limit for place in range(limit)]
