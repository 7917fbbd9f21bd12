import numpy as np
import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import flow_to_rgb
from dinoflow_deploy.video.options import MAX_FLOW_RANGE, VideoOptions
from dinoflow_deploy.video.render import COLORED, RENDERERS
from tests.video.clips import picture

FRAME = picture(0, 96, 64)


def flow_of(u: float, v: float) -> np.ndarray:
    flow = np.zeros((64, 96, 2), np.float32)
    flow[:, 48:] = u, v
    return flow


@pytest.mark.parametrize("name", RENDERERS)
def test_every_kind_gives_a_picture_and_leaves_its_input(name):
    frame, flow = FRAME.copy(), flow_of(5, -3)
    drawn = RENDERERS[name](frame, flow, 6.0)
    assert drawn.dtype == np.uint8
    assert drawn.shape == (64, 192 if name == "side-by-side" else 96, 3)
    np.testing.assert_array_equal(frame, FRAME)
    np.testing.assert_array_equal(flow, flow_of(5, -3))


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("max_flow", MAX_FLOW_RANGE)
def test_no_motion_is_too_long_nor_a_scale_too_small_or_large(name, max_flow):
    drawn = RENDERERS[name](FRAME, flow_of(1e9, -1e9), max_flow)
    assert drawn.shape[0] == 64
    assert not np.array_equal(drawn, RENDERERS[name](FRAME, flow_of(0, 0), max_flow))


@pytest.mark.parametrize("max_flow", [0.0, -3.0, 1e-4, 2e9, np.nan, np.inf])
def test_a_scale_that_says_nothing_is_refused(max_flow):
    with pytest.raises(InputError, match=rf"max-flow is {max_flow}: it must be 0\.001 to 1e\+09 px"):
        VideoOptions(max_flow=max_flow)


def test_flow_is_the_colour_code():
    np.testing.assert_array_equal(
        RENDERERS["flow"](FRAME, flow_of(5, 0), 6.0), flow_to_rgb(flow_of(5, 0), 6.0)
    )


@pytest.mark.parametrize("name", COLORED)
def test_what_is_beyond_the_scale_is_no_dark_hole(name):
    """Motion over twice the scale looks as bright as that at the scale, and just as colourful."""
    at_it, beyond = (RENDERERS[name](FRAME, flow_of(u, 0), 6.0).astype(int) for u in (6, 15))
    np.testing.assert_allclose(beyond, at_it, atol=1)


def test_side_by_side_is_frame_then_flow():
    drawn = RENDERERS["side-by-side"](FRAME, flow_of(5, 0), 6.0)
    np.testing.assert_array_equal(drawn[:, :96], FRAME)
    np.testing.assert_array_equal(drawn[:, 96:], flow_to_rgb(flow_of(5, 0), 6.0))


def test_overlay_is_grey_where_nothing_moves_and_coloured_where_it_does():
    drawn = RENDERERS["overlay"](FRAME, flow_of(6, 0), 6.0).astype(int)
    still, moving = drawn[:, :48], drawn[:, 48:]
    assert np.ptp(still, axis=2).max() <= 1
    assert (moving[..., 0] - moving[..., 1]).min() > 100, "motion to the right is red"
    # Structure of the frame stays visible under the colour.
    assert np.corrcoef(moving[..., 2].ravel(), FRAME[:, 48:].mean(axis=2).ravel())[0, 1] > 0.9


def test_overlay_grows_with_speed():
    red = [
        np.ptp(RENDERERS["overlay"](FRAME, flow_of(u, 0), 8.0)[:, 48:].astype(int), axis=2).mean()
        for u in (1, 3, 8)
    ]
    assert red == sorted(red)
    assert red[0] > 5


@pytest.mark.parametrize(("u", "v"), [(6, 0), (-6, 0), (0, 6), (0, -6)])
def test_arrows_point_where_the_motion_goes(u, v):
    """What is drawn lies ahead of the dots that a still scene has instead."""
    grey = np.full((96, 96, 3), 128, np.uint8)
    flow = np.zeros((96, 96, 2), np.float32)
    flow[:] = u, v
    drawn = RENDERERS["arrows"](grey, flow, 4.0)
    yellow = (drawn[..., 0] > 200) & (drawn[..., 2] < 80)
    still = RENDERERS["arrows"](grey, flow * 0, 4.0)
    feet = np.argwhere((still[..., 0] > 200) & (still[..., 2] < 80)).mean(axis=0)
    shift = np.argwhere(yellow).mean(axis=0) - feet
    assert np.dot(shift, (v, u)) > 0
    assert abs(np.dot(shift, (u, v))) < 1


def test_still_motion_has_no_arrows():
    grey = np.full((96, 96, 3), 128, np.uint8)
    drawn = RENDERERS["arrows"](grey, np.full((96, 96, 2), 0.2, np.float32), 8.0)
    assert not (drawn == 0).all(axis=2).any(), "dark outline belongs to arrows"
    assert (drawn != grey).any()
