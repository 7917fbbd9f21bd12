"""All textures of a run in one image on the training device."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dinoflow_deploy.datasets.scenes.photographs import PhotographPool
from dinoflow_deploy.datasets.scenes.random_streams import Stream, generator
from dinoflow_deploy.datasets.scenes.textures import PATTERN_SIDE, POOL_SIZE, texture_pool
from dinoflow_deploy.flow.arrays import Image

PHOTOGRAPH_TILES: Final = 256
"""Cuts of photographs that are kept, unless there are more photographs."""
MOST_PHOTOGRAPHS: Final = 1024
"""Photographs that are cut from: each takes 3 MB of the device's memory."""

# Grey patterns are seen together in threes, as colours are mixed of them; in each tile with other ones.
_APART: Final = (0, 1, 5)
_COLUMNS: Final = 16


class Atlas:
    """Tiles of three channels, side by side, in one image; a texture is a part of a tile, mirrored beyond it.

    One image, since a GPU samples it for all layers of all pairs at once.

    Args:
        tiles: ``uint8 [h, w, 3]`` each, at most 512 px high and wide.
        device: Where it is kept, as float.
    """

    def __init__(self, tiles: Sequence[Image], device: torch.device) -> None:
        columns, rows = min(len(tiles), _COLUMNS), math.ceil(len(tiles) / _COLUMNS)
        self.image = torch.zeros(1, 3, rows * PATTERN_SIDE, columns * PATTERN_SIDE, device=device)
        for number, tile in enumerate(tiles):
            left, top = (int(value) for value in _corner(np.array(number)))
            window = self.image[0, :, top : top + tile.shape[0], left : left + tile.shape[1]]
            window.copy_(torch.from_numpy(np.ascontiguousarray(tile.transpose(2, 0, 1))))
        self.sizes = np.array([tile.shape[1::-1] for tile in tiles], np.float64)
        """Width and height of each tile."""

    def __len__(self) -> int:
        return len(self.sizes)

    def corners(self, tiles: NDArray[np.int64]) -> NDArray[np.float64]:
        """Position (x, y) of the first pixel of tiles in the image, ``[..., 2]``."""
        return np.stack(_corner(tiles), axis=-1).astype(np.float64)

    def sample(self, x: Tensor, y: Tensor, corner: Sequence[Tensor], last: Sequence[Tensor]) -> Tensor:
        """What is seen at positions of tiles, interpolated.

        Args:
            x: Position in the tile, px, ``[B, H, W]``; beyond it the tile goes on mirrored.
            y: The same downwards.
            corner: Position x, y of each tile in the image, which broadcast with ``x``.
            last: Its last column and row.

        Returns:
            Grey levels ``[3, B, H, W]``.
        """
        placed = [
            (first + _mirrored(position, end)) * (2 / (side - 1)) - 1
            for position, first, end, side in zip(
                (x, y), corner, last, (self.image.shape[3], self.image.shape[2]), strict=True
            )
        ]
        grid = torch.stack(placed, dim=-1).flatten(0, 1)[None]
        found = functional.grid_sample(self.image, grid, padding_mode="border", align_corners=True)
        return found.view(3, *x.shape)


def pattern_tiles(seed: int, count: int = POOL_SIZE) -> list[Image]:
    """The first patterns of a seed's pool, each with two others of them."""
    pool = texture_pool(seed)
    with ThreadPoolExecutor() as makers:
        patterns = list(makers.map(pool.pattern, range(count)))
    return [np.dstack([patterns[(number + step) % count] for step in _APART]) for number in range(count)]


def photograph_tiles(
    photographs: PhotographPool, seed: int, least: int = PHOTOGRAPH_TILES, most: int = MOST_PHOTOGRAPHS
) -> list[Image]:
    """Cuts of photographs, at their size or shrunk, in their own colours.

    Args:
        photographs: Each is cut from once at least, or ``most`` of them once, which the seed tells.
        seed: Of the order and the cuts.
        least: Number of cuts where there are fewer photographs.
        most: Number of cuts where there are more.
    """
    files = len(photographs.files)
    order = generator(seed, Stream.DEVICE_PHOTOGRAPH).permutation(files)

    def cut(number: int) -> Image:
        rng = generator(seed, Stream.DEVICE_PHOTOGRAPH, number + 1)
        # The smaller, the more a photograph may be shrunk.
        side = int(rng.integers(PATTERN_SIDE // 2, PATTERN_SIDE + 1))
        return photographs.cut(rng, int(order[number % files]), side, side)

    return [cut(number) for number in range(min(max(least, files), most))]


def _corner(tiles: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return tiles % _COLUMNS * PATTERN_SIDE, tiles // _COLUMNS * PATTERN_SIDE


def _mirrored(position: Tensor, last: Tensor) -> Tensor:
    return last - (torch.remainder(position, 2 * last) - last).abs()
