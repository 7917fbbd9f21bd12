"""Files of several pictures: APNG, animated WebP and TIFF as clips, and among images."""

import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError, VideoError
from dinoflow_deploy.video import Selection, open_source, picture_files
from dinoflow_deploy.video.several_pictures import count_pictures, webp_animation
from tests.video.clips import cut, picture

SIZE = (48, 32)
COUNT = 6


def pictures(count=COUNT, size=SIZE):
    return [picture(number, *size) for number in range(count)]


def write_animation(path, codec, file_format, milliseconds=40, **options):
    """Lossless, each frame shown as long."""
    with av.open(str(path), "w", format=file_format) as container:
        stream = container.add_stream(codec, rate=Fraction(1000, milliseconds), options=options)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "bgra" if codec.startswith("libwebp") else "rgb24"
        for image in pictures():
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=stream.pix_fmt)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_webp(path, milliseconds=40):
    return write_animation(path, "libwebp_anim", "webp", milliseconds, lossless="1")


def write_apng(path, milliseconds=40):
    return write_animation(path, "apng", "apng", milliseconds)


def write_tiff(path, images=None):
    cv2.imwritemulti(str(path), [image[..., ::-1] for image in images or pictures()])
    return path


def read(path, selection=Selection(), **settings):  # noqa: B008 - it is frozen
    with open_source([str(path)], **settings) as source:
        return source, list(source.frames(selection))


WRITERS = [
    ("a.webp", write_webp),
    ("a.png", write_apng),
    ("a.tiff", write_tiff),
]


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_each_is_a_clip(tmp_path, name, write):
    path = write(tmp_path / name)
    assert count_pictures(path) == COUNT
    source, frames = read(path)
    assert (source.count, source.rate, source.damage, source.notes) == (COUNT, 25, None, [])
    assert [frame.pts * source.time_base for frame in frames] == [
        number / Fraction(25) for number in range(COUNT)
    ]
    for frame, expected in zip(frames, pictures(), strict=True):
        np.testing.assert_array_equal(frame.image, expected)
    _, some = read(path, Selection(start=1, count=2, stride=3), max_side=24)
    assert [(frame.index, frame.image.shape) for frame in some] == [(1, (16, 24, 3)), (4, (16, 24, 3))]
    assert some[1].pts * source.time_base == Fraction(3, 25)


@pytest.mark.parametrize(("name", "write"), WRITERS[:2])
def test_animations_keep_their_own_times(tmp_path, name, write):
    path = write(tmp_path / name, milliseconds=70)
    source, frames = read(path)
    assert [frame.pts * source.time_base for frame in frames] == [
        Fraction(70 * number, 1000) for number in range(COUNT)
    ]
    with pytest.raises(InputError, match="fps is for images and bare streams"):
        open_source([str(path)], rate=Fraction(10))


def test_a_webp_of_varying_times(tmp_path):
    path = write_webp(tmp_path / "a.webp")
    durations = [10, 200, 30, 40, 7, 1]
    set_durations(path, durations)
    source, frames = read(path)
    assert [frame.pts * source.time_base * 1000 for frame in frames] == [0, 10, 210, 240, 280, 287]
    assert source.rate == Fraction(6, 1) / Fraction(288, 1000)


def test_a_webp_without_times_is_evenly_spaced_and_says_so(tmp_path):
    path = write_webp(tmp_path / "a.webp")
    set_durations(path, [0] * COUNT)
    source, frames = read(path)
    assert [frame.pts * source.time_base * 25 for frame in frames] == list(range(COUNT))
    assert source.notes == [f"{path} holds no times: 25 fps is assumed; fps sets another rate"]
    source, frames = read(path, rate=Fraction(10))
    assert [frame.pts * source.time_base * 10 for frame in frames] == list(range(COUNT))
    assert source.notes == []


def set_durations(path, durations):
    """Written into the chunks ANMF: 8 bytes of header, then 12, then 3 of duration."""
    data = bytearray(path.read_bytes())
    place = 0
    for duration in durations:
        place = data.index(b"ANMF", place) + 20
        data[place : place + 3] = duration.to_bytes(3, "little")
    path.write_bytes(data)
    assert webp_animation(path).durations == tuple(durations)


def test_a_long_webp_is_taken_in_portions(tmp_path, monkeypatch):
    path = write_webp(tmp_path / "a.webp")
    portions = []
    decode = cv2.imreadanimation

    def counted(name, start, count):
        portions.append((start, count))
        return decode(name, start, count)

    monkeypatch.setattr(picture_files, "_BYTES_AT_ONCE", 4 * 4 * SIZE[0] * SIZE[1])
    monkeypatch.setattr(cv2, "imreadanimation", counted)
    frames = read(path)[1]
    assert portions == [(0, 4), (4, 2)]
    for frame, expected in zip(frames, pictures(), strict=True):
        np.testing.assert_array_equal(frame.image, expected)


