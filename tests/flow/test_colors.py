import cv2
import flow_vis
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import flow_to_rgb
from dinoflow_deploy.flow.colors import color_wheel

EPSILON = 1e-5


def smooth_flow(seed: int = 0, scale: float = 30.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(97, 131, 2)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 8)
    return smooth / np.abs(smooth).max() * np.float32(scale)


def oracle(flow: np.ndarray, max_flow: float) -> np.ndarray:
    u, v = np.moveaxis(flow.astype(np.float64) / (max_flow + EPSILON), -1, 0)
    return flow_vis.flow_uv_to_colors(u, v)


def assert_within_one_level(image: np.ndarray, expected: np.ndarray) -> None:
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image.astype(int), expected.astype(int), atol=1, rtol=0)


def test_wheel_is_flow_vis_wheel() -> None:
    np.testing.assert_array_equal(color_wheel(), flow_vis.make_colorwheel())


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_measured_maximum_is_flow_vis_default(scale: float) -> None:
    # float64 for the oracle: in float32 its own longest vector can round to just beyond the rim.
    flow = smooth_flow(scale=scale)
    assert_within_one_level(flow_to_rgb(flow), flow_vis.flow_to_color(flow.astype(np.float64)))


@pytest.mark.parametrize("max_flow", [3.0, 17.3, 1000.0])
def test_fixed_maximum_is_flow_vis_at_that_normalisation(max_flow: float) -> None:
    flow = smooth_flow()
    image = flow_to_rgb(flow, max_flow)
    assert_within_one_level(image, oracle(flow, max_flow))


def test_every_direction_at_the_rim_inside_and_beyond() -> None:
    angle = np.linspace(0, 2 * np.pi, 100_003)[1:-1]
    for radius in (0.2, 0.999, 1.001, 5.0):
        flow = (radius * np.stack([np.cos(angle), np.sin(angle)], -1))[None].astype(np.float32)
        assert_within_one_level(flow_to_rgb(flow, 1.0), oracle(flow, 1.0))


def test_known_directions() -> None:
    flow = np.array([[[4, 0], [0, 4], [-4, 0], [0, -4], [0, 0], [8, 0]]], np.float32)
    image = flow_to_rgb(flow, 4.0)[0].astype(int)
    np.testing.assert_allclose(image[0], [255, 0, 0], atol=1)
    np.testing.assert_allclose(image[4], [255, 255, 255], atol=0)
    # Beyond the maximum: the rim's hue at three quarters of its brightness.
    np.testing.assert_allclose(image[5], [191, 0, 0], atol=1)
    assert_within_one_level(image[None].astype(np.uint8), oracle(flow, 4.0))


@pytest.mark.parametrize("length", [4.0, 4.2, 40.0])
def test_clipped_motion_beyond_the_maximum_looks_like_the_maximum(length: float) -> None:
    angle = np.linspace(0, 2 * np.pi, 1000)
    rim = np.stack([np.cos(angle), np.sin(angle)], -1)[None].astype(np.float32)
    clipped = flow_to_rgb(rim * np.float32(length), 4.0, beyond="clip")
    assert_within_one_level(clipped, oracle(rim * np.float32(3.9999), 4.0))
    assert (clipped.max(axis=2) >= 254).all(), "as bright as full colour is"
    inside = smooth_flow(scale=3.9)
    np.testing.assert_array_equal(flow_to_rgb(inside, 4.0, beyond="clip"), flow_to_rgb(inside, 4.0))


def test_another_way_to_draw_what_is_beyond_is_refused() -> None:
    with pytest.raises(InputError, match="beyond is 'fade': choose one of darken, clip"):
        flow_to_rgb(smooth_flow(), 4.0, beyond="fade")


def test_still_field_is_white() -> None:
    assert (flow_to_rgb(np.zeros((4, 5, 2), np.float32)) == 255).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e10])
@pytest.mark.parametrize("component", [0, 1])
@pytest.mark.filterwarnings("error")
def test_unknown_pixels_are_black_and_change_nothing_else(bad: float, component: int) -> None:
    flow = smooth_flow()
    flow[40, 50] = 0
    expected = flow_to_rgb(flow)
    flow[40, 50, component] = bad
    image = flow_to_rgb(flow)
    np.testing.assert_array_equal(image[40, 50], 0)
    image[40, 50] = expected[40, 50]
    np.testing.assert_array_equal(image, expected)


def test_invalid_pixels_are_black_and_do_not_set_the_maximum() -> None:
    flow = smooth_flow()
    valid = np.ones(flow.shape[:2], bool)
    valid[:10] = False
    expected = flow_to_rgb(flow[10:])
    flow[:10] *= 100
    image = flow_to_rgb(flow, valid=valid)
    np.testing.assert_array_equal(image[:10], 0)
    np.testing.assert_array_equal(image[10:], expected)


def test_nothing_valid_is_all_black() -> None:
    assert (flow_to_rgb(np.full((3, 4, 2), np.nan, np.float32)) == 0).all()


def test_the_input_is_left_alone_and_may_be_a_view() -> None:
    flow = smooth_flow()
    before = flow.copy()
    np.testing.assert_array_equal(flow_to_rgb(flow[::2, ::-1]), flow_to_rgb(flow[::2, ::-1].copy()))
    np.testing.assert_array_equal(flow, before)


@pytest.mark.parametrize("max_flow", [0.0, -3.0, np.nan, np.inf])
def test_impossible_maximum_is_refused(max_flow: float) -> None:
    with pytest.raises(InputError, match="must be a positive number of pixels"):
        flow_to_rgb(smooth_flow(), max_flow)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (2, 4, 5), (0, 5, 2)])
def test_what_is_no_flow_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"must be \[H, W, 2\]"):
        flow_to_rgb(np.zeros(shape, np.float32))


def test_integers_and_wrong_masks_are_refused() -> None:
    with pytest.raises(InputError, match="floating point"):
        flow_to_rgb(np.zeros((4, 5, 2), np.int16))
    with pytest.raises(InputError, match=r"must be bool \(4, 5\)"):
        flow_to_rgb(np.zeros((4, 5, 2), np.float32), valid=np.ones((5, 4), bool))
    with pytest.raises(InputError, match="must be bool"):
        flow_to_rgb(np.zeros((4, 5, 2), np.float32), valid=np.ones((4, 5), np.uint8))


def test_no_vector_inside_or_just_outside_the_wheel_is_off_by_more_than_a_level() -> None:
    """More than ten for each cell of the table of colours where the wheel is steepest, the seam included."""
    rng = np.random.default_rng(5)
    angle = np.concatenate([rng.uniform(0, 2 * np.pi, 300_000), rng.normal(scale=0.003, size=20_000)])
    radius = np.sqrt(rng.uniform(0, 1.05, len(angle)))
    flow = (7.0 * radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)).astype(np.float32)
    assert_within_one_level(flow_to_rgb(flow[None], 7.0), oracle(flow[None], 7.0))


def test_the_table_takes_motion_as_it_is_computed() -> None:
    """Inside of the wheel colours come from the table, beyond it, one pixel is computed, or a whole image."""
    flow = smooth_flow(scale=3.9)
    expected = flow_to_rgb(flow, 4.0)
    flow[3, 5] = 100, -100
    drawn = flow_to_rgb(flow, 4.0)
    np.testing.assert_array_equal(
        drawn[3, 5], flow_to_rgb(np.full((2, 2, 2), (100, -100), np.float32), 4.0)[0, 0]
    )
    drawn[3, 5] = expected[3, 5]
    np.testing.assert_array_equal(drawn, expected)
