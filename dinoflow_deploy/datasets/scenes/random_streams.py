"""Independent streams of random numbers under one seed."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a stream of random numbers is for."""

    PAIR = 0
    PATTERN = 1
    CLIP = 2
    TRUTH = 3
    DEVICE_PAIR = 4
    DEVICE_PHOTOGRAPH = 5


def generator(seed: int, stream: Stream, index: int = 0) -> np.random.Generator:
    """A generator that depends on its arguments alone; other arguments give an independent one."""
    # A spawn key, unlike a list of numbers as entropy, cannot run together with a seed above 32 bits.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(stream), index)))
