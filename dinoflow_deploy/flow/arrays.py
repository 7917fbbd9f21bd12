"""The types of arrays; what counts as a flow array, and which of its pixels are known."""

from typing import Any

import numpy as np
import numpy.typing as npt

from dinoflow_deploy.errors import InputError

Image = npt.NDArray[np.uint8]
"""A picture, ``[H, W, 3]``, RGB."""
Flow = npt.NDArray[np.float32]
"""Motion from frame 1 to frame 2, ``[H, W, 2]``: (u, v) in pixels, u to the right and v down."""
Mask = npt.NDArray[np.bool_]
"""Which pixels, ``[H, W]``."""
FloatArray = npt.NDArray[np.float32]
"""A number for each pixel."""

UNKNOWN_ABOVE = 1e9
"""A component above this, in pixels, marks an unknown pixel: Middlebury's convention for ``.flo`` files."""


def as_flow(flow: npt.NDArray[Any]) -> Flow:
    """The array as float32 ``[H, W, 2]``, not copied where it already is that.

    Raises:
        InputError: Another shape, an empty field, or not floating point.
    """
    flow = np.asarray(flow)
    if flow.ndim != 3 or flow.shape[2] != 2 or flow.size == 0:
        raise InputError(
            f"an array of shape {flow.shape} is not a flow field: it must be [H, W, 2], not empty"
        )
    if not np.issubdtype(flow.dtype, np.floating):
        raise InputError(f"flow of type {flow.dtype} is not in pixels: it must be floating point")
    # float64 values beyond float32 become infinite, hence unknown.
    with np.errstate(over="ignore"):
        return flow.astype(np.float32, copy=False)


def known_pixels(flow: Flow, valid: Mask | None = None) -> Mask:
    """Where both components are finite and at most 1e9 px, and ``valid`` says so too if given.

    Args:
        flow: ``[H, W, 2]``.
        valid: ``[H, W]``; none means that only the values decide.

    Returns:
        ``[H, W]``, a new array.

    Raises:
        InputError: ``valid`` has another size than the flow, or is not boolean.
    """
    # Written so that NaN compares false.
    known = (np.abs(flow[..., 0]) <= UNKNOWN_ABOVE) & (np.abs(flow[..., 1]) <= UNKNOWN_ABOVE)
    return known if valid is None else known & as_valid(valid, flow)


def as_valid(valid: npt.NDArray[Any], flow: Flow) -> Mask:
    """The mask as an array, checked against the flow it belongs to.

    Raises:
        InputError: It has another size than the flow, or is not boolean.
    """
    valid = np.asarray(valid)
    if valid.dtype != np.bool_ or valid.shape != flow.shape[:2]:
        raise InputError(
            f"a valid mask of type {valid.dtype} and shape {valid.shape} does not fit flow of shape "
            f"{flow.shape}: it must be bool {flow.shape[:2]}"
        )
    return valid
