"""Images of every kind: whole ones with anything behind them are read, cut-off ones never."""

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.images.image_files import decode_image, guessed_white, to_8_bit

IMAGE = np.asarray(
    cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8), (0, 0), 2)
)


def encoded(suffix: str, image: np.ndarray = IMAGE, *settings: int) -> bytes:
    return bytes(cv2.imencode(suffix, image, settings)[1].data)


def jpeg(mode: str = "RGB", **settings: object) -> bytes:
    file = io.BytesIO()
    PillowImage.fromarray(IMAGE).convert(mode).save(file, "JPEG", **settings)
    return file.getvalue()


def with_thumbnail(data: bytes) -> bytes:
    """With a segment, as of EXIF data, that holds a whole JPEG with start and end of its own."""
    thumbnail = encoded(".jpg", IMAGE[::4, ::4])
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + data[2:]


KINDS = {
    "jpeg": jpeg(),
    "jpeg progressive": jpeg(progressive=True),
    "jpeg restart markers": encoded(".jpg", IMAGE, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "jpeg grey": jpeg("L"),
    "jpeg cmyk": jpeg("CMYK"),
    "jpeg thumbnail": with_thumbnail(jpeg()),
    "png": encoded(".png"),
    "png 16-bit": encoded(".png", IMAGE * np.uint16(257)),
    "webp lossless": encoded(".webp"),
    "webp": encoded(".webp", IMAGE, cv2.IMWRITE_WEBP_QUALITY, 80),
    "bmp": encoded(".bmp"),
    "ppm": encoded(".ppm"),
    "pgm": encoded(".pgm", IMAGE[..., 0]),
    "tiff": encoded(".tiff"),
    "tiff plain": encoded(".tiff", IMAGE, cv2.IMWRITE_TIFF_COMPRESSION, 1),
}
TRAILERS = {
    "line end": b"\r\n",
    "zeros": bytes(4096),
    "fill bytes": b"\xff" * 7,
    "motion photo": b"\0\0\0\x18ftypmp42" + np.random.default_rng(1).bytes(3000),
    "samsung": b"\0\0\x01\x0aImage_UTC_Data1700000000000SEFHSEFT",
    "second picture": jpeg(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_follows_an_image_does_not_matter(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(KINDS[kind])
    whole = decode_image(path, cv2.IMREAD_COLOR)
    assert whole.values.shape == IMAGE.shape
    for trailer in TRAILERS.values():
        path.write_bytes(KINDS[kind] + trailer)
        np.testing.assert_array_equal(decode_image(path, cv2.IMREAD_COLOR).values, whole.values)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_that_is_cut_off_is_refused_wherever_it_is(kind: str, tmp_path: Path) -> None:
    data, path = KINDS[kind], tmp_path / "a"
    for kept in (*range(0, len(data) - 20, len(data) // 24), *range(len(data) - 20, len(data))):
        path.write_bytes(data[:kept])
        with pytest.raises(FileFormatError, match="a: cannot be decoded as an image: it is cut off"):
            decode_image(path, cv2.IMREAD_COLOR)


def test_the_first_picture_counts_where_the_second_is_cut_off(tmp_path: Path) -> None:
    """As in the file of a camera with two lenses, or of a telephone with a gain map."""
    first, second = jpeg(), jpeg()
    (tmp_path / "a.jpg").write_bytes(first + second[:-30])
    assert decode_image(tmp_path / "a.jpg", cv2.IMREAD_COLOR).values.shape == IMAGE.shape
    (tmp_path / "a.jpg").write_bytes(first[:-30] + bytes(30))
    with pytest.raises(FileFormatError, match="cut off"):
        decode_image(tmp_path / "a.jpg", cv2.IMREAD_COLOR)


@pytest.mark.parametrize("kind", ["png", "png 16-bit"])
def test_a_wrong_checksum_is_damage(kind: str, tmp_path: Path) -> None:
    data = bytearray(KINDS[kind])
    data[len(data) // 2] ^= 0x55
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(FileFormatError, match=r"a\.png"):
        decode_image(tmp_path / "a.png", cv2.IMREAD_COLOR)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_types_without_a_known_white_are_named(
    byteorder: str, bigtiff: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.tif"
    for name in ("float16", "float32", "float64", "uint32", "int32", "int16", "int8", "complex64"):
        for shape in ((8, 9), (8, 9, 3)):
            photometric = "rgb" if shape[2:] else "minisblack"
            values = np.ones(shape, name)
            tifffile.imwrite(path, values, photometric=photometric, byteorder=byteorder, bigtiff=bigtiff)
            with pytest.raises(
                FileFormatError, match=rf"a\.tif holds {name} values, .*convert it to 8 or 16"
            ):
                decode_image(path, cv2.IMREAD_COLOR)
    for name in ("uint8", "uint16"):
        values = np.arange(72, dtype=name).reshape(8, 9)
        tifffile.imwrite(path, values, byteorder=byteorder, bigtiff=bigtiff)
        np.testing.assert_array_equal(decode_image(path, cv2.IMREAD_GRAYSCALE).values, values)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".hdr", ".pfm"])
def test_floats_in_other_formats_are_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ppm"
    path.write_bytes(encoded(suffix, np.ones((8, 9, 3), np.float32)))
    with pytest.raises(FileFormatError, match=r"a\.ppm holds float32 values, .*convert it to 8 or 16"):
        decode_image(path, cv2.IMREAD_COLOR)


def test_white_is_what_the_file_states(tmp_path: Path) -> None:
    """PGM and PPM state it; 65535 is also written by those who do not know."""
    path = tmp_path / "a"
    for largest, stated in ((99, 99), (255, 255), (1023, 1023), (4095, 4095), (65535, None)):
        sample = ">u2" if largest > 255 else "u1"
        for magic, shape in ((b"P5", (2, 3)), (b"P6", (2, 3, 3))):
            values = np.linspace(0, min(largest, 4095), np.prod(shape)).astype(sample).reshape(shape)
            path.write_bytes(magic + b" # by hand\n3\n2 %d\n" % largest + values.tobytes())
            stored = decode_image(path, cv2.IMREAD_UNCHANGED)
            assert stored.white == stated
            np.testing.assert_array_equal(stored.values, values if magic == b"P5" else values[..., ::-1])


@pytest.mark.parametrize(
    ("largest", "white"),
    [
        (0, 255),
        (255, 255),
        (256, 1023),
        (1024, 4095),
        (4095, 4095),
        (4096, 16383),
        (16384, 65535),
        (65535, 65535),
    ],
)
def test_white_is_guessed_from_the_least_depth_that_holds_the_values(largest: int, white: int) -> None:
    assert guessed_white(largest) == white


@pytest.mark.parametrize("white", [99, 255, 1023, 4095, 16383, 65535])
def test_values_become_8_bit_ones_by_rounding(white: int) -> None:
    values = np.arange(white + 1, dtype=np.uint8 if white < 256 else np.uint16)[np.newaxis]
    assert np.abs(to_8_bit(values, white) - values * (255 / white)).max() < 0.5001
    assert to_8_bit(values, white).dtype == np.uint8
    assert (to_8_bit(np.array([[white, 65535]], np.uint16), white) == 255).all()