def test_what_is_cut_off_is_said(tmp_path, capfd):
    whole = cut(write_webp(tmp_path / "a.webp"), tmp_path / "cut.webp")
    with pytest.raises(VideoError, match=r"cut\.webp is cut off: it ends after \d+ bytes"):
        open_source([str(whole)])
    source, frames = read(cut(write_apng(tmp_path / "a.png"), tmp_path / "cut.png"))
    assert 1 < len(frames) < COUNT
    assert f"of {COUNT} frames" in source.damage
    assert capfd.readouterr().err == "", "OpenCV's own messages"
    source, frames = read(cut(write_tiff(tmp_path / "a.tif"), tmp_path / "cut.tif"))
    assert 1 < len(frames) < COUNT
    assert source.damage == f"it is cut off: the headers of {len(frames)} pages are left"


def test_a_damaged_webp_is_an_error(tmp_path, capfd):
    path = write_webp(tmp_path / "a.webp")
    data = bytearray(path.read_bytes())
    place = [place for place in range(len(data)) if data[place : place + 4] == b"VP8L"][2]
    data[place + 8 : place + 60] = bytes(52)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"a\.webp is damaged: OpenCV cannot decode its frames from 0 on"):
        read(path)
    assert capfd.readouterr().err == ""


def test_pages_of_two_sizes_are_refused(tmp_path):
    path = write_tiff(tmp_path / "a.tif", [*pictures(2), picture(2, 24, 16)])
    with pytest.raises(VideoError, match=r"page 2 of .*a\.tif is 24x16, others are 48x32"):
        read(path)


def test_pages_that_opencv_cannot_read_are_named(tmp_path):
    path = write_tiff(tmp_path / "a.tif")
    data = bytearray(path.read_bytes())
    # StripOffsets, tag 273, of the last page: far behind the end.
    entry = data.rindex(struct.pack("<HH", 273, 4))
    data[entry + 8 : entry + 12] = struct.pack("<I", 10**8)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"page 5 of .*a\.tif: cannot be decoded as an image"):
        read(path)


def test_pages_of_12_bits_keep_their_grey_levels(tmp_path):
    white = 4095 / 255
    path = tmp_path / "deep.tif"
    images = [np.rint(image * white).astype(np.uint16) for image in pictures()]
    cv2.imwritemulti(str(path), [image[..., ::-1] for image in images])
    source, frames = read(path)
    assert "read as 12-bit, 4095 being white" in source.notes[0]
    for frame, expected in zip(frames, pictures(), strict=True):
        np.testing.assert_array_equal(frame.image, expected)


def test_pages_of_floats_are_named(tmp_path):
    path = tmp_path / "float.tif"
    cv2.imwritemulti(str(path), [image.astype(np.float32) for image in pictures()])
    with pytest.raises(VideoError, match=r"page 0 of .*float\.tif holds float32 values"):
        read(path)


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True), (">", True)])
def test_pages_are_told_from_smaller_copies_and_masks(tmp_path, order, big):
    """A chain of five headers without pictures: page, smaller copy, mask, page, page of several."""
    offset, number = (8, "Q") if big else (4, "I")
    data = struct.pack(f"{order}2sH", b"II" if order == "<" else b"MM", 43 if big else 42)
    data += struct.pack(f"{order}HH", 8, 0) if big else b""
    data += struct.pack(f"{order}{number}", len(data) + offset)
    for place, kind in enumerate((0, 1, 4, 0, 2)):
        entry = struct.pack(f"{order}HH{number}I", 254, 4, 1, kind) + (bytes(4) if big else b"")
        data += struct.pack(f"{order}{'Q' if big else 'H'}", 1) + entry
        data += struct.pack(f"{order}{number}", 0 if place == 4 else len(data) + offset)
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    assert count_pictures(path) == 3
    path.write_bytes(data[:-1])
    assert count_pictures(path) == 2


def test_one_picture_is_one_picture(tmp_path):
    for name in ("a.png", "a.webp", "a.tif", "a.jpg", "a.bmp"):
        cv2.imwrite(str(tmp_path / name), picture(0, *SIZE))
        assert count_pictures(tmp_path / name) == 1
        with pytest.raises(VideoError, match="is a single image; flow needs two"):
            open_source([str(tmp_path / name)])
    (tmp_path / "empty.png").write_bytes(b"")
    assert count_pictures(tmp_path / "empty.png") == 1
    assert count_pictures(tmp_path / "missing.png") == 1


def test_among_images_the_first_picture_is_read_and_that_is_said(tmp_path):
    write_apng(tmp_path / "1.png")
    write_tiff(tmp_path / "2.tif")
    cv2.imwrite(str(tmp_path / "3.png"), picture(0, *SIZE)[..., ::-1])
    several = f"{tmp_path / '1.png'} and 1 other file(s) hold more than one picture"
    note = f"{several}: only the first is read; alone, it is a clip"
    for inputs in (
        [str(tmp_path)],
        [str(tmp_path / "*.*")],
        [str(path) for path in sorted(tmp_path.iterdir())],
    ):
        with open_source(inputs) as source:
            frames = list(source.frames(Selection()))
        assert source.notes == [note]
        for frame in frames:
            np.testing.assert_array_equal(frame.image, picture(0, *SIZE))
    (tmp_path / "2.tif").unlink()
    assert open_source([str(tmp_path)]).notes == [
        f"{tmp_path / '1.png'} holds more than one picture: only the first is read; alone, it is a clip"
    ]
