from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError, VideoError
from dinoflow_deploy.video import open_source
from dinoflow_deploy.video.frame_source import Selection
from tests.video.clips import picture


def write_images(folder: Path, names, size=(32, 24)) -> list[str]:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), picture(number, *size)[..., ::-1])
    return [str(folder / name) for name in names]


def read(inputs, selection=None, **settings):
    with open_source(inputs, **settings) as source:
        return source, list(source.frames(selection or Selection()))


def test_a_folder_is_read_in_natural_order(tmp_path):
    names = [f"frame{number}.png" for number in range(11)]
    write_images(tmp_path / "frames", names)
    (tmp_path / "frames" / "notes.txt").write_text("not an image")
    (tmp_path / "frames" / ".hidden.png").write_text("not an image")
    source, frames = read([str(tmp_path / "frames")])
    assert (source.count, source.rate, source.time_base) == (11, 25, Fraction(1, 25))
    assert [frame.pts for frame in frames] == list(range(11))
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, picture(number, 32, 24))


def test_a_pattern_and_a_list(tmp_path):
    paths = write_images(tmp_path / "frames", ["a1.png", "a2.png", "b1.png"])
    pattern, frames = read([str(tmp_path / "frames" / "a*.png")], rate=Fraction(10))
    assert (pattern.rate, len(frames)) == (10, 2)
    # A list keeps the order given.
    _, frames = read([paths[2], paths[0]])
    np.testing.assert_array_equal(frames[0].image, picture(2, 32, 24))
    np.testing.assert_array_equal(frames[1].image, picture(0, 32, 24))


def test_a_folder_with_brackets_in_its_name_is_no_pattern(tmp_path):
    write_images(tmp_path / "take[1]", ["1.png", "2.png"])
    assert len(read([str(tmp_path / "take[1]")])[1]) == 2


def test_stride_keeps_time(tmp_path):
    write_images(tmp_path / "frames", [f"{number}.png" for number in range(9)])
    _, frames = read([str(tmp_path / "frames")], Selection(start=1, stride=3))
    assert [(frame.index, frame.pts) for frame in frames] == [(1, 0), (4, 3), (7, 6)]


def test_max_side(tmp_path):
    write_images(tmp_path / "frames", ["1.png", "2.png"], size=(200, 100))
    _, frames = read([str(tmp_path / "frames")], max_side=50)
    assert frames[0].image.shape == (26, 50, 3) or frames[0].image.shape == (24, 50, 3)


def test_grey_and_transparent_images_become_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.full((20, 20), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "2.png"), np.full((20, 20, 4), 90, np.uint8))
    for frame in read([str(tmp_path)])[1]:
        np.testing.assert_array_equal(frame.image, np.full((20, 20, 3), 90, np.uint8))


def write_12_bit_twins(folder: Path, count: int = 3) -> list[np.ndarray]:
    """Frames as 8-bit PNG would hold them, in 12 bits of 16-bit PNG; the first is dark. Gives the frames."""
    frames = [picture(number, 32, 24) // (8 if number == 0 else 1) for number in range(count)]
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{number}.png"), np.uint16(frame[..., ::-1]) * 16)
    return frames


def test_12_bit_images_in_16_bits_are_read_by_one_scale(tmp_path):
    twins = write_12_bit_twins(tmp_path)
    source, frames = read([str(tmp_path)])
    for frame, twin in zip(frames, twins, strict=True):
        assert np.abs(frame.image.astype(int) - twin).max() <= 1
    largest = 16 * max(int(twin.max()) for twin in twins)
    assert source.notes == [
        f"the 16-bit images hold values up to {largest}: read as 12-bit, 4095 being white"
    ]


def test_full_16_bit_images_are_read_without_a_remark(tmp_path):
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number, 32, 24)[..., ::-1] * np.uint16(257))
    source, frames = read([str(tmp_path)])
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.image, picture(number, 32, 24))
    assert source.notes == []


def test_a_white_that_files_state_is_not_guessed(tmp_path):
    """A dark PGM of 12 bits stays dark, and its neighbour of 8 bits as it is."""
    values = np.arange(400, dtype=np.uint16).reshape(20, 20)
    (tmp_path / "1.pgm").write_bytes(b"P5 20 20 4095\n" + values.astype(">u2").tobytes())
    cv2.imwrite(str(tmp_path / "2.pgm"), np.uint8(values // 16))
    source, frames = read([str(tmp_path)])
    assert np.abs(frames[0].image[..., 0] - values * (255 / 4095)).max() < 0.5001
    np.testing.assert_array_equal(frames[1].image[..., 0], values // 16)
    assert source.notes == []


def test_values_beyond_the_guess_are_white_and_said(tmp_path):
    """Of 18 images, 16 are looked at before the first frame."""
    for number in range(18):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((20, 20), 900, np.uint16))
    hidden = [n for n in range(18) if n not in {round(17 * step / 15) for step in range(16)}]
    assert len(hidden) == 2
    for number in hidden:
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((20, 20), 2000, np.uint16))
    source, frames = read([str(tmp_path)])
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [
        255 if number in hidden else round(900 * 255 / 1023) for number in range(18)
    ]
    assert len(source.notes) == 2
    assert f"{hidden[0]}.png and maybe others hold more, here up to 2000" in source.notes[1]


def test_a_type_without_a_known_white_is_named(tmp_path, capfd):
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.tif"), np.ones((20, 20), np.float32))
    with pytest.raises(VideoError, match=r"0\.tif holds float32 values"):
        read([str(tmp_path)])
    assert capfd.readouterr().err == ""


def test_an_image_of_another_size_is_named(tmp_path):
    write_images(tmp_path, ["1.png", "2.png"])
    write_images(tmp_path, ["3.png"], size=(40, 24))
    with pytest.raises(VideoError, match=r"3\.png is 40x24 but .*1\.png is 32x24"):
        read([str(tmp_path)])


def test_a_damaged_image_is_named(tmp_path):
    paths = write_images(tmp_path, ["1.png", "2.png"])
    Path(paths[1]).write_bytes(Path(paths[1]).read_bytes()[:40])
    with pytest.raises(VideoError, match=r"2\.png: cannot be decoded as an image: it is cut off"):
        read([str(tmp_path)])


def test_what_holds_no_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(VideoError, match="holds no image"):
        open_source([str(tmp_path)])
    with pytest.raises(VideoError, match="no image matches the pattern"):
        open_source([str(tmp_path / "*.png")])


def test_one_image_asks_for_a_second(tmp_path):
    (path,) = write_images(tmp_path, ["1.png"])
    with pytest.raises(VideoError, match="single image; flow needs two"):
        open_source([path])


def test_a_list_must_be_images_that_exist(tmp_path):
    (path,) = write_images(tmp_path, ["1.png"])
    with pytest.raises(VideoError, match=r"2\.png is missing"):
        open_source([path, str(tmp_path / "2.png")])
    with pytest.raises(VideoError, match=r"clip\.mp4 is not an image"):
        open_source([path, "clip.mp4"])


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    # Permissions do not hold for root, who may run the tests.
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(VideoError, match=f"{tmp_path} cannot be listed: Permission denied"):
        open_source([str(tmp_path)])


def test_a_tiny_max_side_is_refused(tmp_path):
    with pytest.raises(InputError, match="max-side is 8"):
        open_source([str(tmp_path)], max_side=8)
