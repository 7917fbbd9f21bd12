"""The colour code of optical flow: hue is direction, saturation is length.

Baker et al., "A Database and Evaluation Methodology for Optical Flow", ICCV 2007 / IJCV 2011, whose wheel and
blending every optical-flow viewer follows (``flow_vis``, RAFT, torchvision).
"""

import math
from functools import cache
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow.arrays import FloatArray, Flow, Image, Mask, as_flow, known_pixels

_EPSILON = 1e-5  # px; keeps a still field white. flow_vis adds the same.
# How much of its brightness a pixel beyond the maximum keeps.
_BRIGHTNESS_BEYOND = {"darken": 0.75, "clip": 1.0}

# Steps per turn of the table of hues: the wheel's steepest part changes by 0.5 levels per step.
_STEPS = 8192

# Rows blended at a time: keeps intermediate arrays in the processor's cache, three times faster on the whole.
_BAND = 64

# Length of each transition, and which channel rises (+1) or falls (-1) along it: red, yellow, green, cyan,
# blue, magenta and back.
_TRANSITIONS = ((15, 1, +1), (6, 0, -1), (4, 2, +1), (11, 1, -1), (13, 0, +1), (6, 2, -1))


def flow_to_rgb(
    flow: npt.NDArray[Any],
    max_flow: float | None = None,
    valid: Mask | None = None,
    *,
    beyond: Literal["darken", "clip"] = "darken",
) -> Image:
    """Draw flow in the Middlebury colour code.

    No motion is white, motion to the right red, down yellow, left cyan-blue, up violet. Equal to
    ``flow_vis`` to one level of 255 at the same maximum.

    Args:
        flow: ``[H, W, 2]`` in pixels.
        max_flow: Length in pixels that is drawn fully saturated. Pass one value for all frames of a clip, so
            that a colour means the same in each. By default the longest valid vector.
        valid: ``[H, W]``; pixels where it is false, and those with a NaN, infinite or unknown (> 1e9)
            component, are drawn black and do not count for the maximum.
        beyond: What longer motion looks like: ``"darken"`` keeps the saturated hue at 75 % of its
            brightness, as the original code and ``flow_vis`` do; ``"clip"`` keeps it in full, as fast motion
            else looks like a dark hole in what moves a little less.

    Returns:
        uint8 ``[H, W, 3]``, RGB.

    Raises:
        InputError: An array has the wrong shape or type, ``max_flow`` is not positive and finite, or
            ``beyond`` is neither.
    """
    if max_flow is not None and not 0 < max_flow < math.inf:
        raise InputError(f"max_flow is {max_flow}: it must be a positive number of pixels")
    if beyond not in _BRIGHTNESS_BEYOND:
        raise InputError(f"beyond is '{beyond}': choose one of {', '.join(_BRIGHTNESS_BEYOND)}")
    flow = as_flow(flow)
    known = known_pixels(flow, valid)
    length, angle = _polar(flow, known)
    radius = length / np.float32((length.max() if max_flow is None else max_flow) + _EPSILON)
    image = np.empty((*known.shape, 3), np.uint8)
    for top in range(0, len(image), _BAND):
        rows = slice(top, top + _BAND)
        image[rows] = _blend(radius[rows], angle[rows], _BRIGHTNESS_BEYOND[beyond])
    image[~known] = 0
    return image


def _polar(flow: Flow, known: Mask) -> tuple[FloatArray, FloatArray]:
    """Length, and angle in radians from 0 to 2 pi (to 0.01 degrees, a tenth of a level)."""
    u, v = flow[..., 0].copy(), flow[..., 1].copy()
    u[~known] = v[~known] = 0
    length, angle = cv2.cartToPolar(u, v)
    return np.asarray(length, np.float32), np.asarray(angle, np.float32)


def _blend(radius: FloatArray, angle: FloatArray, brightness_beyond: float) -> Image:
    """Colours for lengths (1 is the rim of the wheel) and angles in radians from 0 to 2 pi."""
    step = (angle * np.float32(_STEPS / (2 * math.pi))).astype(np.intp)
    saturation = np.minimum(radius, 1)
    # Channel by channel: several times faster than broadcasting over a last axis of 3.
    channels = [255 - saturation * missing.take(step) for missing in _missing_from_white()]
    if brightness_beyond < 1:
        beyond = radius > 1
        for channel in channels:
            channel[beyond] *= np.float32(brightness_beyond)
    return np.asarray(cv2.merge([channel.astype(np.uint8) for channel in channels]), np.uint8)


@cache
def _missing_from_white() -> FloatArray:
    """255 minus the wheel's colour at each step of angle, float32 ``[3, _STEPS + 1]``."""
    wheel = color_wheel()
    nodes = np.arange(len(wheel))
    # As in the original code the last node closes the turn, so hues jump a little at exactly "right".
    position = np.linspace(0, len(wheel) - 1, _STEPS + 1)
    return np.stack([255 - np.interp(position, nodes, wheel[:, c]) for c in range(3)]).astype(np.float32)


def color_wheel() -> npt.NDArray[np.uint8]:
    """The 55 saturated colours of the wheel, from "right" clockwise on the screen.

    Returns:
        uint8 ``[55, 3]``, RGB.
    """
    color = np.array([255, 0, 0])
    colors = []
    for length, channel, direction in _TRANSITIONS:
        start = color.copy()
        for step in range(length):
            color[channel] = start[channel] + direction * (255 * step // length)
            colors.append(color.copy())
        color[channel] = start[channel] + direction * 255
    return np.array(colors, dtype=np.uint8)
