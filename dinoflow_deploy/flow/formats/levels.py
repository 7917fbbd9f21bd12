"""KITTI's 16-bit levels of flow: ``64 u + 32768``, so that a step is 1/64 px (KITTI 2015 development kit)."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow.arrays import Flow

PER_PIXEL: Final = 64
"""Levels for a pixel of motion."""
ZERO: Final = 32768
"""The level of no motion."""
_LAST: Final = 65535


def to_levels(flow: Flow, *, lowest: int, holder: str) -> npt.NDArray[np.uint16]:
    """Flow as levels, rounded to the nearest.

    Args:
        flow: ``[H, W, 2]`` in pixels, NaN where unknown.
        lowest: The smallest level that a known pixel may have.
        holder: What holds them, for the message: ``"a KITTI PNG"``.

    Returns:
        ``uint16 [2, H, W]``, u and v; 0 where unknown.

    Raises:
        InputError: A known component is out of range; the message names the worst.
    """
    least, most = (lowest - ZERO) / PER_PIXEL, (_LAST - ZERO) / PER_PIXEL
    # Comparisons with NaN, which is all that is left of a field without known pixels, are false.
    if np.fmin.reduce(flow, axis=None) < least or np.fmax.reduce(flow, axis=None) > most:
        raise _out_of_range(flow, least, most, holder)
    unknown = np.isnan(flow[..., 0])
    levels = np.empty((2, *flow.shape[:2]), np.uint16)
    for component, plane in enumerate(levels):
        steps = flow[..., component] * np.float32(PER_PIXEL)
        np.rint(steps, out=steps)
        steps += np.float32(ZERO)
        steps[unknown] = 0
        plane[:] = steps
    return levels


def from_levels(levels: npt.NDArray[Any]) -> Flow:
    """Flow in pixels, ``float32``, of levels of any shape."""
    flow: Flow = (levels.astype(np.float32) - np.float32(ZERO)) / np.float32(PER_PIXEL)
    return flow


def _out_of_range(flow: Flow, least: float, most: float, holder: str) -> InputError:
    excess = np.nan_to_num(np.maximum(least - flow, flow - most))
    row, column, component = np.unravel_index(np.argmax(excess), flow.shape)
    return InputError(
        f"{'uv'[component]} is {flow[row, column, component]:.3f} px at column {column}, row {row}: "
        f"{holder} holds {least:.10g} to {most:.3f} px; write .flo, or mark such pixels invalid"
    )
