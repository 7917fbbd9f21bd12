import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.video.writer import VideoWriter
from tests.video.clips import NTSC, boxes, decode, picture, times


def write(path: Path, pictures, pts=None, rate=NTSC, time_base=None, **settings) -> Path:
    with VideoWriter(path, rate=rate, time_base=time_base or 1 / rate, **settings) as writer:
        for number, image in enumerate(pictures):
            writer.write(image, pts[number] if pts else number)
    return path


def test_what_a_browser_plays(tmp_path):
    path = write(tmp_path / "a.mp4", [picture(number, 96, 64) for number in range(30)])
    with av.open(str(path)) as container:
        (stream,) = container.streams
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height) == (96, 64)
        assert stream.average_rate == NTSC
        assert stream.frames == 30
        # Tagged, so that no player has to guess: BT.709, limited range.
        assert (stream.colorspace, stream.color_primaries, stream.color_trc, stream.color_range) == (
            1,
            1,
            1,
            1,
        )
    kinds = boxes(path)
    assert kinds.index("moov") < kinds.index("mdat"), kinds


@pytest.mark.parametrize("size", [(97, 64), (96, 65), (97, 65)])
def test_odd_sides_grow_by_repeating_the_border(tmp_path, size):
    image = picture(0, *size)
    with VideoWriter(tmp_path / "a.mp4", rate=NTSC, time_base=1 / NTSC, quality=1) as writer:
        writer.write(image, 0)
    assert writer.size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    (frame,) = decode(tmp_path / "a.mp4")
    assert frame.shape == (writer.size[1], writer.size[0], 3)
    assert np.abs(frame[: size[1], : size[0]].astype(int) - image).mean() < 3
    assert np.abs(frame[-1].astype(int) - frame[size[1] - 1]).mean() < 3


@pytest.mark.parametrize(
    "color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)]
)
def test_colours_survive(tmp_path, color):
    image = np.empty((64, 96, 3), np.uint8)
    image[:] = color
    (frame,) = decode(write(tmp_path / "a.mp4", [image]))
    assert np.abs(frame.astype(int) - color).max() <= 4


@pytest.mark.parametrize(
    ("time_base", "pts"),
    [
        (Fraction(1, 90000), [0, 3000, 9000, 10000, 40000, 43001]),
        (Fraction(1, 1000), [0, 33, 100, 150, 400, 451]),
        (Fraction(66667, 1000000), [0, 11, 17, 24, 31, 37]),
        (Fraction(125, 2997), [0, 1, 2, 4, 5, 6]),
    ],
)
def test_timestamps_are_exact(tmp_path, time_base, pts):
    path = write(tmp_path / "a.mp4", [picture(n, 96, 64) for n in range(6)], pts, Fraction(25), time_base)
    assert times(path) == [time * time_base for time in pts]


@pytest.mark.parametrize("count", [1, 2, 3, 6])
@pytest.mark.parametrize("last", [None, 1, 5000])
def test_the_last_picture_is_shown_as_long_as_asked(tmp_path, count, last):
    pts = [0, 33, 100, 150, 400, 451][:count]
    with VideoWriter(tmp_path / "a.mp4", rate=Fraction(25), time_base=Fraction(1, 1000)) as writer:
        for number, time in enumerate(pts):
            writer.write(picture(number, 96, 64), time, last if number == count - 1 else None)
    with av.open(str(tmp_path / "a.mp4")) as container:
        (stream,) = container.streams
        assert stream.duration * stream.time_base * 1000 == pts[-1] + (last or 40)
    assert times(tmp_path / "a.mp4") == [Fraction(time, 1000) for time in pts]


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(24000, 1001), Fraction(25), NTSC, Fraction(60)])
def test_rates_are_exact(tmp_path, rate):
    path = write(tmp_path / "a.mp4", [picture(number, 64, 64) for number in range(10)], rate=rate)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == rate
    steps = {later - earlier for earlier, later in itertools.pairwise(times(path))}
    assert steps == {1 / rate}


