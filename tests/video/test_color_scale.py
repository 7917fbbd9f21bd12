from fractions import Fraction

import numpy as np
import pytest

from dinoflow_deploy.video import color_scale as scale_module
from dinoflow_deploy.video.color_scale import ColorScale, FlowFrame
from dinoflow_deploy.video.frame_source import Frame

MILLISECONDS = Fraction(1, 1000)


def pair(number: int, motion: float, step: int = 100) -> FlowFrame:
    image = np.zeros((16, 16, 3), np.uint8)
    return FlowFrame(Frame(number, image, number * step), np.full((16, 16, 2), [motion, 0], np.float32), step)


def test_a_given_scale_is_used_at_once():
    scale = ColorScale(7.5, MILLISECONDS)
    applied = scale.apply(pair(number, 3.0) for number in range(3))
    assert next(applied)[1] == 7.5
    assert [value for _, value in applied] == [7.5, 7.5]


def test_the_first_two_seconds_fix_it_for_the_whole_clip():
    motion = [4.0] * 21 + [50.0] * 29
    scale = ColorScale(None, MILLISECONDS)
    applied = list(scale.apply(pair(number, motion[number]) for number in range(50)))
    assert [item.frame.index for item, _ in applied] == list(range(50))
    assert {value for _, value in applied} == {4.0}
    assert scale.beyond == pytest.approx(29 / 50)


def test_nothing_later_is_looked_at():
    taken = []

    def pairs():
        for number in range(50):
            taken.append(number)
            yield pair(number, 4.0)

    next(ColorScale(None, MILLISECONDS).apply(pairs()))
    assert taken == list(range(21)), "frames up to 2.0 s"


def test_it_is_the_99th_percentile_to_two_digits():
    item = pair(0, 0.0)
    lengths = np.random.default_rng(3).gamma(2, 4, (400, 400)).astype(np.float32)
    flow = np.stack([lengths * np.float32(0.6), lengths * np.float32(-0.8)], axis=2)
    ((_, value),) = ColorScale(None, MILLISECONDS).apply([FlowFrame(item.frame, flow, item.duration)])
    assert value == pytest.approx(np.percentile(lengths, 99), rel=0.08)
    assert value == float(f"{value:.2g}")


def test_a_still_clip_is_not_blown_up():
    ((_, value),) = ColorScale(None, MILLISECONDS).apply([pair(0, 0.01)])
    assert value == 1.0


def test_a_short_clip_is_decided_at_its_end():
    applied = list(ColorScale(None, MILLISECONDS).apply([pair(0, 2.0), pair(1, 2.0)]))
    assert [value for _, value in applied] == [2.0, 2.0]
    assert list(ColorScale(None, MILLISECONDS).apply([])) == []


def test_large_frames_are_not_hoarded(monkeypatch):
    one = pair(0, 4.0)
    size = one.frame.image.nbytes + one.flow.nbytes
    monkeypatch.setattr(scale_module, "LOOK_AHEAD_BYTES", 3 * size)
    taken = []

    def pairs():
        for number in range(50):
            taken.append(number)
            yield pair(number, 4.0)

    next(ColorScale(None, MILLISECONDS).apply(pairs()))
    assert taken == [0, 1, 2]
