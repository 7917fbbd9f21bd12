import numpy as np
import pytest

from dinoflow_deploy.flow import flow_to_rgb
from dinoflow_deploy.video.legend import Legend
from dinoflow_deploy.video.options import MAX_FLOW_RANGE


def drawn(width: int, height: int, max_flow: float = 20.0) -> tuple[np.ndarray, Legend]:
    picture = np.full((height, width, 3), 90, np.uint8)
    legend = Legend()
    legend.draw(picture, width, max_flow)
    return picture, legend


def box(picture: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what was drawn."""
    rows, columns = np.nonzero((picture != 90).any(axis=2))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def saturated(picture: np.ndarray) -> np.ndarray:
    return np.ptp(picture.astype(int), axis=2) > 200


@pytest.mark.parametrize(("width", "height"), [(128, 96), (640, 480), (1920, 1080), (1080, 1920)])
def test_it_stands_in_the_corner_and_follows_the_size_of_the_picture(width, height):
    picture, legend = drawn(width, height)
    assert legend.note is None
    top, bottom, left, right = box(picture)
    assert height - bottom <= 0.03 * height
    assert width - right <= 0.03 * width
    assert 0.02 < (bottom - top) * (right - left) / (width * height) < 0.25
    # The wheel spans at least 28 px, and a tenth of the picture's shorter side.
    rows, _ = np.nonzero(saturated(picture))
    assert np.ptp(rows) >= max(28, 0.1 * min(width, height))


def test_its_colours_are_those_of_the_flow():
    picture, _ = drawn(640, 480)
    rows, columns = np.nonzero(saturated(picture))
    y, x = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    rim = (columns.max() - columns.min()) / 2
    for angle in np.arange(0.1, 2 * np.pi, 0.3):
        for length in (0.4, 0.7, 1.15):  # in lengths of full colour; the rim is at 1.25
            u, v = np.cos(angle) * length, np.sin(angle) * length
            expected = flow_to_rgb(np.array([[[u, v]]], np.float32), 1.0, beyond="clip")[0, 0]
            got = picture[round(y + v * rim / 1.25), round(x + u * rim / 1.25)]
            assert np.abs(got.astype(int) - expected).max() < 25, (angle, length)
    # A dark circle says where colours become full.
    ring = [picture[round(y), round(x + radius)].max() for radius in np.arange(0.7 * rim, 0.9 * rim, 0.5)]
    assert min(ring) < 120


def test_the_text_is_the_scale():
    """Other numbers look otherwise, the same ones alike, and the wheel stays."""
    (one, _), (other, _), (again, _) = drawn(640, 480, 20.0), drawn(640, 480, 35.0), drawn(640, 480, 20.0)
    np.testing.assert_array_equal(one, again)
    rows, _ = np.nonzero((one != other).any(axis=2))
    wheel = np.nonzero(saturated(one))
    assert rows.min() > wheel[0].max()
    assert np.ptp(rows) >= 8


@pytest.mark.parametrize("max_flow", MAX_FLOW_RANGE)
def test_the_wheel_is_there_at_the_ends_of_the_scale(max_flow):
    (usual, _), (extreme, _) = drawn(640, 480), drawn(640, 480, max_flow)
    assert saturated(extreme).sum() == saturated(usual).sum() > 0


@pytest.mark.parametrize(("width", "height"), [(64, 48), (40, 300)])
def test_where_there_is_no_room_nothing_is_drawn_and_that_is_said(width, height):
    picture, legend = drawn(width, height)
    assert (picture == 90).all()
    assert legend.note == f"there is no room for the legend in {width}x{height}"


def test_of_two_halves_the_right_one_decides():
    picture = np.full((96, 128, 3), 90, np.uint8)
    legend = Legend()
    legend.draw(picture, 64, 20.0)
    assert legend.note is None
    legend.draw(picture, 63, 1234.5)
    assert legend.note == "there is no room for the legend in 63x96"
