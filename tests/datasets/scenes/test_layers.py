"""Rendering and flow of hand-made layers, whose motion and occlusion are known."""

import numpy as np
import pytest

from dinoflow_deploy.datasets.scenes.layers import Layer, flow_between, occlusion, render
from dinoflow_deploy.datasets.scenes.motion import affine

HEIGHT, WIDTH = 48, 64
ORIGIN = np.zeros(2)


def moved(x: float, y: float) -> np.ndarray:
    return affine(ORIGIN, np.array([x, y]))


@pytest.fixture
def layers() -> list[Layer]:
    rng = np.random.default_rng(0)
    textures = [rng.integers(0, 256, (80, 80, 3)).astype(np.uint8) for _ in range(2)]
    # Corners between pixel centres: the rectangle covers 12 x 8 pixels, none of them in part.
    corners = np.array([[-0.5, -0.5], [11.5, -0.5], [11.5, 7.5], [-0.5, 7.5]])
    return [Layer(textures[0], np.eye(3), None), Layer(textures[1], np.eye(3), [corners])]


def test_background_by_whole_pixels_is_copied(layers: list[Layer]) -> None:
    frame, numbers = render(layers[:1], [moved(-3, -5)], HEIGHT, WIDTH)
    np.testing.assert_array_equal(frame, layers[0].texture[5 : 5 + HEIGHT, 3 : 3 + WIDTH])
    assert not numbers.any()


def test_object_covers_its_outline(layers: list[Layer]) -> None:
    frame, numbers = render(layers, [np.eye(3), moved(20, 10)], HEIGHT, WIDTH)
    rows, columns = np.nonzero(numbers)
    assert rows.min() in (9, 10)
    assert columns.min() in (19, 20)
    assert rows.max() in (17, 18)
    assert columns.max() in (31, 32)
    np.testing.assert_array_equal(frame[11:17, 21:31], layers[1].texture[1:7, 1:11])
    np.testing.assert_array_equal(frame[numbers == 0][:64], layers[0].texture[0, :64])


def test_hole_shows_the_background(layers: list[Layer]) -> None:
    outer = 12 * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    ring = Layer(layers[1].texture, np.eye(3), [outer, outer / 2])
    frame, numbers = render([layers[0], ring], [np.eye(3), moved(24, 24)], HEIGHT, WIDTH)
    assert numbers[24, 24] == 0
    assert numbers[24, 15] == 1
    np.testing.assert_array_equal(frame[20:28, 20:28], layers[0].texture[20:28, 20:28])


def test_objects_off_the_frame_change_nothing(layers: list[Layer]) -> None:
    alone, _ = render(layers[:1], [np.eye(3)], HEIGHT, WIDTH)
    for position in ((-30, 10), (10, -30), (WIDTH + 5, 10), (10, HEIGHT + 5)):
        frame, numbers = render(layers, [np.eye(3), moved(*position)], HEIGHT, WIDTH)
        np.testing.assert_array_equal(frame, alone)
        assert not numbers.any()


def test_pure_translations_and_their_occlusion_are_exact(layers: list[Layer]) -> None:
    first, second = [np.eye(3), moved(20, 10)], [moved(4, 0), moved(14, 16)]
    numbers1 = render(layers, first, HEIGHT, WIDTH)[1]
    numbers2 = render(layers, second, HEIGHT, WIDTH)[1]
    flow = flow_between(first, second, numbers1)
    occluded = occlusion(flow, numbers1, numbers2)
    assert flow.dtype == np.float32
    assert (flow[numbers1 == 0] == [4, 0]).all()
    assert (flow[numbers1 == 1] == [-6, 6]).all()
    # Background pixels whose place four pixels to the right is covered, or outside.
    expected = np.ones((HEIGHT, WIDTH), bool)
    expected[:, : WIDTH - 4] = numbers2[:, 4:] == 1
    expected[numbers1 == 1] = False
    np.testing.assert_array_equal(occluded, expected)


def test_front_object_hides_the_one_behind(layers: list[Layer]) -> None:
    three = [*layers, layers[1]]
    first, second = [np.eye(3), moved(10, 20), moved(40, 20)], [np.eye(3), moved(25, 20), moved(25, 20)]
    numbers1 = render(three, first, HEIGHT, WIDTH)[1]
    numbers2 = render(three, second, HEIGHT, WIDTH)[1]
    occluded = occlusion(flow_between(first, second, numbers1), numbers1, numbers2)
    assert occluded[numbers1 == 1].all()
    assert not occluded[numbers1 == 2].any()


def test_rotation_and_scale_follow_the_formula(layers: list[Layer]) -> None:
    centre, angle, scale = np.array([30.0, 20.0]), 0.2, 1.1
    second = affine(centre, np.array([2.0, -3.0]), angle, scale)
    numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
    flow = flow_between([np.eye(3)], [second], numbers)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    turned = scale * np.exp(1j * angle) * ((x - 30) + 1j * (y - 20))
    np.testing.assert_allclose(flow[..., 0], turned.real + 30 + 2 - x, atol=1e-4)
    np.testing.assert_allclose(flow[..., 1], turned.imag + 20 - 3 - y, atol=1e-4)


def test_front_object_is_never_hidden_by_its_own_rim(layers: list[Layer]) -> None:
    first = [np.eye(3), moved(20, 20)]
    second = [np.eye(3), affine(ORIGIN, np.array([30.4, 18.7]), 0.5, 0.8)]
    numbers1 = render(layers, first, HEIGHT, WIDTH)[1]
    numbers2 = render(layers, second, HEIGHT, WIDTH)[1]
    occluded = occlusion(flow_between(first, second, numbers1), numbers1, numbers2)
    assert not occluded[numbers1 == 1].any()
