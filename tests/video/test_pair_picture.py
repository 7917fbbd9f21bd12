import numpy as np
import pytest

from dinoflow_deploy.video.color_scale import FlowFrame
from dinoflow_deploy.video.frame_source import Frame
from dinoflow_deploy.video.pair_picture import draw_pair, hatched
from dinoflow_deploy.video.render import RENDERERS
from tests.video.clips import picture

FIRST, SECOND = picture(0, 96, 64), picture(5, 96, 64)
FORWARD, BACKWARD = (np.full((64, 96, 2), motion, np.float32) for motion in ((3, 2), (-4, 1)))
OCCLUDED, BACKWARD_OCCLUDED = np.zeros((2, 64, 96), bool)
OCCLUDED[10:30, 20:40] = OCCLUDED[50, 60:67] = True
BACKWARD_OCCLUDED[30:40, 5:15] = True


def pair(**optional):
    return FlowFrame(Frame(0, FIRST, 0), FORWARD, 1, **optional)


def panels(drawn, render):
    """What the two directions look like."""
    return np.vsplit(drawn, 2) if render == "side-by-side" else np.hsplit(drawn, 2)


@pytest.mark.parametrize("render", RENDERERS)
def test_backward_flow_is_drawn_on_the_second_frame_beside_forward_flow(render):
    drawn = draw_pair(pair(second=SECOND, backward=BACKWARD), render, 6.0)
    assert drawn.shape == ((128, 192, 3) if render == "side-by-side" else (64, 192, 3))
    forward, backward = panels(drawn, render)
    np.testing.assert_array_equal(forward, RENDERERS[render](FIRST, FORWARD, 6.0))
    np.testing.assert_array_equal(backward, RENDERERS[render](SECOND, BACKWARD, 6.0))


@pytest.mark.parametrize("render", ["flow", "overlay", "side-by-side"])
def test_occluded_pixels_are_grey_and_no_others_change(render):
    both = pair(occluded=OCCLUDED, second=SECOND, backward=BACKWARD, backward_occluded=BACKWARD_OCCLUDED)
    drawn = panels(draw_pair(both, render, 6.0), render)
    plain = panels(draw_pair(pair(second=SECOND, backward=BACKWARD), render, 6.0), render)
    for with_stripes, without, occluded in zip(drawn, plain, (OCCLUDED, BACKWARD_OCCLUDED), strict=True):
        where = np.zeros(without.shape[:2], bool)
        where[:, -96:] = occluded
        np.testing.assert_array_equal(with_stripes[~where], without[~where])
        assert np.ptp(with_stripes[where], axis=-1).max() == 0
        # Still scenes are white, unknown flow is black.
        assert 40 < with_stripes[where].min() < with_stripes[where].max() < 215


def test_arrows_are_drawn_over_the_stripes():
    drawn = draw_pair(pair(occluded=OCCLUDED), "arrows", 6.0)
    np.testing.assert_array_equal(drawn, RENDERERS["arrows"](hatched(FIRST, OCCLUDED), FORWARD, 6.0))
    inside = drawn[OCCLUDED].astype(int)
    assert (inside[:, 0] - inside[:, 2] > 150).any(), "yellow"
    assert (np.ptp(inside, axis=-1) == 0).mean() > 0.5, "grey"


@pytest.mark.parametrize(("height", "width"), [(64, 96), (270, 480), (1080, 1920)])
def test_stripes_are_seen_in_small_parts_at_every_size(height, width):
    image = np.full((height, width, 3), 255, np.uint8)
    where = np.zeros((height, width), bool)
    # A thin line, which stripes cut into dashes, and a patch.
    across = width // 32
    where[height // 2, :across] = where[:across, width // 2 : width // 2 + across] = True
    drawn = hatched(image, where)
    np.testing.assert_array_equal(image, 255)
    for part in (drawn[height // 2, :across], drawn[:across, width // 2 : width // 2 + across]):
        assert len(np.unique(part)) == 2
        assert int(part.max()) - int(part.min()) > 80
    assert (drawn[~where] == 255).all()
