import numpy as np
import pytest

from dinoflow_deploy.datasets import SceneConfig, render_clip
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import consistency


def square_moves(shift: int, background: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forward and backward flow of a square over a background, to the right, and what it hides in frame 2."""
    forward, backward = (np.zeros((40, 60, 2), np.float32) for _ in range(2))
    forward[..., 0], backward[..., 0] = background, -background
    forward[10:20, 10:20, 0] = shift
    backward[10:20, 10 + shift : 20 + shift, 0] = -shift
    place = np.arange(60) + background
    hidden = np.zeros((40, 60), bool)
    hidden[10:20] = (place >= 10 + shift) & (place < 20 + shift)
    hidden[10:20, 10:20] = False
    hidden |= (place > 59) | (place < 0)
    return forward, backward, hidden


@pytest.mark.parametrize(("shift", "background"), [(7, 0), (15, 0), (1, 0), (9, 3), (5, -4)])
def test_whole_pixel_motion_is_exact(shift: int, background: int) -> None:
    forward, backward, hidden = square_moves(shift, background)
    assert hidden.any()
    np.testing.assert_array_equal(consistency(forward, backward), hidden)


@pytest.mark.parametrize(("height", "width", "max_motion"), [(64, 96, 8), (192, 160, 24)])
def test_it_finds_the_occlusion_of_synthetic_scenes(height: int, width: int, max_motion: float) -> None:
    """Bounds: measured are intersection over union 0.78 and 0.85, recall 0.92 and 0.99."""
    found, true = [], []
    for index in range(4):
        clip = render_clip(SceneConfig(height, width, max_motion), 0, 3, index=index, backward=True)
        assert clip.backward_flow is not None
        for forward, backward, occluded in zip(clip.flow, clip.backward_flow, clip.occluded, strict=True):
            found.append(consistency(forward, backward))
            true.append(occluded)
    hits = np.logical_and(found, true).sum()
    assert 0.02 < np.mean(true) < 0.4
    assert hits / np.logical_or(found, true).sum() > 0.75
    assert hits / np.sum(true) > 0.9


def test_the_tolerance_is_the_formula() -> None:
    """|f + b|^2 < alpha1 (|f|^2 + |b|^2) + alpha2 where everything moves alike."""
    forward = np.full((20, 30, 2), (3, 4), np.float32)
    inside = np.zeros((20, 30), bool)
    inside[:16, :27] = True

    def occluded(error: float, **alphas: float) -> np.ndarray:
        return consistency(forward, -forward + np.array([error, 0], np.float32), **alphas)[inside]

    # error^2 = 0.01 (25 + (3 - error)^2 + 16) + 0.5 at 0.968...
    root = max(np.roots([0.99, 0.06, -1.0]))
    assert not occluded(root - 1e-3).any()
    assert occluded(root + 1e-3).all()
    assert not occluded(2, alpha2=4).any()
    assert occluded(2, alpha1=0, alpha2=4).all()
    assert consistency(forward, -forward)[~inside].all()


@pytest.mark.parametrize("unknown", [np.nan, np.inf, 1e10, 1e30])
def test_what_is_unknown_counts_as_occluded(unknown: float) -> None:
    forward, backward = np.zeros((2, 8, 9, 2), np.float32)
    forward[2, 3], backward[5, 6] = unknown, unknown
    occluded = consistency(forward, backward)
    assert occluded[2, 3]
    assert occluded[5, 6]
    assert not consistency(forward[:, :3], backward[:, :3]).any()


def test_flow_of_two_sizes_is_refused() -> None:
    with pytest.raises(InputError, match=r"\[4, 5, 2\] and backward flow of shape \[4, 6, 2\]"):
        consistency(np.zeros((4, 5, 2)), np.zeros((4, 6, 2)))
    with pytest.raises(InputError, match="not a flow field"):
        consistency(np.zeros((4, 5)), np.zeros((4, 5)))
