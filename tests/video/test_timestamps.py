from fractions import Fraction

import pytest

from dinoflow_deploy.video.timestamps import BestEffort, Timestamps


@pytest.mark.parametrize(
    ("pts", "dts", "expected"),
    [
        pytest.param([2, 3, 4], [0, 1, 2], [2, 3, 4], id="whole"),
        pytest.param([None] * 3, [5, 6, 7], [5, 6, 7], id="decoding times only"),
        pytest.param([None, 7, 8], [6, 7, 8], [6, 7, 8], id="some presentation times"),
        pytest.param([1, 3, 2, 5, 4], [3, 4, 5, 6, 7], [1, 3, 5, 6, 7], id="presentation times go back"),
        pytest.param([1, 2, 3, 4], [3, 3, 2, 2], [1, 2, 3, 4], id="decoding times go back"),
        pytest.param([None, None], [None, None], [None, None], id="nothing"),
        pytest.param([4, None, 6], [None, 5, None], [4, 5, 6], id="by turns"),
    ],
)
def test_the_better_of_two_times_is_believed(pts, dts, expected):
    best_effort = BestEffort()
    assert [best_effort.next(*times) for times in zip(pts, dts, strict=True)] == expected


def test_good_timestamps_are_kept_from_zero():
    timestamps = Timestamps(Fraction(1, 25), Fraction(1, 1000))
    assert [timestamps.next(pts) for pts in (70, 103, 170, 171, 900)] == [0, 33, 100, 101, 830]


def test_missing_and_returning_timestamps_become_the_nominal_step():
    timestamps = Timestamps(Fraction(1, 25), Fraction(1, 1000))
    assert [timestamps.next(pts) for pts in (None, None, 80, 80, 10, 900)] == [0, 40, 80, 120, 160, 900]
    assert (timestamps.missing, timestamps.backward) == (2, 2)


def test_a_step_shorter_than_the_time_base_still_increases():
    timestamps = Timestamps(Fraction(1, 1000), Fraction(1, 25))
    assert [timestamps.next(None) for _ in range(3)] == [0, 1, 2]
