import math

import numpy as np
import pytest

from dinoflow_deploy.datasets import SceneConfig
from dinoflow_deploy.datasets.scenes.motion import (
    affine,
    frame_centre,
    random_activity,
    random_background_motion,
    random_object_motion,
)

CONFIG = SceneConfig(96, 128, 20)


def displacement(motion: np.ndarray, point: np.ndarray) -> np.ndarray:
    return motion[:2, :2] @ point + motion[:2, 2] - point


def test_affine_turns_and_scales_about_its_centre() -> None:
    motion = affine(np.array([10.0, 5.0]), np.array([1.0, 2.0]), math.pi / 2, 3.0)
    np.testing.assert_allclose(displacement(motion, np.array([10.0, 5.0])), [1, 2], atol=1e-12)
    # x to the right and y down: a positive angle turns right into down.
    np.testing.assert_allclose(motion[:2] @ [12.0, 5.0, 1.0], [11, 13], atol=1e-12)


def test_background_motion_stays_in_its_bounds() -> None:
    rng = np.random.default_rng(0)
    corner = np.array([-0.5, -0.5])
    for _ in range(500):
        motion = random_background_motion(rng, CONFIG, activity=1.0)
        assert np.linalg.norm(displacement(motion, frame_centre(CONFIG))) <= 20 + 1e-9
        # Rotation and scale each move the corner by half the range at most.
        assert np.linalg.norm(displacement(motion, corner)) <= 2 * 20


def test_centre_of_an_object_stays_in_its_bounds() -> None:
    rng = np.random.default_rng(0)
    background = affine(frame_centre(CONFIG), np.array([15.0, -12.0]), 0.1)
    centre = np.array([100.0, 20.0])
    lengths = []
    for _ in range(500):
        motion = random_object_motion(rng, background, centre, radius=15.0, longest=20.0)
        lengths.append(np.linalg.norm(displacement(motion, centre)))
    assert max(lengths) <= 20 + 1e-9
    assert np.mean(lengths) > 10


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_share_of_static_scenes(share: float) -> None:
    rng = np.random.default_rng(0)
    config = SceneConfig(static_probability=share)
    static = [random_activity(rng, config) <= 0.05 for _ in range(1000)]
    assert np.mean(static) == pytest.approx(share, abs=0.05)
