"""The shape and type that array containers (``.npy``, ``.flo5``) must have to be flow."""

import numpy as np
import numpy.typing as npt

from dinoflow_deploy.errors import FileFormatError


def check_layout(shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
    """Refuse what is not floating point ``[H, W, 2]`` with at least one pixel.

    Raises:
        FileFormatError: Another shape or type.
    """
    if len(shape) != 3 or shape[2] != 2 or min(shape) < 1:
        raise FileFormatError(f"its array of shape {shape} is no flow: it must be [H, W, 2], not empty")
    if not np.issubdtype(dtype, np.floating):
        raise FileFormatError(f"its array of type {dtype} is not flow in pixels: it must be floating point")
