import numpy as np
import pytest

from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.datasets.scenes.effects import Effects, apply_effects, random_effects
from tests.datasets.warping import NO_EFFECTS, warp_errors


@pytest.fixture
def frame() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 190, (64, 64, 3)).astype(np.uint8)


def test_probability_zero_leaves_frames_alone(frame: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    effects = random_effects(rng, SceneConfig(**NO_EFFECTS))
    assert effects == Effects()
    assert apply_effects(frame, effects, 1.0, rng) is frame


def test_noise_has_its_strength(frame: np.ndarray) -> None:
    noisy = apply_effects(frame, Effects(noise=5.0), 0.0, np.random.default_rng(1))
    difference = noisy.astype(float) - frame
    assert difference.std() == pytest.approx(5.0, rel=0.05)
    assert abs(difference.mean()) < 0.2


def test_brightness_grows_from_nothing_to_the_formula(frame: np.ndarray) -> None:
    effects = Effects(gain=(0.9, 1.0, 1.1), offset=(5.0, 0.0, -5.0), gamma=1.2)
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(apply_effects(frame, effects, 0.0, rng), frame)
    expected = (frame / 255) ** 1.2 * 255 * [0.9, 1.0, 1.1] + [5, 0, -5]
    np.testing.assert_allclose(apply_effects(frame, effects, 1.0, rng), expected, atol=0.51)


def test_blur_keeps_the_mean_and_lowers_the_contrast(frame: np.ndarray) -> None:
    blurred = apply_effects(frame, Effects(blur=(0.0, 1.5)), 1.0, np.random.default_rng(1))
    assert blurred.std() < 0.4 * frame.std()
    assert blurred.mean() == pytest.approx(frame.mean(), abs=1)


@pytest.mark.parametrize("effect", ["blur_probability", "brightness_probability", "noise_probability"])
def test_each_effect_alone_changes_scenes(effect: str) -> None:
    errors = []
    for probability in (0.0, 1.0):
        config = SceneConfig(64, 64, 8, **{**NO_EFFECTS, effect: probability})
        samples = list(SyntheticScenes(config, 1, 12))
        pairs = [(warp_errors(s.frame1, s.frame2, s.flow), ~s.occluded) for s in samples]  # type: ignore[operator]
        errors.append(np.mean([error[seen].mean() for error, seen in pairs]))
    assert errors[1] > errors[0] + 0.5
