"""The image of all textures: what of it is seen where, and which photographs are in it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dinoflow_deploy.datasets.scenes.photographs import photograph_pool
from dinoflow_deploy.train.torch_scenes.textures import Atlas, photograph_tiles

CPU = torch.device("cpu")


def test_a_tile_goes_on_mirrored_and_never_into_its_neighbour() -> None:
    rng = np.random.default_rng(0)
    tiles = [rng.integers(0, 256, (*size, 3), np.uint8) for size in [(512, 512), (40, 33), (512, 512)] * 6]
    atlas = Atlas(tiles, CPU)
    x, y = np.meshgrid(np.linspace(-70, 100, 50), np.linspace(-90, 130, 60))
    for number in (1, 16):
        corner = torch.from_numpy(atlas.corners(np.array(number))).float()
        last = torch.from_numpy(atlas.sizes[number] - 1).float()
        places = (torch.from_numpy(each)[None].float() for each in (x, y))
        found = atlas.sample(*places, corner.unbind(), last.unbind())[:, 0].permute(1, 2, 0)
        # Mirrored by hand first: OpenCV mirrors a position far outside only once.
        far = cv2.copyMakeBorder(tiles[number], 200, 200, 200, 200, cv2.BORDER_REFLECT_101).astype(np.float32)
        expected = cv2.remap(
            far, (x + 200).astype(np.float32), (y + 200).astype(np.float32), cv2.INTER_LINEAR
        )
        # It rounds positions to 1/32 px.
        np.testing.assert_allclose(found.numpy(), expected, atol=0.04 * 255)
        assert np.abs(found.numpy() - expected).mean() < 2


@pytest.mark.parametrize(("least", "most", "count"), [(1, 9, 4), (6, 9, 6), (1, 3, 3)])
def test_each_photograph_is_cut_from_or_as_many_as_may_be(
    tmp_path: Path, least: int, most: int, count: int
) -> None:
    for grey in (20, 80, 140, 200):
        cv2.imwrite(str(tmp_path / f"{grey}.png"), np.full((40, 600), grey, np.uint8))
    tiles = photograph_tiles(photograph_pool(tmp_path), 1, least, most)
    assert len(tiles) == count
    assert len({int(tile[0, 0, 0]) for tile in tiles}) == min(count, 4)
    assert all(max(tile.shape[:2]) <= 512 and min(tile.shape[:2]) > 8 for tile in tiles)
