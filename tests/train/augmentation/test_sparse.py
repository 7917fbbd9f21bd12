import numpy as np
import pytest

from dinoflow_deploy.train.augmentation.sparse import crop_sparse_flow
from dinoflow_deploy.train.augmentation.spatial import Geometry, crop_dense_flow, draw_geometry
from dinoflow_deploy.train.augmentation.window import place_window
from tests.train.augmentation.colorless import noise_pair, shapes_only

HEIGHT, WIDTH = 70, 120
SAMPLE = noise_pair(HEIGHT, WIDTH, seed=5, valid_share=0.2)
SETTINGS = shapes_only(
    "kitti-mix", 48, 64, min_scale=-0.6, max_scale=0.9, vertical_flip_probability=0.5, stretch_probability=0.5
)


def geometries(number: int) -> list[Geometry]:
    generator = np.random.default_rng(number)
    return [draw_geometry(SETTINGS, HEIGHT, WIDTH, generator) for _ in range(number)]


def arrivals(geometry: Geometry) -> dict[tuple[int, int], np.ndarray]:
    """Label by label: the pixel of the crop that each arrives at, and its flow there."""
    found = {}
    for row, column in np.argwhere(SAMPLE.valid):
        place, factors = [], []
        for value, axis in ((row, geometry.rows), (column, geometry.columns)):
            nearest = round((value - axis.start + 0.5) * axis.scale - 0.5) - axis.offset
            place.append(axis.length - 1 - nearest if axis.flipped else nearest)
            factors.append(-axis.scale if axis.flipped else axis.scale)
        if (
            0 <= place[0] < 48
            and 0 <= place[1] < 64
            and geometry.rows.start <= row < geometry.rows.stop
            and geometry.columns.start <= column < geometry.columns.stop
        ):
            found[place[0], place[1]] = SAMPLE.flow[row, column] * factors[::-1]
    return found


def test_each_label_moves_to_the_nearest_pixel() -> None:
    resized = [geometry for geometry in geometries(60) if geometry.resized]
    assert len(resized) > 30
    for geometry in resized:
        flow, valid = crop_sparse_flow(SAMPLE.flow, SAMPLE.valid, geometry)
        expected = arrivals(geometry)
        assert {(int(y), int(x)) for y, x in np.argwhere(valid)} == set(expected)
        for place, vector in expected.items():
            np.testing.assert_allclose(flow[place], vector, rtol=1e-5)
        assert not flow[~valid].any()
        assert (flow.dtype, valid.dtype) == (np.float32, np.bool_)
        assert flow.flags.c_contiguous
        assert valid.flags.c_contiguous


def test_labels_get_into_row_and_column_0() -> None:
    """RAFT drops them."""
    geometry = Geometry(place_window(HEIGHT, 140, 0, 48), place_window(WIDTH, 240, 0, 64))
    every = np.ones_like(SAMPLE.valid)
    _, valid = crop_sparse_flow(SAMPLE.flow, every, geometry)
    # Every second pixel of each axis, from the first on.
    assert valid.mean() == pytest.approx(1 / 4, abs=0.02)
    assert valid[:2].any()
    assert valid[:, :2].any()


def test_every_label_is_kept_when_enlarged() -> None:
    """As many labels as source pixels that the crop shows; no label twice."""
    for geometry in geometries(40):
        if min(geometry.rows.scale, geometry.columns.scale) <= 1:
            continue
        _, valid = crop_sparse_flow(SAMPLE.flow, SAMPLE.valid, geometry)
        assert valid.sum() == len(arrivals(geometry))
        assert valid.mean() < SAMPLE.valid.mean()


@pytest.mark.parametrize("hole", [np.nan, np.inf, 1e10])
def test_what_is_not_valid_goes_nowhere(hole: float) -> None:
    flow = SAMPLE.flow.copy()
    flow[~SAMPLE.valid] = hole
    broken = SAMPLE.valid.copy()
    broken[10:12] = True
    flow[10:12] = hole
    for geometry in geometries(30):
        found, valid = crop_sparse_flow(flow, broken, geometry)
        assert np.isfinite(found).all()
        assert not found[~valid].any()
        broken_less = SAMPLE.valid.copy()
        broken_less[10:12] = False
        np.testing.assert_array_equal(valid, crop_sparse_flow(SAMPLE.flow, broken_less, geometry)[1])


def test_without_a_resize_it_is_the_dense_form() -> None:
    plain = [geometry for geometry in geometries(60) if not geometry.resized]
    assert len(plain) > 4
    for geometry in plain:
        for found, expected in zip(
            crop_sparse_flow(SAMPLE.flow, SAMPLE.valid, geometry),
            crop_dense_flow(SAMPLE.flow, SAMPLE.valid, geometry),
            strict=True,
        ):
            np.testing.assert_array_equal(found, expected)
