import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from dinoflow_deploy import to_frame
from dinoflow_deploy.errors import FileFormatError, InputError

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = RGB[..., 0]
RGBA = np.concatenate([RGB, RGB[..., :1]], axis=2)
GREY_AS_RGB = np.repeat(GREY[..., np.newaxis], 3, axis=2)


def on_disk(path: Path, image: np.ndarray) -> Path:
    """Written by PIL, which takes RGB."""
    Image.fromarray(image).save(path)
    return path


class ArrayLike:
    """What another library hands out."""

    def __init__(self) -> None:
        self.__array_interface__ = RGB.__array_interface__


@pytest.mark.parametrize(
    "image",
    [
        RGB,
        RGBA,
        RGB[:, ::-1][:, ::-1],
        np.asfortranarray(RGB),
        ArrayLike(),
        RGB / 255,
        (RGB / 255).astype(np.float32),
        (RGB / 255).astype(np.float16),
        Image.fromarray(RGB),
        Image.fromarray(RGBA),
        torch.from_numpy(RGB).permute(2, 0, 1),
        torch.from_numpy(RGBA).permute(2, 0, 1) / 255,
        (torch.from_numpy(RGB).permute(2, 0, 1) / 255).requires_grad_(),
        (torch.from_numpy(RGB).permute(2, 0, 1) / 255).half(),
    ],
    ids=lambda image: type(image).__name__,
)
def test_colours(image: Any) -> None:
    frame = to_frame(image)
    np.testing.assert_array_equal(frame, RGB)
    assert (frame.dtype, frame.flags.c_contiguous) == (np.uint8, True)


@pytest.mark.parametrize(
    "image",
    [
        GREY,
        GREY[..., np.newaxis],
        GREY / 255,
        Image.fromarray(GREY),
        torch.from_numpy(GREY.copy()),
        torch.from_numpy(GREY.copy())[np.newaxis] / 255,
    ],
    ids=lambda image: type(image).__name__,
)
def test_grey(image: Any) -> None:
    np.testing.assert_array_equal(to_frame(image), GREY_AS_RGB)


def test_what_is_a_frame_is_not_copied() -> None:
    assert np.shares_memory(to_frame(RGB), RGB)


def test_bfloat16_is_rounded_to_the_nearest_level() -> None:
    tensor = (torch.from_numpy(RGB).permute(2, 0, 1) / 255).bfloat16()
    expected = np.rint(255 * tensor.float().numpy()).transpose(1, 2, 0)
    np.testing.assert_array_equal(to_frame(tensor), expected)


def test_a_palette_is_colours_and_one_bit_is_black_and_white() -> None:
    palette = Image.fromarray(RGB).quantize(16)
    assert palette.mode == "P"
    np.testing.assert_array_equal(to_frame(palette), np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(to_frame(Image.fromarray(GREY > 99)), 255 * (GREY_AS_RGB > 99))


def test_files_of_every_kind(tmp_path: Path) -> None:
    for image, expected in ((RGB, RGB), (GREY, GREY_AS_RGB), (RGBA, RGB)):
        path = on_disk(tmp_path / "image.png", image)
        for name in (path, str(path)):
            np.testing.assert_array_equal(to_frame(name), expected)


def test_a_file_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    Image.fromarray(RGB).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(to_frame(tmp_path / "turned.png"), np.rot90(RGB, -1))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (RGB.transpose(2, 0, 1), r"ndarray of shape \[3, 20, 30\] .* \[height, width, channels\]"),
        (torch.from_numpy(RGB), r"Tensor of shape \[20, 30, 3\] .* \[channels, height, width\]"),
        (RGB[np.newaxis], r"\[1, 20, 30, 3\] is not an image"),
        (torch.zeros(1, 3, 20, 30), r"\[1, 3, 20, 30\] is not an image"),
        (RGB[..., :2], r"\[20, 30, 2\] .* 1, 3 or 4 channels"),
        (RGB[:0], r"\[0, 30, 3\] is not an image"),
        (RGB.astype(np.uint16), "type uint16 has no known range: convert it to uint8"),
        (RGB.astype(np.int64), "type int64"),
        (GREY > 99, "type bool"),
        (torch.zeros(3, 20, 30, dtype=torch.int64), "type int64"),
        (RGB.astype(np.float32), "from 0 to 255: divide by 255"),
        (RGB / 127.5 - 1, "from -1 to 1: .* undo a normalisation"),
        (np.full((20, 30), np.nan), "from nan to nan"),
        (Image.fromarray(GREY.astype(np.uint16)), "PIL image of mode 'I;16' has more than 8 bits"),
        (Image.fromarray(GREY.astype(np.float32)), "PIL image of mode 'F'"),
        ([[1, 2], [3, 4]], "list is not an image: pass a path, a PIL image"),
        (None, "NoneType is not an image"),
    ],
)
def test_what_is_not_clear_is_refused(image: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        to_frame(image)
    assert "\n" not in str(refused.value)


def test_files_of_16_bits_keep_their_grey_levels(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "deep.png"), np.rint(RGB[..., ::-1] * (4095 / 255)).astype(np.uint16))
    assert RGB.max() > 64, "else fewer than 12 bits hold it"
    np.testing.assert_array_equal(to_frame(tmp_path / "deep.png"), RGB)


def test_files_that_are_not_clear_are_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "float.tiff"), RGB.astype(np.float32))
    with pytest.raises(FileFormatError, match=r"float\.tiff holds float32 values"):
        to_frame(tmp_path / "float.tiff")
    with pytest.raises(FileFormatError, match=r"missing\.png: cannot be read"):
        to_frame(tmp_path / "missing.png")


def test_neither_torch_nor_pil_is_imported_for_it() -> None:
    code = (
        "import sys, numpy\n"
        "from dinoflow_deploy import to_frame\n"
        "to_frame(numpy.zeros((20, 20)))\n"
        "print({'torch', 'PIL'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "set()"
