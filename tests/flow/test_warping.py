import cv2
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import warp

HEIGHT, WIDTH = 37, 51
ROUNDING = 1 / 64
"""Px: OpenCV before 5 rounds positions to 1/32."""


def random_flow(seed: int = 0) -> np.ndarray:
    """Most of it points into the frame; some is whole, some exactly on the last row and column."""
    flow = np.random.default_rng(seed).uniform(-12, 12, (HEIGHT, WIDTH, 2)).astype(np.float32)
    flow[::3] = np.rint(flow[::3])
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    flow[5, :, 0] = (WIDTH - 1) - x[5]
    flow[7, :, 1] = (HEIGHT - 1) - y[7]
    return flow


def random_image(kind: type, channels: tuple[int, ...]) -> np.ndarray:
    """Over the whole range of an integer type; 0 to 1 of a float."""
    generator = np.random.default_rng(1)
    shape = (HEIGHT, WIDTH, *channels)
    if np.issubdtype(kind, np.integer):
        limits = np.iinfo(kind)
        return generator.integers(limits.min, limits.max, shape, kind, endpoint=True)
    return generator.random(shape).astype(kind)


def bilinear(image: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The formula in float64, pixel by pixel; and where all that it takes lies in the image."""
    warped, valid = np.zeros(image.shape), np.zeros(image.shape[:2], bool)
    for row, column in np.ndindex(*valid.shape):
        x, y = (np.float64(place) for place in (np.float32(column), np.float32(row)) + flow[row, column])
        if 0 <= x <= WIDTH - 1 and 0 <= y <= HEIGHT - 1:
            left, top = min(int(x), WIDTH - 2), min(int(y), HEIGHT - 2)
            across, down = x - left, y - top
            patch = image[top : top + 2, left : left + 2].astype(np.float64)
            rows = patch[:, 0] * (1 - across) + patch[:, 1] * across
            warped[row, column] = rows[0] * (1 - down) + rows[1] * down
            valid[row, column] = True
    return warped, valid


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,), (7,)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_it_is_the_bilinear_formula_and_opencvs_remap(kind: type, channels: tuple[int, ...]) -> None:
    image, flow = random_image(kind, channels), random_flow()
    warped, valid = warp(image, flow)
    assert (warped.shape, warped.dtype) == (image.shape, image.dtype)
    expected, inside = bilinear(image, flow)
    np.testing.assert_array_equal(valid, inside)
    assert 0.4 < valid.mean() < 0.9
    # Neighbours differ by the range at most, in each of two directions; integers are rounded too.
    span = float(image.max()) - float(image.min())
    bound = 2 * ROUNDING * span + (0.5 if np.issubdtype(kind, np.integer) else 1e-6)
    assert np.abs(warped.astype(np.float64) - expected).max() <= bound
    assert not warped[~valid].any()
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    remapped = cv2.remap(image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR).reshape(image.shape)
    np.testing.assert_array_equal(warped[valid], remapped[valid])


def test_whole_pixels_are_copied() -> None:
    image = random_image(np.uint8, (3,))
    warped, valid = warp(image, np.full((HEIGHT, WIDTH, 2), (3, -2), np.float32))
    np.testing.assert_array_equal(warped[2:, :-3], image[:-2, 3:])
    assert valid.sum() == valid[2:, :-3].sum() == (HEIGHT - 2) * (WIDTH - 3)


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf, 1e10, -1e30])
@pytest.mark.parametrize("component", [0, 1])
def test_unknown_flow_is_not_valid(unknown: float, component: int) -> None:
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[4, 6, component] = unknown
    image = random_image(np.float32, ())
    warped, valid = warp(image, flow)
    assert not valid[4, 6]
    assert valid.sum() == valid.size - 1
    image[4, 6] = 0
    np.testing.assert_array_equal(warped, image)


def test_one_pixel_is_an_image() -> None:
    image = np.full((1, 1, 3), 9, np.uint8)
    warped, valid = warp(image, np.zeros((1, 1, 2)))
    np.testing.assert_array_equal(warped, image)
    assert valid.all()


@pytest.mark.parametrize(
    ("image", "flow", "message"),
    [
        (np.zeros((4, 5)), np.zeros((4, 6, 2)), r"shape \[4, 5\] does not fit flow of shape \[4, 6, 2\]"),
        (np.zeros((1, 4, 5, 3)), np.zeros((4, 5, 2)), r"\[1, 4, 5, 3\] does not fit"),
        (np.zeros((4, 5, 0)), np.zeros((4, 5, 2)), r"\[4, 5, 0\] does not fit"),
        (np.zeros((4, 5), bool), np.zeros((4, 5, 2)), "type bool cannot be interpolated: .* one of uint8"),
        (np.zeros((4, 5), np.int64), np.zeros((4, 5, 2)), "type int64 cannot"),
        (np.zeros((4, 5)), np.zeros((4, 5, 3)), "not a flow field"),
        (np.zeros((1, 32767)), np.zeros((1, 32767, 2)), "1x32767 .* at most 32766 px a side"),
    ],
)
def test_what_cannot_be_warped_is_refused(image: np.ndarray, flow: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        warp(image, flow)


def test_the_longest_side_that_is_taken_is_opencvs() -> None:
    image = np.arange(32766, dtype=np.uint16)[np.newaxis]
    warped, _ = warp(image, np.zeros((1, 32766, 2)))
    np.testing.assert_array_equal(warped, image)
