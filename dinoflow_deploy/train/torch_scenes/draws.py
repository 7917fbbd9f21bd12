"""Random numbers of a whole batch at once, of which each pair has a stream of its own."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets.scenes.random_streams import Stream, generator

Numbers = NDArray[np.float64]


class Draws:
    """Uniform numbers in [0, 1) that are handed out one after the other, the same ones to each pair.

    Args:
        numbers: ``float64 [..., n]``; every call takes from the last axis.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._taken = 0

    @classmethod
    def of_pairs(cls, seed: int, indices: Sequence[int], count: int) -> Self:
        """Numbers that depend on the seed and the pair's index alone, ``[B, count]``."""
        streams = (generator(seed, Stream.DEVICE_PAIR, index) for index in indices)
        return cls(np.stack([stream.random(count) for stream in streams]))

    def part(self, *shape: int) -> "Draws":
        """The next numbers as draws of their own: ``[..., *shape]``, taken from the last axis of it."""
        return Draws(self.take(*shape))

    def take(self, *shape: int) -> Numbers:
        """The next numbers, ``[..., *shape]``."""
        first, self._taken = self._taken, self._taken + int(np.prod(shape))
        if self._taken > self._numbers.shape[-1]:
            raise IndexError(f"{self._taken} numbers taken of {self._numbers.shape[-1]}")
        return self._numbers[..., first : self._taken].reshape(*self._numbers.shape[:-1], *shape)

    def uniform(self, low: float | Numbers, high: float | Numbers, *shape: int) -> Numbers:
        """The next numbers between two limits."""
        return low + (high - low) * self.take(*shape)

    def log_uniform(self, low: float, high: float) -> Numbers:
        """The next numbers, of uniform logarithm."""
        return np.exp(self.uniform(np.log(low), np.log(high)))

    def integers(self, low: int | NDArray[np.int64], end: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """The next whole numbers from ``low`` to below ``end``."""
        return np.floor(low + (end - low) * self.take()).astype(np.int64)

    def happens(self, probability: float) -> NDArray[np.bool_]:
        """Whether something does, by its probability."""
        return self.take() < probability

    def signs(self, *shape: int) -> Numbers:
        """The next numbers as -1 or 1."""
        return np.where(self.take(*shape) < 0.5, -1.0, 1.0)
