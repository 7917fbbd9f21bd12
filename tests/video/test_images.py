from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError, VideoError
from dinoflow_deploy.video import open_source
from dinoflow_deploy.video.frame_source import Selection
from dinoflow_deploy.video.images import natural_sort, read_image
from tests.video.clips import picture


def write_images(folder: Path, names, size=(32, 24)) -> list[str]:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), picture(number, *size)[..., ::-1])
    return [str(folder / name) for name in names]


def read(inputs, selection=None, **settings):
    with open_source(inputs, **settings) as source:
        return source, list(source.frames(selection or Selection()))


def test_numbers_sort_as_numbers():
    names = ["frame10.png", "frame2.png", "a.png", "frame1.png", "frame02b.png"]
    assert [path.name for path in natural_sort([Path(name) for name in names])] == [
        "a.png",
        "frame1.png",
        "frame2.png",
        "frame02b.png",
        "frame10.png",
    ]


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


def test_a_jpeg_that_is_cut_off_is_refused(tmp_path):
    (path,) = write_images(tmp_path, ["1.jpg"])
    Path(path).write_bytes(Path(path).read_bytes()[:-40])
    with pytest.raises(VideoError, match=r"1\.jpg: the JPEG is cut off"):
        read_image(Path(path))


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
