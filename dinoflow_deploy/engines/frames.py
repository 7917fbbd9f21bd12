"""Between frames as users hold them and tensors as the model takes them."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow.padding import Padding

Frames = npt.NDArray[np.uint8]
Tensor = npt.NDArray[np.float32]
Pictures = npt.NDArray[Any]
"""Frames as a model takes them: float images, or bytes, see ``bundles.model_input``."""

Empty: TypeAlias = Callable[[tuple[int, ...], npt.DTypeLike], npt.NDArray[Any]]
"""Memory for an array of a shape and type, as ``np.empty`` gives it."""

_CONVERSION: Final = (
    "dinoflow_deploy.to_frame converts paths, PIL images, torch tensors and values from 0 to 1"
)


def as_rgb(frames: npt.NDArray[Any], name: str, *, batched: bool, convert_colors: bool) -> Frames:
    """Check frames, and convert grey and RGBA to RGB if asked to.

    Args:
        frames: ``uint8 [H, W, 3]``; with ``convert_colors`` also ``[H, W]``, ``[H, W, 1]`` (grey) and
            ``[H, W, 4]`` (RGBA, whose alpha is dropped).
        name: What to call the frames in an error.
        batched: Whether a batch axis comes first.
        convert_colors: Whether to convert.

    Returns:
        ``uint8 [..., H, W, 3]``, a view of ``frames``.

    Raises:
        InputError: ``frames`` is not such an array.
    """
    layout, axes = ("[batch, height, width, 3]", 4) if batched else ("[height, width, 3]", 3)
    if not isinstance(frames, np.ndarray):
        raise InputError(
            f"{name}: a NumPy array {layout} is needed, not {type(frames).__name__}: {_CONVERSION}"
        )
    if frames.dtype != np.uint8:
        raise InputError(f"{name}: uint8 values from 0 to 255 are needed, not {frames.dtype}: {_CONVERSION}")
    # No frame is as narrow as a pixel has channels.
    grey_without_channel = frames.ndim == axes - 1 and frames.shape[-1] > 4
    pixels = frames[..., np.newaxis] if grey_without_channel else frames
    if pixels.ndim != axes or pixels.shape[-1] not in (1, 3, 4):
        raise InputError(f"{name}: RGB {layout} is needed, not {list(frames.shape)}")
    channels = pixels.shape[-1]
    if channels != 3 and not convert_colors:
        kind = "grey" if channels == 1 else "RGBA"
        raise InputError(
            f"{name}: {kind} frames are converted only on request: load_engine(..., convert_colors=True)"
        )
    return np.broadcast_to(pixels, (*pixels.shape[:-1], 3)) if channels == 1 else pixels[..., :3]


def to_tensor(frames: Frames, padding: Padding, batch: int, empty: Empty = np.empty) -> Tensor:
    """Convert frames to the model's input, padded, in one pass over one buffer.

    Args:
        frames: ``uint8 [B, H, W, 3]``, any strides.
        padding: Padding for frames of this size; the border repeats the edge pixels.
        batch: Batch size of the result, at least ``B``; surplus images are black.
        empty: Gives the result's memory.

    Returns:
        ``float32 [batch, 3, padded_height, padded_width]`` in [0, 1], C-contiguous.
    """
    tensor = empty((batch, 3, padding.padded_height, padding.padded_width), np.float32)
    count = len(frames)
    # Channel by channel: twice as fast as dividing a transposed view.
    for frame, image in zip(frames, padding.crop(tensor[:count]), strict=True):
        for channel, plane in zip(cv2.split(frame), image, strict=True):
            np.divide(channel, np.float32(255), out=plane, dtype=np.float32)
    _repeat_edges(tensor[:count], padding, 2)
    tensor[count:] = 0
    return tensor


def to_padded_frames(frames: Frames, padding: Padding, batch: int, empty: Empty = np.empty) -> Frames:
    """Copy frames for a model that takes bytes, padded, in one pass over one buffer.

    Args:
        frames: ``uint8 [B, H, W, 3]``, any strides.
        padding: Padding for frames of this size; the border repeats the edge pixels.
        batch: Batch size of the result, at least ``B``; surplus frames are black.
        empty: Gives the result's memory.

    Returns:
        ``uint8 [batch, padded_height, padded_width, 3]``, C-contiguous.
    """
    padded = empty((batch, padding.padded_height, padding.padded_width, 3), np.uint8)
    count = len(frames)
    top, left = padding.top, padding.left
    padded[:count, top : top + padding.height, left : left + padding.width] = frames
    _repeat_edges(padded[:count], padding, 1)
    padded[count:] = 0
    return padded


def _repeat_edges(pictures: npt.NDArray[Any], padding: Padding, row_axis: int) -> None:
    """Fill the border; columns follow the axis of rows."""
    rows_first = np.moveaxis(pictures, (row_axis, row_axis + 1), (0, 1))
    top, left = padding.top, padding.left
    bottom, right = top + padding.height, left + padding.width
    rows_first[top:bottom, :left] = rows_first[top:bottom, left : left + 1]
    rows_first[top:bottom, right:] = rows_first[top:bottom, right - 1 : right]
    # Whole rows afterwards, so that the corners are filled too.
    rows_first[:top] = rows_first[top : top + 1]
    rows_first[bottom:] = rows_first[bottom - 1 : bottom]


def to_flow(tensor: Tensor, padding: Padding, count: int) -> Tensor:
    """Cut the model's output back to the frames and put (u, v) last.

    Args:
        tensor: ``float32 [B, 2, padded_height, padded_width]``.
        padding: The padding of the input.
        count: Number of real pairs, at most ``B``; the rest is dropped.

    Returns:
        ``float32 [count, H, W, 2]``, an array of its own.
    """
    cropped = padding.crop(tensor[:count])
    flow = np.empty((count, padding.height, padding.width, 2), np.float32)
    # By planes: many times as fast as copying a transposed view.
    for planes, merged in zip(cropped, flow, strict=True):
        cv2.merge(list(planes), merged)
    return flow
