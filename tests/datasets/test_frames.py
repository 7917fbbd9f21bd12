from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.datasets.frames import check_sizes, read_frame, read_mask
from dinoflow_deploy.errors import FileFormatError, SizeMismatchError
from tests.flow import samples

IMAGE = np.asarray(
    cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8), (0, 0), 2)
)
SUFFIXES = (".png", ".ppm", ".webp", ".jpg", ".bmp", ".tiff")


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


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_image_cut_off_anywhere_is_refused(tmp_path: Path, suffix: str) -> None:
    data, path = encoded(suffix), tmp_path / f"a{suffix}"
    path.write_bytes(data)
    assert read_frame(path).shape == IMAGE.shape
    for kept in (0, 1, 10, len(data) // 4, len(data) // 2, len(data) - 9, len(data) - 1):
        path.write_bytes(data[:kept])
        for read in (read_frame, read_mask):
            with pytest.raises(FileFormatError, match="cut off") as raised:
                read(path)
            assert str(path) in str(raised.value)


def test_a_jpeg_cut_off_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV before version 5 decodes it and fills the rest with grey."""
    monkeypatch.setattr(cv2, "imdecode", lambda *_: IMAGE)
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(".jpg")[:-2])
    with pytest.raises(FileFormatError, match="JPEG is cut off"):
        read_frame(path)
    path.write_bytes(encoded(".jpg") + bytes(3))
    assert read_frame(path).shape == IMAGE.shape


def test_a_damaged_png_is_refused(tmp_path: Path) -> None:
    data = bytearray(encoded(".png"))
    data[len(data) // 2] ^= 0x55
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(FileFormatError, match=r"a\.png"):
        read_frame(tmp_path / "a.png")


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"<html>404</html>" * 9)
    with pytest.raises(FileFormatError, match="of another kind"):
        read_frame(tmp_path / "a.png")
    with pytest.raises(FileFormatError, match=r"b\.png: cannot be read: No such file"):
        read_frame(tmp_path / "b.png")
    with pytest.raises(FileFormatError, match="cannot be read: Is a directory"):
        read_frame(tmp_path)


def test_mask_is_true_where_not_black(tmp_path: Path) -> None:
    pixels = np.array([[0, 1, 255]], np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), [[False, True, True]])


def test_sizes_that_differ_are_named() -> None:
    check_sizes({Path("a"): np.zeros((2, 3, 3)), Path("b"): np.zeros((2, 3, 2)), Path("c"): np.zeros((2, 3))})
    with pytest.raises(SizeMismatchError, match=r"c has 3x2 pixels \(height x width\) but a has 2x3"):
        check_sizes({Path("a"): np.zeros((2, 3, 3)), Path("c"): np.zeros((3, 2))})
