"""Backward warping: the second frame as the first one sees it."""

from typing import Any, Final, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow.arrays import Flow, Mask, as_flow

_Scalar = TypeVar("_Scalar", bound=np.integer[Any] | np.floating[Any])

# What OpenCV's remap takes.
_TYPES: Final = ("uint8", "uint16", "int16", "float32", "float64")
_LONGEST_SIDE: Final = 32766


def warp(image: npt.NDArray[_Scalar], flow: npt.NDArray[Any]) -> tuple[npt.NDArray[_Scalar], Mask]:
    """Sample an image where the flow points: ``warped[y, x] = image[y + v, x + u]``, ``(u, v) = flow[y, x]``.

    With the second frame and the flow from the first to the second, the result looks like the first frame
    wherever that is not occluded. Interpolation is bilinear, OpenCV's ``remap``; before OpenCV 5 it rounds
    positions to 1/32 px.

    Args:
        image: ``[H, W]`` or ``[H, W, C]`` of any number of channels: uint8, uint16, int16, float32 or
            float64. Flow can be warped too.
        flow: ``[H, W, 2]`` in pixels.

    Returns:
        warped: The shape and type of ``image``; **0 where not valid**.
        valid: bool ``[H, W]``, false where the flow points outside the image, that is, beyond the centres of
            its outermost pixels, or is NaN or infinite.

    Raises:
        InputError: An array is of another shape or type, the sizes differ, or a side is over 32766 px.
    """
    image, flow = np.asarray(image), as_flow(flow)
    _check(image, flow)
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, np.newaxis] + flow[..., 1]
    # Written so that NaN compares false.
    valid: Mask = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    # Positions must be numbers, or what is sampled there is left over from other memory.
    x[~valid] = y[~valid] = 0
    sampled = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # OpenCV drops an axis of one channel.
    warped = np.asarray(sampled, image.dtype).reshape(image.shape)
    warped[~valid] = 0
    return warped, valid


def _check(image: npt.NDArray[Any], flow: Flow) -> None:
    if image.ndim not in (2, 3) or image.shape[:2] != flow.shape[:2] or image.size == 0:
        raise InputError(
            f"an image of shape {list(image.shape)} does not fit flow of shape {list(flow.shape)}: it must "
            "be [H, W] or [H, W, channels], of the flow's size"
        )
    if image.dtype not in [np.dtype(name) for name in _TYPES]:
        raise InputError(
            f"an image of type {image.dtype} cannot be interpolated: convert it to one of {', '.join(_TYPES)}"
        )
    if max(flow.shape) > _LONGEST_SIDE:
        raise InputError(
            f"an image of {flow.shape[0]}x{flow.shape[1]} pixels (height x width) is too large for OpenCV: "
            f"warp parts of at most {_LONGEST_SIDE} px a side"
        )
