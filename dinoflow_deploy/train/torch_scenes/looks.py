"""Which texture each layer has, and in which colours: the distributions of ``datasets.scenes.textures``."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.train.torch_scenes.draws import Draws, Numbers

DRAWS: Final = 36
"""Numbers that a look takes."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Textures of layers; all arrays begin with ``[B, L]``.

    Attributes:
        tile: Number of a tile.
        to_tile: From the layer's own coordinates to pixels of the tile, ``[..., 2, 3]``.
        colours: From the tile's three channels and 1 to a colour, ``[..., 3, 4]``.
    """

    tile: NDArray[np.int64]
    to_tile: Numbers
    colours: Numbers


@dataclass(frozen=True, slots=True)
class Tiles:
    """What there is to choose from.

    Attributes:
        patterns: Number of pattern tiles, which come first.
        sizes: Width and height of all tiles, those of photographs after the patterns', ``[N, 2]``.
    """

    patterns: int
    sizes: Numbers


def random_looks(
    draws: Draws, tiles: Tiles, photographed: NDArray[np.bool_], zoom: Numbers, sides: Numbers
) -> Looks:
    """Draw a texture for each layer.

    Args:
        draws: ``[B, L]`` of them.
        tiles: To choose from.
        photographed: Whether it is to be a photograph, ``[B, 1]``.
        zoom: Pixels of the texture to the pixel, ``[B, L]``.
        sides: Width and height of the layer, px, ``[B, L, 2]``: a part of a tile is chosen that holds them,
            if it can.
    """
    first = np.where(photographed, tiles.patterns, 0)
    tile = draws.integers(first, np.where(photographed, len(tiles.sizes), tiles.patterns))
    size = tiles.sizes[tile]
    part = np.minimum(zoom[..., None] * sides + 8, size)
    middle = (part - 1) / 2 + draws.take(2) * (size - part)
    scale = zoom[..., None] * draws.signs(2)
    to_tile = np.zeros((*tile.shape, 2, 3))
    to_tile[..., 0, 0], to_tile[..., 1, 1] = scale[..., 0], scale[..., 1]
    to_tile[..., 2] = middle
    colours = np.where(photographed[..., None, None], _tints(draws), _mixes(draws))
    return Looks(tile, to_tile, colours)


def _mixes(draws: Draws) -> Numbers:
    """As ``datasets.scenes.textures`` mixes colours of three grey patterns."""
    contrast = draws.uniform(0.3, 1.1)[..., None]
    # Beta(1, 2), by the inverse of its distribution function.
    saturation = 1 - np.sqrt(1 - draws.take())[..., None]
    apart, alike = draws.uniform(-1, 1, 3, 3), draws.uniform(-1, 1, 1, 3)
    directions = saturation[..., None] * apart + (1 - saturation[..., None]) * alike
    second, third = draws.uniform(0.1, 0.8), draws.uniform(0, 0.5)
    strengths = np.stack([np.ones_like(second), second, third], -1)
    mix = contrast[..., None] * directions * strengths[..., None, :]
    highest = np.abs(mix[..., 0]).max(-1, keepdims=True)
    mix[..., 0] *= contrast / np.maximum(highest, 1e-6)
    return _about(mix, draws.uniform(60, 195)[..., None] + saturation * draws.uniform(-90, 90, 3))


def _tints(draws: Draws) -> Numbers:
    """As ``datasets.scenes.photographs`` changes colours."""
    pull = draws.uniform(-0.3, 0.6)[..., None, None]
    mix = np.eye(3) + pull * (np.full((3, 3), 1 / 3) - np.eye(3))
    mix = mix * draws.uniform(0.7, 1.2)[..., None, None] * draws.uniform(0.9, 1.1, 3, 1)
    return _about(mix, 127.5 + draws.uniform(-25, 25)[..., None])


def _about(mix: Numbers, middle: Numbers) -> Numbers:
    """With the constant that turns middle grey to a colour."""
    return np.concatenate([mix, (middle - mix.sum(-1) * 127.5)[..., None]], -1)
