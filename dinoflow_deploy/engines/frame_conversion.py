"""From images as other libraries hold them to frames."""

import os
import sys
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from dinoflow_deploy.engines.frames import Frames, as_rgb
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.images.image_files import decode_image, guessed_white, to_8_bit

_CHANNELS_LAST: Final = "[height, width] or [height, width, channels]"
_CHANNELS_FIRST: Final = "[height, width] or [channels, height, width]"


def to_frame(image: Any) -> Frames:
    """Convert an image to a frame, which every engine takes.

    How an image is read follows from its type, never from its values:

    - a path (``str`` or ``Path``): an image file, upright as its EXIF data says. Of 16 bits, white is that of
      the least of 8, 10, 12, 14 and 16 bits that holds its values, unless the file says it. Two images may
      so be scaled differently: ``video.open_source`` reads those of a clip by one white;
    - a PIL image of at most 8 bits a channel, by its own ``convert("RGB")``; it is not turned;
    - a torch tensor, on any device: ``[channels, height, width]``, as in torchvision, or ``[height, width]``;
    - a NumPy array, or what NumPy makes one of: ``[height, width, channels]`` or ``[height, width]``. Order
      is RGB: reverse what OpenCV read, ``image[..., ::-1]``.

    Channels are 1 (grey), 3 (RGB) or 4 (RGBA, whose alpha is dropped). Values are ``uint8``, or floating
    point from 0 to 1, which are rounded to the nearest of 256 levels.

    Args:
        image: One image, not a batch.

    Returns:
        ``uint8 [H, W, 3]``, RGB, C-contiguous; it may share memory with ``image``.

    Raises:
        InputError: It is none of these, or of another shape, type or range.
        FileFormatError: The file is missing, damaged, not an image, or of a type without a known white.
    """
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        stored = decode_image(path, cv2.IMREAD_COLOR)
        white = stored.white or guessed_white(int(stored.values.max()))
        return _as_array(to_8_bit(stored.values, white)[..., ::-1])
    # Neither library is imported for this: who holds such an image has done so.
    if _is_of(image, "PIL.Image", "Image"):
        return _from_pil(image)
    if _is_of(image, "torch", "Tensor"):
        return _from_tensor(image)
    if not (hasattr(image, "__array__") or hasattr(image, "__array_interface__")):
        raise InputError(
            f"{type(image).__name__} is not an image: pass a path, a PIL image, a torch tensor or a NumPy "
            "array"
        )
    array = np.asarray(image)
    _check_shape(array, array.shape[2:], _CHANNELS_LAST)
    return _as_frame(array, "an image")


def _is_of(image: Any, module: str, name: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(image, getattr(loaded, name))


def _from_pil(image: Any) -> Frames:
    # "I", "I;16", "I;16B", "F": PIL cuts their values off at 255.
    if image.mode.startswith(("I", "F")):
        raise InputError(
            f"a PIL image of mode '{image.mode}' has more than 8 bits: scale it to floating point from 0 "
            "to 1, for instance numpy.asarray(image) / 65535"
        )
    return _as_array(image.convert("RGB"))


def _from_tensor(tensor: Any) -> Frames:
    _check_shape(tensor, tensor.shape[:-2], _CHANNELS_FIRST)
    # NumPy has no bfloat16.
    array = (tensor.float() if tensor.is_floating_point() else tensor).numpy(force=True)
    return _as_frame(array.transpose(1, 2, 0) if array.ndim == 3 else array, "an image")


def _check_shape(image: Any, channels: tuple[int, ...], layout: str) -> None:
    if image.ndim not in (2, 3) or channels not in ((), (1,), (3,), (4,)) or 0 in image.shape:
        raise InputError(
            f"{type(image).__name__} of shape {list(image.shape)} is not an image: it must be {layout}, with "
            "1, 3 or 4 channels"
        )


def _as_frame(array: npt.NDArray[Any], name: str) -> Frames:
    if np.issubdtype(array.dtype, np.floating):
        array = _levels(array, name)
    if array.dtype != np.uint8:
        raise InputError(
            f"{name} of type {array.dtype} has no known range: convert it to uint8, or to floating point "
            "from 0 to 1"
        )
    return _as_array(as_rgb(array, name, batched=False, convert_colors=True))


def _levels(array: npt.NDArray[Any], name: str) -> Frames:
    levels = np.rint(255 * array.astype(np.float32))
    # Written so that NaN is refused.
    if not (levels.min() >= 0 and levels.max() <= 255):
        raise InputError(
            f"{name} of floating point must have values from 0 to 1, and here they go from "
            f"{array.min():g} to {array.max():g}: divide by 255, or undo a normalisation"
        )
    return levels.astype(np.uint8)


def _as_array(image: Any) -> Frames:
    return np.ascontiguousarray(image, np.uint8)
