"""Bent frames: their flow against a search of its own, and along the picture."""

import numpy as np
import pytest

from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.datasets.scenes.bending import bent_flow, random_bend
from tests.datasets.warping import plain_config, warp_errors


@pytest.mark.parametrize("longest", [0.5, 8.0, 60.0])
def test_a_bend_never_folds_nor_goes_too_far(longest: float) -> None:
    for seed in range(6):
        bend = random_bend(np.random.default_rng(seed), SceneConfig(64, 96, 12), longest)
        assert bend.shape == (64, 96, 2)
        assert np.linalg.norm(bend, axis=-1).max() <= longest * 1.001
        assert max(np.abs(np.diff(bend, axis=axis)).max() for axis in (0, 1)) <= 0.126


def test_flow_ends_where_the_bend_takes_it_from() -> None:
    bend = random_bend(np.random.default_rng(3), SceneConfig(64, 96, 12), 6.0).astype(np.float64)
    still = bent_flow(np.zeros((64, 96, 2), np.float32), bend.astype(np.float32))
    y, x = np.mgrid[:64, :96]
    inner = (slice(8, -8), slice(8, -8))
    column, row = (x + still[..., 0])[inner], (y + still[..., 1])[inner]
    # What is seen at q was at q + bend(q): read off between the pixels by hand.
    left, top = np.floor(column).astype(int), np.floor(row).astype(int)
    right, down = (column - left)[..., None], (row - top)[..., None]
    there = (bend[top, left] * (1 - right) + bend[top, left + 1] * right) * (1 - down) + (
        bend[top + 1, left] * (1 - right) + bend[top + 1, left + 1] * right
    ) * down
    np.testing.assert_allclose(there, -still[inner], atol=1e-4)
    assert np.abs(still).max() > 0.5


def test_visible_pixels_match_along_the_flow() -> None:
    config = plain_config(128, 128, 24.0, bend_probability=1.0)
    plain = plain_config(128, 128, 24.0)
    errors, differences = [], []
    for sample, unbent in zip(SyntheticScenes(config, 1, 10), SyntheticScenes(plain, 1, 10), strict=True):
        assert sample.occluded is not None
        errors.append(warp_errors(sample.frame1, sample.frame2, sample.flow)[~sample.occluded].mean())
        differences.append(float(np.abs(sample.flow - unbent.flow).mean()))
    # 1.4 without a bend, measured over 60 scenes: twice interpolated, it is a little more.
    assert np.mean(errors) < 2.5
    assert np.mean(differences) > 0.3


def test_still_scenes_are_not_bent() -> None:
    config = SceneConfig(64, 96, 12, still_probability=1.0, bend_probability=1.0)
    assert all(not sample.flow.any() for sample in SyntheticScenes(config, 1, 5))
