import numpy as np

from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.datasets.scenes.lighting import lit, random_lights
from tests.datasets.warping import plain_config

CONFIG = SceneConfig(48, 64, 8)


def test_lights_darken_smoothly_and_differ() -> None:
    shadows = 0
    for seed in range(20):
        first, second = random_lights(np.random.default_rng(seed), CONFIG)
        for light in (first, second):
            assert light.shape == (48, 64)
            assert 0.19 < light.min() <= light.max() <= 1.0
        assert not np.array_equal(first, second)
        # A gradient is straight; a shadow is not.
        shadows += bool(np.abs(np.diff(first, n=2, axis=1)).max() > 1e-3)
    assert 4 < shadows < 16


def test_light_scales_grey_levels() -> None:
    frame = np.full((2, 2, 3), 200, np.uint8)
    light = np.array([[1.0, 0.5], [0.25, 0.2]], np.float32)
    np.testing.assert_array_equal(lit(frame, light)[..., 0], [[200, 100], [50, 40]])


def test_light_changes_frames_and_never_the_flow() -> None:
    dark = SyntheticScenes(plain_config(48, 64, 8, lighting_probability=1.0), 1, 4)
    for sample, plain in zip(dark, SyntheticScenes(plain_config(48, 64, 8), 1, 4), strict=True):
        np.testing.assert_array_equal(sample.flow, plain.flow)
        assert (sample.frame1 <= plain.frame1).all()
        assert (sample.frame1 < plain.frame1).any()
