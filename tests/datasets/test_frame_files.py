from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.datasets.frame_files import check_sizes, read_frames, read_mask
from dinoflow_deploy.errors import FileFormatError, SizeMismatchError
from tests.flow import samples

IMAGE = np.asarray(
    cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8), (0, 0), 2)
)


def read_frame(path: Path) -> np.ndarray:
    (frame,) = read_frames(path)
    return frame


def encoded(suffix: str, image: np.ndarray = IMAGE) -> bytes:
    return bytes(cv2.imencode(suffix, image)[1].data)


def test_rgb_from_bytes_made_by_hand(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(samples.png(pixels))
    (tmp_path / "a.ppm").write_bytes(b"P6\n7 5\n255\n" + pixels.tobytes())
    for name in ("a.png", "a.ppm"):
        frame = read_frame(tmp_path / name)
        np.testing.assert_array_equal(frame, pixels)
        assert frame.flags.c_contiguous


def test_grey_gets_three_equal_channels(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png", IMAGE[..., 0]))
    frame = read_frame(tmp_path / "a.png")
    for channel in range(3):
        np.testing.assert_array_equal(frame[..., channel], IMAGE[..., 0])


def test_a_frame_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png")[:-20])
    for read in (read_frame, read_mask):
        with pytest.raises(FileFormatError, match=r"a\.png.* cut off"):
            read(tmp_path / "a.png")


def test_frames_of_16_bits_keep_their_grey_levels_by_one_scale(tmp_path: Path) -> None:
    """12 bits in 16, as many a camera writes them: an eighth as bright in the second frame."""
    for name, brightness in (("1.png", 16), ("2.png", 2)):
        (tmp_path / name).write_bytes(encoded(".png", IMAGE[..., ::-1] * np.uint16(brightness)))
    first, second = read_frames(tmp_path / "1.png", tmp_path / "2.png")
    assert int(IMAGE.max()) * 16 > 1023
    assert np.abs(first.astype(int) - IMAGE).max() <= 1
    assert np.abs(second - IMAGE / 8).max() <= 1


def test_a_frame_of_8_bits_beside_one_of_16(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(encoded(".png", IMAGE[..., ::-1]))
    (tmp_path / "2.png").write_bytes(encoded(".png", IMAGE[..., ::-1] * np.uint16(257)))
    first, second = read_frames(tmp_path / "1.png", tmp_path / "2.png")
    np.testing.assert_array_equal(first, IMAGE)
    np.testing.assert_array_equal(second, IMAGE)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"<html>404</html>" * 9)
    with pytest.raises(FileFormatError, match="of another kind"):
        read_frame(tmp_path / "a.png")
    with pytest.raises(FileFormatError, match=r"b\.png: cannot be read: No such file"):
        read_frame(tmp_path / "b.png")
    with pytest.raises(FileFormatError, match="cannot be read: Is a directory"):
        read_frame(tmp_path)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_mask_is_true_where_not_black(tmp_path: Path, kind: type) -> None:
    pixels = np.array([[0, 1, 255]], kind)
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), [[False, True, True]])


def test_sizes_that_differ_are_named() -> None:
    check_sizes({Path("a"): np.zeros((2, 3, 3)), Path("b"): np.zeros((2, 3, 2)), Path("c"): np.zeros((2, 3))})
    with pytest.raises(SizeMismatchError, match=r"c has 3x2 pixels \(height x width\) but a has 2x3"):
        check_sizes({Path("a"): np.zeros((2, 3, 3)), Path("c"): np.zeros((3, 2))})
