import numpy as np
import pytest

from dinoflow_deploy.datasets import SceneConfig, render_clip
from dinoflow_deploy.errors import InputError
from tests.datasets.warping import plain_config, warp_errors


def test_shapes_and_repeatability() -> None:
    config = SceneConfig(48, 64, 8)
    clip, again = render_clip(config, 1, 6), render_clip(config, 1, 6)
    assert clip.frames.shape == (6, 48, 64, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.flow.shape == (5, 48, 64, 2)
    assert clip.flow.dtype == np.float32
    assert clip.valid.shape == clip.occluded.shape == (5, 48, 64)
    np.testing.assert_array_equal(clip.frames, again.frames)
    np.testing.assert_array_equal(clip.flow, again.flow)
    assert not np.array_equal(clip.frames, render_clip(config, 2, 6).frames)


@pytest.mark.parametrize("seed", [1, 2])
def test_each_flow_leads_to_the_next_frame(seed: int) -> None:
    clip = render_clip(plain_config(128, 160, 12), seed, 8)
    for k in range(7):
        errors = warp_errors(clip.frames[k], clip.frames[k + 1], clip.flow[k])
        assert errors[~clip.occluded[k]].mean() < 2
    assert np.abs(clip.flow).max() > 1


def test_flow_of_two_steps_chains() -> None:
    """Without objects, following two flows in turn leads to where the frame after next shows the same."""
    clip = render_clip(plain_config(96, 128, 12, min_objects=0, max_objects=0), 2, 3)
    y, x = np.mgrid[20:70, 25:100]
    step = clip.flow[0][y, x]
    terms = np.stack([np.ones(x.size), x.ravel(), y.ravel()], axis=1)
    second = np.linalg.lstsq(terms, clip.flow[1][y, x].reshape(-1, 2), rcond=None)[0]
    target_x, target_y = (x + step[..., 0]).ravel(), (y + step[..., 1]).ravel()
    after = np.stack([np.ones(x.size), target_x, target_y], axis=1) @ second
    whole = np.zeros((96, 128, 2), np.float32)
    whole[y, x] = step + after.reshape(step.shape)
    errors = warp_errors(clip.frames[0], clip.frames[2], whole)
    assert errors[y, x].mean() < 1.5


def test_motion_is_smooth() -> None:
    clip = render_clip(plain_config(64, 64, 12, min_objects=0, max_objects=0), 2, 60)
    change = np.linalg.norm(np.diff(clip.flow, axis=0), axis=-1)
    speed = np.linalg.norm(clip.flow, axis=-1)
    assert change.max() < 0.3 * speed.max()
    assert speed.max() <= 12


def test_no_motion_is_no_flow() -> None:
    clip = render_clip(plain_config(32, 32, 0), 1, 3)
    assert not clip.flow.any()
    np.testing.assert_array_equal(clip.frames[0], clip.frames[2])


def test_too_few_frames_and_a_negative_seed_are_refused() -> None:
    with pytest.raises(InputError, match="frames is 1; flow needs 2 or more"):
        render_clip(SceneConfig(), 0, 1)
    with pytest.raises(InputError, match="seed is -1"):
        render_clip(SceneConfig(), -1, 4)


def test_backward_flow_leads_back() -> None:
    config = plain_config(128, 160, 12)
    clip = render_clip(config, 1, 6, backward=True)
    assert clip.backward_flow is not None
    assert clip.backward_flow.shape == clip.flow.shape
    for k in range(5):
        errors = warp_errors(clip.frames[k + 1], clip.frames[k], clip.backward_flow[k])
        assert np.median(errors) < 2
    assert render_clip(config, 1, 6).backward_flow is None
    np.testing.assert_array_equal(clip.frames, render_clip(config, 1, 6).frames)


def test_another_index_is_another_clip() -> None:
    config = SceneConfig(48, 64, 8)
    first, other = render_clip(config, 1, 2, index=0), render_clip(config, 1, 2, index=1)
    np.testing.assert_array_equal(first.frames, render_clip(config, 1, 2).frames)
    assert not np.array_equal(first.frames, other.frames)
    assert not np.array_equal(first.flow, other.flow)
