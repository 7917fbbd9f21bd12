"""Frames and dense labels against SciPy's interpolation and affine flow, which interpolates exactly."""

import numpy as np
import pytest
import scipy

from dinoflow_deploy.train.augmentation.spatial import Geometry, crop_dense_flow, crop_frame, draw_geometry
from dinoflow_deploy.train.augmentation.window import AxisWindow
from tests.train.augmentation.colorless import noise_pair, shapes_only

HEIGHT, WIDTH = 75, 90
SAMPLE = noise_pair(HEIGHT, WIDTH)
SETTINGS = shapes_only(
    "things", 48, 56, min_scale=-0.6, max_scale=1.2, max_stretch=0.4, vertical_flip_probability=0.5
)
KINDS = ("resized", "not resized")


def geometries(number: int, settings=SETTINGS) -> list[Geometry]:
    generator = np.random.default_rng(number)
    return [draw_geometry(settings, HEIGHT, WIDTH, generator) for _ in range(number)]


def source_positions(geometry: Geometry) -> np.ndarray:
    """`[2, h, w]`: row and column of the frame that each pixel of the crop shows."""
    axes = []
    for axis in (geometry.rows, geometry.columns):
        positions = axis.start + (axis.offset + np.arange(axis.length) + 0.5) / axis.scale - 0.5
        axes.append(positions[::-1] if axis.flipped else positions)
    return np.array(np.meshgrid(*axes, indexing="ij"))


def interpolated(image: np.ndarray, geometry: Geometry, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    positions = source_positions(geometry) + np.reshape(shift, (2, 1, 1))
    return scipy.ndimage.map_coordinates(image.astype(np.float64), positions, order=1, mode="nearest")


def max_share_nearby(image: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The same at the positions and a ten-thousandth of a pixel around them."""
    steps = (-1e-4, 0, 1e-4)
    return np.max([interpolated(image, geometry, (y, x)) for y in steps for x in steps], axis=0)


def test_draws_are_of_every_kind() -> None:
    found = geometries(200)
    assert {geometry.resized for geometry in found} == {True, False}
    flips = {(geometry.rows.flipped, geometry.columns.flipped) for geometry in found}
    assert len(flips) == 4


def test_frames_are_interpolated_between_pixel_centres() -> None:
    for geometry in geometries(150):
        found = crop_frame(SAMPLE.frame1, geometry)
        assert found.dtype == np.uint8
        assert found.shape == (48, 56, 3)
        assert found.flags.c_contiguous
        assert not np.shares_memory(found, SAMPLE.frame1)
        for channel in range(3):
            expected = interpolated(SAMPLE.frame1[..., channel], geometry)
            # OpenCV's weights of bytes have 11 bits.
            assert np.abs(found[..., channel] - expected).max() <= 1


def test_flow_is_interpolated_alike_and_scaled_by_the_exact_ratio() -> None:
    for geometry in geometries(150):
        flow, valid = crop_dense_flow(SAMPLE.flow, SAMPLE.valid, geometry)
        assert valid.all()
        assert (flow.dtype, valid.dtype) == (np.float32, np.bool_)
        assert flow.flags.c_contiguous
        assert valid.flags.c_contiguous
        assert not np.shares_memory(flow, SAMPLE.flow)
        for component, axis in enumerate((geometry.columns, geometry.rows)):
            sign = -1 if axis.flipped else 1
            expected = sign * axis.scale * interpolated(SAMPLE.flow[..., component], geometry)
            np.testing.assert_allclose(flow[..., component], expected, atol=2e-4)


def test_points_that_belong_together_stay_together() -> None:
    """Affine flow moves p to q(p); the crop's flow must move T(p) to T(q(p)), T being the crop's mapping."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    affine = np.stack([0.1 * x - 0.2 * y + 3, 0.15 * x + 0.05 * y - 7], axis=-1)
    for geometry in geometries(150):
        flow, _ = crop_dense_flow(affine.astype(np.float32), SAMPLE.valid, geometry)
        rows, columns = source_positions(geometry)
        # Interpolation is exact inside the frame.
        inside = (rows >= 0) & (rows <= HEIGHT - 1) & (columns >= 0) & (columns <= WIDTH - 1)
        to_x = columns + 0.1 * columns - 0.2 * rows + 3
        to_y = rows + 0.15 * columns + 0.05 * rows - 7
        crop_y, crop_x = np.mgrid[: flow.shape[0], : flow.shape[1]]
        # Where the crop shows them: T by a straight line through what the crop's own pixels show.
        expected_x = np.polyval(np.polyfit(columns[0], crop_x[0], 1), to_x)
        expected_y = np.polyval(np.polyfit(rows[:, 0], crop_y[:, 0], 1), to_y)
        np.testing.assert_allclose((crop_x + flow[..., 0])[inside], expected_x[inside], atol=1e-3)
        np.testing.assert_allclose((crop_y + flow[..., 1])[inside], expected_y[inside], atol=1e-3)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf, 1e10, 1e30, 7.0])
