"""Against Pillow, on which torchvision's jitter of images rests, and against torchvision where it is."""

import dataclasses
import math

import numpy as np
import pytest
import scipy
from PIL import Image, ImageEnhance
from skimage import color

from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.train.augmentation import PRESETS
from dinoflow_deploy.train.augmentation.color_jitter import Jitter, apply_jitter, draw_jitter, jitter_pair
from tests.train.augmentation.torchvision_oracle import torchvision_transforms

SETTINGS = PRESETS["chairs"]
NAMES = ("brightness", "contrast", "saturation", "hue")
SAMPLE = SyntheticScenes(SceneConfig(96, 128, 16), 1, 3)[2]
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
}


def only(name: str, value: float) -> Jitter:
    return dataclasses.replace(Jitter((name,), 1.0, 1.0, 1.0, 0.0), **{name: value})


def pillow_hue(frame: np.ndarray, turn: float) -> np.ndarray:
    """`adjust_hue` of torchvision's `_functional_pil.py`."""
    hue, saturation, value = Image.fromarray(frame).convert("HSV").split()
    turned = (np.array(hue, np.int32) + int(turn * 255)) % 256
    hsv = Image.merge("HSV", (Image.fromarray(turned.astype(np.uint8), "L"), saturation, value))
    return np.asarray(hsv.convert("RGB"))


@pytest.mark.parametrize("frame", [SAMPLE.frame1, NOISE], ids=["scene", "noise"])
@pytest.mark.parametrize("factor", [0.0, 0.6, 0.9, 1.0, 1.17, 1.4])
@pytest.mark.parametrize("name", ENHANCERS)
def test_the_factors_are_pillows(name: str, factor: float, frame: np.ndarray) -> None:
    (found,) = apply_jitter([frame], only(name, factor))
    expected = np.asarray(ENHANCERS[name](Image.fromarray(frame)).enhance(factor))
    # Pillow cuts off what we round, and rounds the mean grey.
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("turn", [-0.5, -0.159, -0.02, 0.0, 0.07, 0.159, 0.4])
def test_the_hue_is_turned_as_in_exact_numbers_and_in_pillow(turn: float) -> None:
    for frame in (SAMPLE.frame1, NOISE):
        (found,) = apply_jitter([frame], only("hue", turn))
        hsv = color.rgb2hsv(frame)
        hsv[..., 0] = (hsv[..., 0] + turn) % 1
        # A step of the hue, of which there are 256, is up to 6 levels; in, turn and out are each rounded.
        exact = np.abs(found - 255 * color.hsv2rgb(hsv))
        assert exact.mean() < 1.5
        assert exact.max() <= 12
        # Pillow cuts steps off, so that a turn may be one step shorter there.
        difference = np.abs(found.astype(int) - pillow_hue(frame, turn))
        assert difference.mean() < 3
        assert difference.max() <= 20


def test_a_third_of_a_circle_exchanges_channels() -> None:
    (found,) = apply_jitter([NOISE], only("hue", 1 / 3))
    # Red becomes green, green blue, blue red.
    assert np.abs(found.astype(int) - np.roll(NOISE, 1, axis=-1)).max() <= 8
    assert np.abs(found.astype(int) - np.roll(NOISE, 1, axis=-1)).mean() < 2


def test_grey_has_no_hue_and_no_saturation() -> None:
    grey = np.repeat(NOISE[..., :1], 3, axis=-1)
    for jitter in (only("hue", 0.3), only("saturation", 1.4), only("saturation", 0.0)):
        assert np.abs(apply_jitter([grey], jitter)[0].astype(int) - grey).max() <= 1


def test_one_draw_takes_its_mean_from_both_frames() -> None:
    dark, bright = np.full((8, 8, 3), 50, np.uint8), np.full((8, 24, 3), 150, np.uint8)
    dark_out, bright_out = apply_jitter([dark, bright], only("contrast", 0.0))
    assert (dark_out == 125).all()
    assert (bright_out == 125).all()


