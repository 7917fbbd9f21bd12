"""What happens in the scenes of a batch, by its shares."""

import numpy as np
import pytest

from dinoflow_deploy.datasets import SceneConfig
from dinoflow_deploy.train.torch_scenes.looks import Tiles
from dinoflow_deploy.train.torch_scenes.parameters import COLLAGE, FIRST_OBJECT, random_scenes

PATTERNS = Tiles(8, np.full((8, 2), 512.0))
COUNT = 600


def test_shares_are_those_asked_for() -> None:
    shares = {
        **{f"{kind}_probability": 0.3 for kind in ("still", "bend", "lighting", "blur", "noise")},
        "brightness_probability": 0.6,
        "static_probability": 0.0,
    }
    config = SceneConfig(64, 80, 12, 2, 5, **shares)
    scenes = random_scenes(config, PATTERNS, 1, range(COUNT))
    layers = scenes.layers
    still = (layers.motions == 0).all((1, 2, 3))
    found = {
        "still": still,
        "bend": scenes.bends.present[~still],
        "lighting": scenes.lights.present,
        "blur": scenes.effects.blur.any(1),
        "noise": scenes.effects.noise > 0,
        "collage": layers.present[:, COLLAGE],
        "brightness": scenes.effects.brighter,
    }
    expected = {"collage": 0.5, "brightness": 0.6}
    for name, happened in found.items():
        # Three standard deviations.
        assert happened.mean() == pytest.approx(expected.get(name, 0.3), abs=0.06), name
    assert not scenes.bends.present[still].any()
    objects = layers.present[:, FIRST_OBJECT:].sum(1)
    assert set(objects) == {2, 3, 4, 5}


def test_motion_of_centres_stays_within_its_limit() -> None:
    config = SceneConfig(64, 80, 12, static_probability=0.0)
    layers = random_scenes(config, PATTERNS, 1, range(COUNT)).layers
    # Where the origin of an object's own coordinates is in each frame, by solving and not by inverting.
    places = [
        -np.linalg.solve(maps[..., :2], maps[..., 2:])[..., 0]
        for maps in layers.from_frames[:, :, FIRST_OBJECT:]
    ]
    moved = np.linalg.norm(places[1] - places[0], axis=-1)
    assert moved.max() == pytest.approx(12, rel=1e-6)
    # The mean of a translation is 0.29 of the limit; there is the background's besides.
    assert 0.3 * 12 < moved.mean() < 0.5 * 12
    np.testing.assert_allclose(
        (layers.motions[:, FIRST_OBJECT:, :, :2] * places[0][..., None, :]).sum(-1)
        + layers.motions[:, FIRST_OBJECT:, :, 2],
        places[1] - places[0],
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("patterns", "probability", "share"), [(8, 0.25, 0.25), (0, 0.25, 1.0), (8, 1.0, 1.0)]
)
def test_a_scene_is_of_photographs_or_of_patterns(patterns: int, probability: float, share: float) -> None:
    tiles = Tiles(patterns, np.full((patterns + 3, 2), 300.0))
    config = SceneConfig(64, 80, 12, photograph_probability=probability)
    layers = random_scenes(config, tiles, 1, range(COUNT)).layers
    photographs = layers.looks.tile >= patterns
    assert (photographs == photographs[:, :1]).all()
    assert photographs[:, 0].mean() == pytest.approx(share, abs=0.06)
    assert not layers.present[photographs[:, 0], COLLAGE].any()
