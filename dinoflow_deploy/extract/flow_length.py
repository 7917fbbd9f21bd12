"""Mean and percentile of the length of flow over a clip, in constant memory."""

from typing import Final

import numpy as np

from dinoflow_deploy.flow.arrays import Flow

_PER_PIXEL: Final = 16
"""Bins for a pixel of length."""
_BINS: Final = 4096 * _PER_PIXEL


class FlowLength:
    """Counts how long flow is."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS + 1, np.int64)
        self._sum = 0.0

    def add(self, flow: Flow) -> None:
        """Count a field, ``[H, W, 2]`` in pixels, all of it known."""
        # Not by OpenCV, whose last bit is not the same each time.
        length = np.sqrt(np.square(flow[..., 0]) + np.square(flow[..., 1]))
        self._sum += float(length.sum(dtype=np.float64))
        length *= np.float32(_PER_PIXEL)
        bins = np.minimum(length, np.float32(_BINS)).astype(np.intp)
        self._counts += np.bincount(bins.ravel(), minlength=_BINS + 1)

    @property
    def mean(self) -> float:
        """Mean length in pixels."""
        return self._sum / int(self._counts.sum())

    def percentile(self, percent: float) -> float:
        """The length that so many percent of the pixels do not exceed: to 1/16 px, at most 4096."""
        reached = np.cumsum(self._counts)
        place = int(np.searchsorted(reached, percent / 100 * reached[-1]))
        return min(place + 1, _BINS) / _PER_PIXEL