def test_adjustments_follow_one_another_in_their_order() -> None:
    values = {"brightness": 1.4, "contrast": 0.6, "saturation": 0.7, "hue": 0.1}
    for order in (NAMES, NAMES[::-1], ("hue", "contrast", "brightness", "saturation")):
        expected = [SAMPLE.frame1, SAMPLE.frame2]
        for name in order:
            expected = apply_jitter(expected, only(name, values[name]))
        found = apply_jitter([SAMPLE.frame1, SAMPLE.frame2], Jitter(order, **values))
        np.testing.assert_array_equal(found, expected)


def test_draws_are_even_in_their_ranges_and_orders() -> None:
    generator = np.random.default_rng(0)
    draws = [draw_jitter(SETTINGS, generator) for _ in range(2400)]
    for name in NAMES:
        low, high = (-0.5 / 3.14, 0.5 / 3.14) if name == "hue" else (0.6, 1.4)
        values = [getattr(draw, name) for draw in draws]
        assert scipy.stats.kstest(values, scipy.stats.uniform(low, high - low).cdf).pvalue > 1e-3
    counts = np.unique([draw.order for draw in draws], axis=0, return_counts=True)[1]
    assert len(counts) == math.factorial(4)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_a_factor_is_not_negative_and_strength_0_is_left_out() -> None:
    settings = dataclasses.replace(SETTINGS, brightness=3.0, contrast=0.0, hue=0.0)
    generator = np.random.default_rng(0)
    draws = [draw_jitter(settings, generator) for _ in range(200)]
    assert 0 <= min(draw.brightness for draw in draws) < 0.1
    assert {draw.order for draw in draws} == {("brightness", "saturation"), ("saturation", "brightness")}


def test_frames_differ_in_their_draw_as_often_as_said() -> None:
    frame, generator = SAMPLE.frame1, np.random.default_rng(0)
    pairs = [jitter_pair(frame, frame.copy(), SETTINGS, generator) for _ in range(300)]
    different = sum(not np.array_equal(*pair) for pair in pairs)
    assert 0.13 < different / 300 < 0.27
    sparse = PRESETS["kitti"]
    assert all(np.array_equal(*jitter_pair(frame, frame, sparse, generator)) for _ in range(50))


def test_the_frames_that_come_in_are_not_changed() -> None:
    frame1, frame2 = SAMPLE.frame1.copy(), SAMPLE.frame2.copy()
    generator = np.random.default_rng(0)
    for _ in range(20):
        jitter_pair(frame1, frame2, SETTINGS, generator)
    np.testing.assert_array_equal(frame1, SAMPLE.frame1)
    np.testing.assert_array_equal(frame2, SAMPLE.frame2)


def test_torchvision_gives_the_same_pictures() -> None:
    transforms = torchvision_transforms()
    adjust = transforms.functional
    generator = np.random.default_rng(1)
    for _ in range(50):
        draw = draw_jitter(SETTINGS, generator)
        image = Image.fromarray(SAMPLE.frame1)
        for name in draw.order:
            image = getattr(adjust, f"adjust_{name}")(image, getattr(draw, name))
        (found,) = apply_jitter([SAMPLE.frame1], draw)
        difference = np.abs(found.astype(int) - np.asarray(image))
        assert difference.mean() < 4
        assert np.percentile(difference, 99) <= 14


def test_torchvision_draws_from_the_same_ranges() -> None:
    strengths = [getattr(SETTINGS, name) for name in NAMES]
    transform = torchvision_transforms().ColorJitter(*strengths)
    generator = np.random.default_rng(2)
    draws = [draw_jitter(SETTINGS, generator) for _ in range(1000)]
    theirs = [transform.get_params(*(getattr(transform, name) for name in NAMES)) for _ in range(1000)]
    for place, name in enumerate(NAMES, start=1):
        ours = [getattr(draw, name) for draw in draws]
        assert scipy.stats.ks_2samp(ours, [draw[place] for draw in theirs]).pvalue > 1e-3
