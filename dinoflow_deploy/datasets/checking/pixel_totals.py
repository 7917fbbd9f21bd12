"""What the pixels of a data set are like as a whole."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dinoflow_deploy.datasets.sample import FlowSample


@dataclass(slots=True)
class PixelTotals:
    """Sums over the pixels of many samples.

    Attributes:
        pixels: How many.
        valid: How many have truth.
        occlusion_known: How many have truth and are known to be occluded or not.
        occluded: How many of these are occluded.
        lowest: Smallest valid u and v in pixels.
        highest: Largest valid u and v in pixels.
        longest: Length of the longest valid vector in pixels.
        length: Sum of the lengths of the valid vectors in pixels.
    """

    pixels: int = 0
    valid: int = 0
    occlusion_known: int = 0
    occluded: int = 0
    lowest: tuple[float, float] = (np.inf, np.inf)
    highest: tuple[float, float] = (-np.inf, -np.inf)
    longest: float = 0.0
    length: float = 0.0

    def add(self, other: "PixelTotals") -> None:
        """Add the totals of other samples."""
        for name in ("pixels", "valid", "occlusion_known", "occluded", "length"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.lowest = (min(self.lowest[0], other.lowest[0]), min(self.lowest[1], other.lowest[1]))
        self.highest = (max(self.highest[0], other.highest[0]), max(self.highest[1], other.highest[1]))
        self.longest = max(self.longest, other.longest)

    @classmethod
    def of(cls, sample: FlowSample) -> "PixelTotals":
        """The totals of one sample."""
        vectors = sample.flow[sample.valid]
        totals = cls(pixels=sample.valid.size, valid=len(vectors))
        if sample.occluded is not None:
            totals.occlusion_known = totals.valid
            totals.occluded = int(np.count_nonzero(sample.occluded & sample.valid))
        if len(vectors):
            lengths = np.hypot(vectors[:, 0], vectors[:, 1])
            totals.lowest = (float(vectors[:, 0].min()), float(vectors[:, 1].min()))
            totals.highest = (float(vectors[:, 0].max()), float(vectors[:, 1].max()))
            totals.longest, totals.length = float(lengths.max()), float(lengths.sum(dtype=np.float64))
        return totals

    def to_dict(self) -> dict[str, Any]:
        """Shares and ranges; None where there is nothing to take them of."""
        known = self.valid > 0
        return {
            "valid_share": self.valid / self.pixels if self.pixels else None,
            "occluded_share": self.occluded / self.occlusion_known if self.occlusion_known else None,
            "u_range": [self.lowest[0], self.highest[0]] if known else None,
            "v_range": [self.lowest[1], self.highest[1]] if known else None,
            "longest": self.longest if known else None,
            "mean_length": self.length / self.valid if known else None,
        }
