import dataclasses
import math

import numpy as np
import pytest
import scipy

from dinoflow_deploy.train.augmentation import PRESETS, augmentation_preset
from dinoflow_deploy.train.augmentation.scale import clipped_shares, draw_scale

CHAIRS, THINGS = (384, 512), (540, 960)


def square(preset: str, side: int = 512, **changes: float):
    return augmentation_preset(preset, crop_height=side, crop_width=side, **changes)


@pytest.mark.parametrize(
    ("preset", "crop", "size", "least", "share"),
    [
        # The share of draws whose common factor is below the limit, by the even distribution of its exponent.
        ("chairs", (512, 512), CHAIRS, 520 / 384, (math.log2(520 / 384) + 0.1) / 1.1),
        ("chairs", (368, 496), CHAIRS, 504 / 512, (math.log2(504 / 512) + 0.1) / 1.1),
        ("things", (512, 512), THINGS, 520 / 540, (math.log2(520 / 540) + 0.4) / 1.2),
        ("things", (400, 720), THINGS, 728 / 960, 0.0009),
    ],
)
def test_how_often_the_crop_decides(preset, crop, size, least, share) -> None:
    settings = augmentation_preset(preset, crop_height=crop[0], crop_width=crop[1])
    found = clipped_shares(settings, *size, 4000, np.random.default_rng(0))
    assert found.least == pytest.approx(least)
    assert found.common == pytest.approx(share, abs=0.025)
    forced = 0.2 if min(size[0] - crop[0], size[1] - crop[1]) < 0 else 0
    assert found.forced == pytest.approx(forced, abs=0.02)
    assert found.both_axes <= found.any_axis
    assert found.decided == found.any_axis + found.forced


def test_a_frame_smaller_than_the_crop_is_always_enlarged() -> None:
    generator = np.random.default_rng(0)
    for _ in range(500):
        scale = draw_scale(square("chairs"), *CHAIRS, generator)
        assert min(scale.x, scale.y) >= 520 / 384
        if scale.forced:
            assert scale.x == scale.y == 520 / 384


def test_a_frame_of_the_crops_size_is_not() -> None:
    generator = np.random.default_rng(0)
    draws = [draw_scale(square("chairs"), 512, 512, generator) for _ in range(500)]
    assert not any(scale.forced for scale in draws)
    unchanged = [scale for scale in draws if not scale.resized]
    assert 0.14 < len(unchanged) / 500 < 0.26
    assert {(scale.x, scale.y) for scale in unchanged} == {(1.0, 1.0)}


def test_draws_are_even_in_their_exponent() -> None:
    settings = square("things", 128, resize_probability=1.0)
    generator = np.random.default_rng(0)
    draws = [draw_scale(settings, *THINGS, generator) for _ in range(2000)]
    common = np.log2([scale.common for scale in draws])
    assert scipy.stats.kstest(common, scipy.stats.uniform(-0.4, 1.2).cdf).pvalue > 1e-3
    x, y = (np.log2([getattr(scale, axis) for scale in draws]) - common for axis in "xy")
    stretched = (np.abs(x) > 1e-12) & (np.abs(y) > 1e-12)
    assert 0.77 < stretched.mean() < 0.83
    for stretch in (x[stretched], y[stretched]):
        assert scipy.stats.kstest(stretch, scipy.stats.uniform(-0.2, 0.4).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(x[stretched], y[stretched])[0, 1]) < 0.1


def test_the_sparse_form_keeps_the_aspect() -> None:
    generator = np.random.default_rng(0)
    settings = dataclasses.replace(PRESETS["kitti"], crop_height=512)
    for _ in range(200):
        scale = draw_scale(settings, 375, 1242, generator)
        assert scale.x == scale.y >= 513 / 375
