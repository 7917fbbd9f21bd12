import re

import pytest

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.video.frame_source import fitted_size

DYNAMIC = InputRange(AxisRange(1, 1, 16), AxisRange(64, 448, 2048), AxisRange(128, 1024, 2048))


@pytest.mark.parametrize(
    ("size", "padded"),
    [
        ((448, 1024), (448, 1024)),
        # Sintel and the four sizes of KITTI.
        ((436, 1024), (448, 1024)),
        ((375, 1242), (384, 1248)),
        ((370, 1224), (384, 1232)),
        ((374, 1238), (384, 1248)),
        ((376, 1241), (384, 1248)),
        ((449, 1025), (464, 1040)),
        ((16, 16), (64, 128)),
        ((2047, 2048), (2048, 2048)),
    ],
)
def test_pads_to_a_multiple_within_the_range(size: tuple[int, int], padded: tuple[int, int]) -> None:
    padding = DYNAMIC.padding(*size)
    assert (padding.padded_height, padding.padded_width) == padded


def test_static_sizes_pad_to_the_one_size() -> None:
    static = InputRange(AxisRange.fixed(1), AxisRange.fixed(384), AxisRange.fixed(512))
    padding = static.padding(100, 512)
    assert (padding.padded_height, padding.padded_width) == (384, 512)
    with pytest.raises(InputError, match=r"385x512.*height is 384.*resize the frames .*, or export"):
        static.padding(385, 512)


def test_a_frame_beyond_the_range_is_refused_with_size_limit_and_fix() -> None:
    with pytest.raises(InputError, match=r"448x2049.*width is 128\.\.2048.*resize the frames .*, or export"):
        DYNAMIC.padding(448, 2049)


def test_the_side_that_is_advised_fits_and_a_larger_one_does_not() -> None:
    """As ``video`` shrinks frames: the shorter side follows the longer one, both even."""
    limits = InputRange(AxisRange.fixed(1), AxisRange(64, 448, 1088), AxisRange(64, 1024, 1920))
    for width, height in ((3840, 2160), (2160, 3840), (1920, 1200), (1930, 300), (5000, 5000), (4096, 1716)):
        with pytest.raises(InputError, match=r"resize the frames \(video: --max-side \d+\)") as refused:
            limits.padding(height, width)
        side = int(re.search(r"--max-side (\d+)", str(refused.value))[1])
        fitted_width, fitted_height = fitted_size(width, height, side)
        limits.padding(fitted_height, fitted_width)
        larger_width, larger_height = fitted_size(width, height, side + 4)
        with pytest.raises(InputError):
            limits.padding(larger_height, larger_width)


@pytest.mark.parametrize("size", [(15, 100), (100, 15), (0, 100)])
def test_a_frame_below_16_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"too small.*at least 16"):
        DYNAMIC.padding(*size)


def test_an_unlimited_range_takes_any_size() -> None:
    padding = InputRange.unlimited().padding(10_000, 20_001)
    assert (padding.padded_height, padding.padded_width) == (10_000, 20_016)


@pytest.mark.parametrize("limits", [(0, 1, 2), (2, 1, 3), (1, 4, 3)])
def test_an_empty_axis_is_refused(limits: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="min <= opt <= max"):
        AxisRange(*limits)


def test_sides_must_be_multiples_of_the_stride() -> None:
    with pytest.raises(InputError, match="height of 100 is not a multiple of 16"):
        InputRange(AxisRange.fixed(1), AxisRange.fixed(100), AxisRange.fixed(64))
