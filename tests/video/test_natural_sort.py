import random
from pathlib import Path

import pytest

from dinoflow_deploy.video.natural_sort import natural_sort


@pytest.mark.parametrize(
    "names",
    [
        ["a.png", "frame1.png", "frame2.png", "frame02b.png", "frame10.png"],
        # time.time(), which writes no zeros at the end.
        ["1.25.png", "1.5.png", "1.75.png", "2.0.png", "2.png", "10.125.png"],
        ["1700000000.1.jpg", "1700000000.123456.jpg", "1700000000.25.jpg", "1700000001.0.jpg"],
        ["t_0.95_10.png", "t_0.950001_9.png", "t_1.0_2.png"],
        # Fractions of one length, with and without zeros at the end.
        ["1305031102.175304.png", "1305031102.211210.png", "1305031103.003326.png"],
        # Counters after a number and a point.
        ["shot1.8.png", "shot1.9.png", "shot1.10.png", "shot1.11.png", "shot2.1.png"],
        ["frame.9.png", "frame.10.png"],
        ["2023.12.31.png", "2024.9.30.png", "2024.10.2.png", "2024.10.11.png"],
        ["v1.2.9.png", "v1.2.10.png"],
        # The suffix is no part of a number, nor are digits of other scripts and superscripts numbers.
        ["1.jpg", "1.png", "2.jpg"],
        ["a1.png", "a\u00b2.png", "a\u0663.png"],
        # One number written in several ways.
        ["001.png", "01.png", "1.png"],
        ["take2/frame9.png", "take2/frame10.png", "take10/frame1.png"],
        ["take1.9/1.5.png", "take1.10/1.25.png", "take1.10/1.5.png"],
    ],
)
def test_numbers_sort_as_numbers(names: list[str]) -> None:
    paths = [Path(name) for name in names]
    for seed in range(5):
        assert natural_sort(random.Random(seed).sample(paths, len(paths))) == paths


def test_times_sort_as_the_numbers_that_python_writes() -> None:
    numbers = random.Random(0)
    times = sorted({round(numbers.uniform(0, 3), numbers.randrange(1, 7)) for _ in range(300)})
    paths = [Path(f"{time}.png") for time in times]
    assert natural_sort(numbers.sample(paths, len(paths))) == paths
