"""Difference between two engines' flow, in memory that does not grow."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.bench.results import Difference
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import end_point_error

# 100 bins a decade: a percentile read off the upper end of a bin is at most 2.4 % too high.
_EDGES: Final = np.logspace(-7, 5, 1201)
_BINS: Final = _EDGES.size + 1


@dataclass(frozen=True, slots=True)
class DifferenceSums:
    """Sums behind :class:`Difference`, to be added up over images; adding is exact.

    Attributes:
        pixels: Pixels counted.
        total: Sum of their end-point differences in pixels.
        largest: The largest of them.
        counts: Pixels per bin of difference, logarithmic.
    """

    pixels: int = 0
    total: Fraction = Fraction(0)
    largest: float = 0.0
    counts: tuple[int, ...] = (0,) * _BINS

    @classmethod
    def of(cls, flow: NDArray[np.float32], reference: NDArray[np.float32]) -> Self:
        """Of one image; both ``[H, W, 2]`` in pixels."""
        distance = end_point_error(flow, reference)
        bins = np.searchsorted(_EDGES, distance.ravel(), side="left")
        return cls(
            distance.size,
            Fraction(float(distance.sum(dtype=np.float64))),
            float(distance.max()),
            tuple(np.bincount(bins, minlength=_BINS).tolist()),
        )

    def __add__(self, other: "DifferenceSums") -> "DifferenceSums":
        return DifferenceSums(
            self.pixels + other.pixels,
            self.total + other.total,
            max(self.largest, other.largest),
            tuple(map(sum, zip(self.counts, other.counts, strict=True))),
        )

    def difference(self) -> Difference | None:
        """Over what was added up; ``None`` over nothing."""
        if self.pixels == 0:
            return None
        place = int(np.searchsorted(np.cumsum(self.counts), 0.99 * self.pixels))
        p99 = min(float(_EDGES[place]) if place < _EDGES.size else self.largest, self.largest)
        return Difference(self.pixels, float(self.total / self.pixels), p99, self.largest)

    def to_dict(self) -> dict[str, Any]:
        """The sums as JSON values, without loss."""
        counts = {str(place): count for place, count in enumerate(self.counts) if count}
        return {"pixels": self.pixels, "total": str(self.total), "largest": self.largest, "counts": counts}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What :meth:`to_dict` gave.

        Raises:
            InputError: It is not that.
        """
        try:
            counts = [0] * _BINS
            for place, count in values["counts"].items():
                counts[int(place)] = int(count)
            total = Fraction(values["total"])
            return cls(int(values["pixels"]), total, float(values["largest"]), tuple(counts))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError) as error:
            raise InputError(f"these are no sums of differences: {error!r}") from error
