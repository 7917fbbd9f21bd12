import itertools
from fractions import Fraction

import pytest

from dinoflow_deploy.video.coarse_clock import CoarseClock

GIF = Fraction(1, 100), 2


def test_times_do_not_drift():
    clock = CoarseClock(Fraction(30000, 1001), Fraction(1001, 30000), *GIF)
    given = [clock.time(number) for number in range(3000)]
    assert given == [round(number * 1001 / 300) for number in range(3000)]
    assert clock.rest(2999, None) == round(3000 * 1001 / 300) - given[-1]
    assert clock.left_out == 0


@pytest.mark.parametrize("rate", [50, 60, 75, 120, 240, Fraction(60000, 1001)])
def test_none_is_shown_too_shortly_and_the_speed_stays(rate):
    clock = CoarseClock(Fraction(rate), 1 / Fraction(rate), *GIF)
    count = int(10 * rate)
    times = [clock.time(number) for number in range(count)]
    shown = [time for time in times if time is not None]
    steps = [later - earlier for earlier, later in itertools.pairwise(shown)]
    assert min(steps) >= 2
    assert max(steps) <= 4
    assert clock.left_out == count - len(shown)
    assert (clock.left_out == 0) == (rate == 50)
    assert shown[-1] + clock.rest(count - 1, None) == pytest.approx(1000, abs=2)


def test_a_file_that_takes_any_unit_keeps_times():
    unit = Fraction(1, 90000)
    clock = CoarseClock(Fraction(25), unit, unit)
    assert [clock.time(pts) for pts in (0, 1, 3000, 90001)] == [0, 1, 3000, 90001]
    assert clock.rest(90001, None) == 3600
    assert clock.rest(90001, 17) == 17
