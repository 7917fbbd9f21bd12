import itertools
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.video.gif_writer import GifWriter
from dinoflow_deploy.video.render import colors
from tests.video.clips import NTSC, decode, picture, times


def write(path: Path, pictures, pts, last=None, rate=Fraction(25), time_base=Fraction(1, 1000), **settings):
    with GifWriter(path, rate=rate, time_base=time_base, **settings) as writer:
        for number, (image, time) in enumerate(zip(pictures, pts, strict=True)):
            writer.write(image, time, last if number == len(pts) - 1 else None)
    return writer


def delays(path: Path) -> list[int]:
    """In milliseconds, as Pillow reads them."""
    with Image.open(path) as image:
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            found.append(image.info["duration"])
        return found


def wheel(turn: float, width: int, height: int) -> np.ndarray:
    """All motions up to 10 px at once, in the colours of flow."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    cos, sin = np.cos(turn), np.sin(turn)
    return colors(10 * np.stack([cos * x - sin * y, sin * x + cos * y], axis=2).astype(np.float32), 10.0)


def test_pictures_come_back_in_colours_of_their_own(tmp_path):
    """The colours turn, so that a palette of an earlier picture would not do; odd sides stay."""
    pictures = [wheel(number, 97, 65) for number in range(6)]
    writer = write(tmp_path / "a.gif", pictures, range(0, 240, 40))
    assert (writer.size, writer.count, list(writer.notes())) == ((97, 65), 6, [])
    for got, image in zip(decode(tmp_path / "a.gif"), pictures, strict=True):
        # Dithering is noise; the eye sees what is left behind a blur.
        seen, meant = (cv2.GaussianBlur(each, (0, 0), 2).astype(int) for each in (got, image))
        assert np.abs(seen - meant).mean() < 4
    with Image.open(tmp_path / "a.gif") as image:
        assert (image.format, image.size, image.info["loop"]) == ("GIF", (97, 65), 0)


@pytest.mark.parametrize("last", [None, 20, 5000])
def test_times_are_rounded_and_the_last_picture_is_shown_as_long_as_asked(tmp_path, last):
    pts = [0, 33, 100, 150, 404, 451]
    write(tmp_path / "a.gif", [picture(n, 48, 32) for n in range(6)], pts, last)
    shown = [0, 30, 100, 150, 400, 450]
    assert times(tmp_path / "a.gif") == [Fraction(time, 1000) for time in shown]
    end = round((451 + (last or 40)) / 10) * 10
    assert delays(tmp_path / "a.gif") == [30, 70, 50, 250, 50, end - 450]
    with av.open(str(tmp_path / "a.gif")) as container:
        assert container.duration == 1000 * end


def test_a_rate_that_hundredths_do_not_hold_keeps_its_speed(tmp_path):
    write(
        tmp_path / "a.gif", [picture(n, 32, 32) for n in range(60)], range(60), rate=NTSC, time_base=1 / NTSC
    )
    assert set(delays(tmp_path / "a.gif")) == {30, 40}
    assert sum(delays(tmp_path / "a.gif")) == 2000


def test_pictures_that_come_too_soon_are_left_out_and_that_is_said(tmp_path):
    pictures = [picture(n, 32, 32) for n in range(60)]
    writer = write(tmp_path / "a.gif", pictures, range(60), rate=Fraction(60), time_base=Fraction(1, 60))
    shown = delays(tmp_path / "a.gif")
    assert min(shown) >= 20, "viewers show a picture of less for 100 ms"
    assert sum(shown) == 1000
    assert list(writer.notes()) == [
        "GIF shows no picture for less than 0.02 s: to keep the clip's speed, some are left out, "
        f"{60 - len(shown)} of 60"
    ]
    assert writer.count == len(shown) < 60


def test_one_picture(tmp_path):
    writer = write(tmp_path / "a.gif", [picture(0, 48, 32)], [0], 5000)
    (frame,) = decode(tmp_path / "a.gif")
    assert (frame.shape, writer.count) == ((32, 48, 3), 1)


@pytest.mark.parametrize(("aspect", "size"), [(Fraction(4, 3), (64, 32)), (Fraction(1, 2), (48, 64))])
def test_pixels_are_made_square(tmp_path, aspect, size):
    writer = write(tmp_path / "a.gif", [picture(0, 48, 32)] * 2, [0, 40], pixel_aspect=aspect)
    assert writer.size == size
    assert decode(tmp_path / "a.gif")[1].shape == (size[1], size[0], 3)
    assert list(writer.notes()) == [f"GIF is written with square pixels: 48x32 became {size[0]}x{size[1]}"]


def test_a_large_one_is_advised_against(tmp_path):
    writer = write(tmp_path / "a.gif", [np.zeros((16, 1282, 3), np.uint8)], [0])
    assert list(writer.notes()) == ["GIFs of 1282x16 are slow to show: set max-side, or name it .webm"]


def test_no_frame_is_held_back(tmp_path):
    """Each picture but the last is in the file before the next is written."""
    path = tmp_path / "a.gif"
    with GifWriter(path, rate=Fraction(25), time_base=Fraction(1, 25)) as writer:
        sizes = []
        for number in range(40):
            writer.write(picture(number, 64, 48), number)
            sizes.append(path.stat().st_size)
    grown = [later > earlier for earlier, later in itertools.pairwise(sizes)]
    assert all(grown[2:]), sizes


def test_a_pause_is_as_long_as_the_format_allows_and_a_shorter_one_is_said(tmp_path):
    pictures, longest = [picture(n, 32, 32) for n in range(3)], 10 * struct.unpack("<H", b"\xff\xff")[0]
    writer = write(tmp_path / "a.gif", pictures, [0, 700_000, 701_000], 10**7)
    assert delays(tmp_path / "a.gif") == [longest, 1000, longest]
    said = "GIF shows no picture for longer than 655 s: the clip runs faster there, "
    assert list(writer.notes()) == [f"{said}2 times"]
    writer = write(tmp_path / "b.gif", pictures[:2], [0, longest], longest)
    assert (delays(tmp_path / "b.gif"), list(writer.notes())) == ([longest, longest], [])
    assert list(write(tmp_path / "c.gif", pictures[:1], [0], 10**7).notes()) == []


def test_errors_name_the_file(tmp_path):
    with pytest.raises(VideoError, match=r"a\.gif cannot be written"):
        write(tmp_path / "no" / "a.gif", [picture(0, 32, 32)], [0])
    with pytest.raises(VideoError, match="/dev/full cannot be written: No space left on device"):
        write(Path("/dev/full"), [picture(number, 64, 48) for number in range(3)], [0, 40, 80])