def test_a_pixel_is_valid_where_all_that_it_rests_on_are(hole: float) -> None:
    generator = np.random.default_rng(3)
    valid = generator.random((HEIGHT, WIDTH)) > 0.02
    flow = SAMPLE.flow.copy()
    flow[~valid] = hole
    zeroed = np.where(valid[..., None], SAMPLE.flow, 0)
    for geometry in geometries(60):
        found, found_valid = crop_dense_flow(flow, valid, geometry)
        # A share of an invalid pixel is a weight above 0.
        share = interpolated(~valid, geometry)
        np.testing.assert_array_equal(found_valid[share > 1e-6], False)
        # OpenCV's positions are rounded: what is invalid beyond that is next to a share.
        near = max_share_nearby(~valid, geometry)
        np.testing.assert_array_equal(found_valid[near == 0], True)
        assert (~found_valid).sum() <= 1.02 * (share > 0).sum() + 5
        assert 0.5 < found_valid.mean() < 1
        assert np.isfinite(found).all()
        assert (found[~found_valid] == 0).all()
        # Where valid, as if there were no holes.
        whole, _ = crop_dense_flow(SAMPLE.flow, SAMPLE.valid, geometry)
        np.testing.assert_allclose(found[found_valid], whole[found_valid], atol=1e-4)
        again, _ = crop_dense_flow(zeroed, valid, geometry)
        np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("hole", [np.nan, np.inf, 1e10])
def test_flow_that_is_none_is_invalid_whatever_the_mask_says(hole: float) -> None:
    flow = SAMPLE.flow.copy()
    flow[20:40, 20:60, 1] = hole
    marked = SAMPLE.valid.copy()
    marked[20:40, 20:60] = False
    for geometry in geometries(40):
        found = crop_dense_flow(flow, SAMPLE.valid, geometry)
        expected = crop_dense_flow(SAMPLE.flow, marked, geometry)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_without_a_resize_the_crop_is_a_slice() -> None:
    rows, columns = AxisWindow(5, 53, 48, 0, 48, False), AxisWindow(7, 63, 56, 0, 56, True)
    geometry = Geometry(rows, columns)
    part = np.s_[5:53, 7:63]
    np.testing.assert_array_equal(crop_frame(SAMPLE.frame1, geometry), SAMPLE.frame1[part][:, ::-1])
    flow, valid = crop_dense_flow(SAMPLE.flow, SAMPLE.valid, geometry)
    np.testing.assert_array_equal(flow, SAMPLE.flow[part][:, ::-1] * np.float32([-1, 1]))
    assert valid.all()


def test_a_pair_that_is_not_valid_anywhere() -> None:
    for geometry in geometries(20):
        flow, valid = crop_dense_flow(SAMPLE.flow * np.nan, ~SAMPLE.valid, geometry)
        assert not valid.any()
        assert not flow.any()
