"""Colour textures mixed from a pool of grey patterns."""

from functools import lru_cache
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets.scenes.patterns import PATTERNS, clouds
from dinoflow_deploy.datasets.scenes.random_streams import Stream, generator
from dinoflow_deploy.flow.arrays import Image

POOL_SIZE = 192
PATTERN_SIDE = 512
# Textures are sampled at sub-pixel positions; without this much blur, sampling alone would change them.
PATTERN_BLUR = 0.8


class Textures(Protocol):
    """Where the looks of a scene come from."""

    def texture(self, rng: np.random.Generator, height: int, width: int) -> Image:
        """A colour texture `uint8 [h, w, 3]` with h and w at most the size asked for."""
        ...

    def background(self, rng: np.random.Generator, height: int, width: int) -> Image:
        """The same for what lies behind everything."""
        ...


class TexturePool:
    """A fixed set of grey patterns, each made when first used, that textures are cut and coloured from.

    Making a pattern takes some hundred times longer than cutting a piece of one. The pool depends on the
    seed alone, so that every process that holds it draws the same textures, and another seed shares none.

    Args:
        seed: Seed of the patterns.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._patterns: dict[int, Image] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # The patterns are cheaper to make again than to send to another process.
        return (texture_pool, (self._seed,))

    def pattern(self, index: int) -> Image:
        """One pattern of the pool, `uint8 [512, 512]`; not to be written to."""
        if index not in self._patterns:
            self._patterns[index] = _make_pattern(generator(self._seed, Stream.PATTERN, index))
        return self._patterns[index]

    def texture(self, rng: np.random.Generator, height: int, width: int) -> Image:
        """A colour texture `uint8 [h, w, 3]` with h and w at most the size asked for and 512 px."""
        height, width = min(height, PATTERN_SIDE), min(width, PATTERN_SIDE)
        grey = cv2.merge([self._crop(rng, height, width) for _ in range(3)])
        return np.asarray(cv2.transform(grey, _colour_matrix(rng)), np.uint8)

    def background(self, rng: np.random.Generator, height: int, width: int) -> Image:
        """A texture or, as often, a collage, of the size that `texture` has."""
        make = self.collage if rng.random() < 0.5 else self.texture
        return make(rng, height, width)

    def collage(self, rng: np.random.Generator, height: int, width: int) -> Image:
        """Two textures of different colour side by side along a ragged border, as `texture` else."""
        first = self.texture(rng, height, width)
        second = self.texture(rng, height, width)
        chooser = self._crop(rng, *first.shape[:2])
        mask = cv2.threshold(chooser, float(rng.uniform(80, 180)), 255, cv2.THRESH_BINARY)[1]
        weight = cv2.GaussianBlur(mask, (0, 0), PATTERN_BLUR).astype(np.float32) / 255
        return np.asarray(cv2.blendLinear(first, second, weight, 1 - weight), np.uint8)

    def _crop(self, rng: np.random.Generator, height: int, width: int) -> Image:
        pattern = self.pattern(int(rng.integers(POOL_SIZE)))
        top = int(rng.integers(PATTERN_SIDE - height + 1))
        left = int(rng.integers(PATTERN_SIDE - width + 1))
        down, right = (int(step) for step in rng.choice([-1, 1], 2))
        return pattern[top : top + height, left : left + width][::down, ::right]


@lru_cache(maxsize=4)
def texture_pool(seed: int) -> TexturePool:
    """The pool of a seed, shared by everything in the process that uses the seed (50 MB when complete)."""
    return TexturePool(seed)


def _make_pattern(rng: np.random.Generator) -> Image:
    make = PATTERNS[int(rng.integers(len(PATTERNS)))]
    pattern = _standardise(make(rng, PATTERN_SIDE))
    if rng.random() < 0.7:
        grain = _standardise(clouds(rng, PATTERN_SIDE, decay=rng.uniform(0.0, 0.5)))
        pattern = pattern + rng.uniform(0.05, 0.5) * grain
    smooth = np.asarray(cv2.GaussianBlur(pattern, (0, 0), PATTERN_BLUR), np.float32)
    levels: Image = np.clip(127.5 + 55 * smooth, 0, 255).astype(np.uint8)
    return levels


def _standardise(pattern: NDArray[np.float32]) -> NDArray[np.float32]:
    centred: NDArray[np.float32] = pattern - pattern.mean()
    return centred / max(float(centred.std()), 1e-6)


def _colour_matrix(rng: np.random.Generator) -> NDArray[np.float64]:
    """A 3x4 matrix from three grey levels to a colour: mostly one pattern, tinted by the two others."""
    contrast = rng.uniform(0.3, 1.1)
    saturation = rng.beta(1, 2)
    directions = saturation * rng.uniform(-1, 1, (3, 3)) + (1 - saturation) * rng.uniform(-1, 1, (1, 3))
    strengths = np.array([1.0, rng.uniform(0.1, 0.8), rng.uniform(0, 0.5)])
    mix = contrast * directions * strengths
    # Keeps the first pattern visible in every texture: its strongest channel has the full contrast.
    mix[:, 0] *= contrast / max(float(np.abs(mix[:, 0]).max()), 1e-6)
    base = rng.uniform(60, 195) + saturation * rng.uniform(-90, 90, 3)
    return np.column_stack([mix, base - mix.sum(axis=1) * 127.5])