def test_pixel_aspect_is_kept(tmp_path):
    path = write(tmp_path / "a.mp4", [picture(0, 96, 64)], pixel_aspect=Fraction(4, 3))
    with av.open(str(path)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_errors_name_the_file(tmp_path):
    missing = tmp_path / "no" / "such" / "folder.mp4"
    with pytest.raises(VideoError, match=r"folder\.mp4 cannot be written"):
        write(missing, [picture(0, 64, 64)])


def test_a_full_disk_is_named():
    with pytest.raises(VideoError, match="/dev/full cannot be written: No space left on device"):
        write(Path("/dev/full"), [picture(number, 640, 480) for number in range(30)])


@pytest.mark.parametrize(
    "rate",
    [
        Fraction(21_474_833, 716_501) / 6007,
        Fraction(2**31 - 1, 2**31 - 2) / 1000,
        Fraction(2**40 + 1, 2**33),
        Fraction(1, 100_003),
    ],
)
def test_odd_rates_are_rounded_to_what_ffmpeg_holds(tmp_path, rate):
    path = write(tmp_path / "a.mp4", [picture(0, 32, 32)] * 2, rate=rate, time_base=Fraction(1, 1000))
    assert times(path) == [0, Fraction(1, 1000)]


def test_webm_is_what_a_browser_plays(tmp_path):
    pictures = [picture(number, 97, 65) for number in range(30)]
    path = write(tmp_path / "a.WEBM", pictures)
    with av.open(str(path)) as container:
        (stream,) = container.streams
        assert container.format.name == "matroska,webm"
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("vp9", "yuv420p")
        assert (stream.colorspace, stream.color_primaries, stream.color_trc) == (1, 1, 1)
        assert stream.color_range == 1
        assert (stream.width, stream.height, stream.average_rate) == (97, 65, NTSC)
    assert b"webm" in path.read_bytes()[:64], "the document type, without which browsers refuse it"
    for got, image in zip(decode(path), pictures, strict=True):
        assert np.abs(got.astype(int) - image).mean() < 3
        assert np.abs(got[-1].astype(int) - image[-1]).mean() < 5, "odd sides stay"
        assert np.abs(got[:, -1].astype(int) - image[:, -1]).mean() < 5
    assert times(path) == [Fraction(round(1000 * number / NTSC), 1000) for number in range(30)]


@pytest.mark.parametrize("last", [None, 5000])
def test_webm_shows_the_last_picture_as_long_as_asked(tmp_path, last):
    pts = [0, 3000, 9000, 10000, 40000, 43001]
    with VideoWriter(tmp_path / "a.webm", rate=Fraction(25), time_base=Fraction(1, 90000)) as writer:
        for number, time in enumerate(pts):
            writer.write(picture(number, 96, 64), time, last if time == pts[-1] else None)
    assert times(tmp_path / "a.webm") == [Fraction(round(time / 90), 1000) for time in pts]
    with av.open(str(tmp_path / "a.webm")) as container:
        assert container.duration == 1000 * round((pts[-1] + (last or 3600)) / 90)


def test_webm_leaves_out_what_comes_within_a_millisecond_and_says_so(tmp_path):
    with VideoWriter(tmp_path / "a.webm", rate=Fraction(3000), time_base=Fraction(1, 3000)) as writer:
        for number in range(30):
            writer.write(picture(number, 96, 64), number)
    assert times(tmp_path / "a.webm") == [Fraction(number, 1000) for number in range(writer.count)]
    assert 10 <= writer.count <= 11
    (note,) = writer.notes()
    assert note == (
        f"WebM counts in milliseconds: frames within the same one are left out, {30 - writer.count} here"
    )


@pytest.mark.parametrize(("aspect", "size"), [(Fraction(4, 3), (128, 64)), (Fraction(1, 2), (96, 128))])
def test_webm_has_square_pixels(tmp_path, aspect, size):
    with VideoWriter(tmp_path / "a.webm", rate=NTSC, time_base=1 / NTSC, pixel_aspect=aspect) as writer:
        writer.write(picture(0, 96, 64), 0)
    (frame,) = decode(tmp_path / "a.webm")
    assert frame.shape == (size[1], size[0], 3)
    assert list(writer.notes()) == [f"WebM is written with square pixels: 96x64 became {size[0]}x{size[1]}"]
