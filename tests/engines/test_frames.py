from collections.abc import Callable

import numpy as np
import pytest

from dinoflow_deploy.engines.frames import to_flow, to_padded_frames, to_tensor
from dinoflow_deploy.flow.padding import Padding

MakeFrames = Callable[..., np.ndarray]


@pytest.mark.parametrize(
    "padding", [Padding(33, 47, 48, 64), Padding(33, 47, 33, 47), Padding(33, 47, 112, 47)]
)
def test_the_tensor_is_the_padded_frame_over_255(padding: Padding, frames: MakeFrames) -> None:
    pixels = frames(2, 33, 47)
    rows = (padding.top, padding.padded_height - 33 - padding.top)
    columns = (padding.left, padding.padded_width - 47 - padding.left)
    images = (pixels.astype(np.float64) / 255).transpose(0, 3, 1, 2)
    expected = np.pad(images, [(0, 0), (0, 0), rows, columns], mode="edge")
    tensor = to_tensor(pixels, padding, batch=2)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    np.testing.assert_allclose(tensor, expected, atol=1e-7, rtol=0)
    assert tensor.max() <= 1


@pytest.mark.parametrize(
    "padding", [Padding(33, 47, 48, 64), Padding(33, 47, 33, 47), Padding(33, 47, 112, 47)]
)
def test_bytes_are_padded_and_the_callers_are_not_kept(padding: Padding, frames: MakeFrames) -> None:
    pixels = frames(2, 33, 47)[..., ::-1]
    rows = (padding.top, padding.padded_height - 33 - padding.top)
    columns = (padding.left, padding.padded_width - 47 - padding.left)
    expected = np.pad(pixels, [(0, 0), rows, columns, (0, 0)], mode="edge")
    padded = to_padded_frames(pixels, padding, batch=3)
    assert padded.dtype == np.uint8
    assert padded.flags.c_contiguous
    np.testing.assert_array_equal(padded[:2], expected)
    assert not padded[2].any()
    assert not np.shares_memory(padded, pixels)


def test_surplus_images_are_black(frames: MakeFrames) -> None:
    tensor = to_tensor(frames(1, 16, 16), Padding(16, 16, 64, 64), batch=3)
    assert tensor.shape == (3, 3, 64, 64)
    assert not tensor[1:].any()
    assert tensor[0].any()


@pytest.mark.parametrize(
    "view",
    [
        lambda pixels: pixels[:, ::-1],
        lambda pixels: pixels[:, :, ::2],
        lambda pixels: pixels[..., ::-1],
        lambda pixels: pixels.transpose(0, 2, 1, 3),
    ],
)
def test_any_strides_are_taken(view: Callable[[np.ndarray], np.ndarray], frames: MakeFrames) -> None:
    pixels = view(frames(2, 40, 60))
    assert not pixels.flags.c_contiguous
    padding = Padding(*pixels.shape[1:3], 64, 64)
    np.testing.assert_array_equal(
        to_tensor(pixels, padding, 2), to_tensor(np.ascontiguousarray(pixels), padding, 2)
    )


def test_flow_is_cropped_and_its_own() -> None:
    padding = Padding(33, 47, 48, 64)
    raw = np.random.default_rng(0).random((3, 2, 48, 64), np.float32)
    flow = to_flow(raw, padding, count=2)
    np.testing.assert_array_equal(flow, padding.crop(raw[:2]).transpose(0, 2, 3, 1))
    assert flow.base is None
    assert flow.flags.c_contiguous
