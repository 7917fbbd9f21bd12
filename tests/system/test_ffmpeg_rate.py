from fractions import Fraction

import pytest

from dinoflow_deploy.system.ffmpeg_rate import ffmpeg_rate


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(1, 3600), Fraction(2**30)])
def test_a_rate_that_fits_stays(rate: Fraction) -> None:
    assert ffmpeg_rate(rate) == rate


@pytest.mark.parametrize(
    "rate",
    [
        Fraction(2147483647, 71582788 * 50),
        Fraction(2**31 - 1, 2**31 - 3),
        Fraction(10**12 + 1, 10**11),
        Fraction(1, 10**12),
        Fraction(10**12),
    ],
)
def test_others_are_the_nearest_of_two_int32(rate: Fraction) -> None:
    found = ffmpeg_rate(rate)
    assert 0 < found.numerator < 2**31
    assert found.denominator < 2**31
    if Fraction(1, 2**30) < rate < 2**30:
        assert float(found) == pytest.approx(float(rate), rel=1e-8)
