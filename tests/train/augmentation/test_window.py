"""The window of a crop against the whole resized axis, in exact coordinates."""

import numpy as np
import pytest

from dinoflow_deploy.train.augmentation.window import AxisWindow, draw_window, place_window

RNG = np.random.default_rng(0)
CASES = [
    (int(size), round(size * scale), int(crop))
    for size, crop, scale in zip(
        RNG.integers(40, 1300, 400), RNG.integers(16, 600, 400), 2 ** RNG.uniform(-2, 2, 400), strict=True
    )
    if crop <= round(size * scale)
]


def positions(window: AxisWindow) -> np.ndarray:
    """Where in the frame the pixels of a crop, not flipped, are taken, by the rule of pixel centres."""
    within = np.arange(window.crop.start, window.crop.stop)
    return window.start + (within + 0.5) / window.scale - 0.5


def test_there_are_cases() -> None:
    assert len(CASES) > 200


@pytest.mark.parametrize("place", [0.0, 0.3, 0.5, 0.99, 1.0])
def test_a_window_is_the_crop_of_the_whole_axis(place: float) -> None:
    for size, resized, crop in CASES:
        offset = round(place * (resized - crop))
        window = place_window(size, resized, offset, crop)
        assert 0 <= window.start < window.stop <= size
        assert 0 <= window.crop.start <= window.crop.stop - crop <= window.size - crop
        # The scale is the drawn one to the nearest whole size of the part.
        part = window.stop - window.start
        assert abs(window.scale - resized / size) <= 0.5001 / part or window.size == crop
        whole = (offset + np.arange(crop) + 0.5) * size / resized - 0.5
        # Less than a pixel of the crop off at the start, and drifting no more than its rounding to the end.
        step = size / resized
        assert abs(positions(window)[0] - whole[0]) <= 1.01 * step
        assert abs(positions(window)[-1] - whole[-1]) <= 1.51 * step


@pytest.mark.parametrize("place", [0.0, 0.3, 0.5, 0.99, 1.0])
def test_nothing_but_the_frames_own_edge_is_cut(place: float) -> None:
    """Both pixels that a bilinear value rests on are in the part, or there is none in the frame."""
    for size, resized, crop in CASES:
        window = place_window(size, resized, round(place * (resized - crop)), crop)
        taken = positions(window)
        first, last = np.floor(taken[0]), np.ceil(taken[-1])
        assert first >= window.start or window.start == 0
        assert last <= window.stop - 1 or window.stop == size


def test_what_is_resized_is_hardly_more_than_the_crop_needs() -> None:
    for size, resized, crop in CASES:
        window = place_window(size, resized, (resized - crop) // 2, crop)
        assert window.stop - window.start <= crop * size / resized + 5


def test_every_offset_is_drawn() -> None:
    generator = np.random.default_rng(0)
    starts = [draw_window(20, 16, 1.0, generator).start for _ in range(500)]
    assert set(starts) == {0, 1, 2, 3, 4}
    assert np.bincount(starts).min() > 60
    assert draw_window(16, 16, 1.0, generator) == AxisWindow(0, 16, 16, 0, 16, False)


def test_margins_favour_the_edges() -> None:
    generator = np.random.default_rng(0)
    draws = [draw_window(20, 16, 1.0, generator, margin_before=8, margin_after=8) for _ in range(2000)]
    counts = np.bincount([draw.start for draw in draws]) / 2000
    # 21 offsets from -8 to 12: nine fall on either edge.
    np.testing.assert_allclose(counts, [9 / 21, 1 / 21, 1 / 21, 1 / 21, 9 / 21], atol=0.04)


def test_a_flipped_axis_has_its_margins_at_the_other_end() -> None:
    generator = np.random.default_rng(0)
    options = {"flip_probability": 1.0, "margin_after": 100}
    draws = [draw_window(20, 16, 1.0, generator, **options) for _ in range(200)]
    assert all(draw.flipped for draw in draws)
    assert sum(draw.start == 0 for draw in draws) > 180


def test_the_scale_of_the_draw_is_kept() -> None:
    generator = np.random.default_rng(0)
    for scale in 2 ** generator.uniform(-0.5, 1.5, 300):
        window = draw_window(540, 300, scale, generator)
        assert window.scale == pytest.approx(scale, rel=0.5 / (window.stop - window.start) / scale + 1e-3)
        assert window.length == 300
