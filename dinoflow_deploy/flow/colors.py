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
from dinoflow_deploy.flow.arrays import FloatArray, Flow, Image, Mask, as_flow, as_valid, known_pixels

_EPSILON = 1e-5  # px; keeps a still field white. flow_vis adds the same.
# How much of its brightness a pixel beyond the maximum keeps.
_BRIGHTNESS_BEYOND = {"darken": 0.75, "clip": 1.0}

# Steps per turn of the table of hues: the wheel's steepest part changes by 0.1 levels per step.
_STEPS = 32768

# Cells of the table of colours across the wheel. From a cell's middle to its corner a colour changes by 0.83
# levels at most: 548 per radian along the rim, where the wheel is steepest, and 255 per radius.
_CELLS = 1024

# Pixels drawn at a time: what is between stays in the processor's cache. OpenCV's remap takes 32766 in a row.
_AT_ONCE = 32766

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
    longest = _longest(flow, valid) if max_flow is None else max_flow
    scale = np.float32(longest + _EPSILON)
    # The longest vector is the rim itself, and not beyond it by a rounding.
    brightness_beyond = 1.0 if max_flow is None else _BRIGHTNESS_BEYOND[beyond]
    image = np.empty((*flow.shape[:2], 3), np.uint8)
    pixels, vectors = image.reshape(-1, 3), np.ascontiguousarray(flow).reshape(-1, 2)
    for start in range(0, len(pixels), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        _draw(pixels[part], vectors[part], scale, brightness_beyond)
    if valid is not None:
        image[~as_valid(valid, flow)] = 0
    return image


def _longest(flow: Flow, valid: Mask | None) -> float:
    known = known_pixels(flow, valid)
    u, v = (np.where(known, flow[..., component], 0) for component in range(2))
    return float(np.max(cv2.magnitude(u, v)))


def _draw(pixels: Image, vectors: FloatArray, scale: np.float32, brightness_beyond: float) -> None:
    """Write the colours ``[N, 3]`` of vectors ``[N, 2]``: from the table, and what is not in it by itself."""
    # Cells begin at their smaller side, so that none lies across the jump of the hues at "right". What is no
    # number, or too large, ends outside of the table.
    per_pixel, middle = _CELLS / 2 / float(scale), _CELLS / 2 - 0.5
    cells = cv2.addWeighted(vectors[np.newaxis], per_pixel, vectors[np.newaxis], 0, middle, dtype=cv2.CV_16S)
    packed = cv2.remap(_table(), cells, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)  # type: ignore[call-overload]
    colors = packed.view(np.uint8).reshape(1, -1, 4)
    cv2.cvtColor(colors, cv2.COLOR_RGBA2RGB, pixels[np.newaxis])
    rest = np.flatnonzero(packed.view(np.uint32) == 0)
    if len(rest) == len(pixels):
        pixels[:] = _computed(vectors, scale, brightness_beyond)
    elif len(rest):
        pixels[rest] = _computed(vectors[rest], scale, brightness_beyond)


@cache
def _table() -> FloatArray:
    """Colours inside of the wheel by cell, v down and u to the right, ``[_CELLS, _CELLS]``.

    Each is red, green, blue and a byte that is not 0, in the four bytes of a float, which OpenCV copies
    fastest. Cells that reach the rim are 0, as what is outside of the table.
    """
    middles = (np.arange(_CELLS, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / _CELLS) - 1
    table = np.ones((_CELLS, _CELLS, 4), np.uint8)
    at_once = _AT_ONCE // _CELLS
    for top in range(0, _CELLS, at_once):
        u, v = np.meshgrid(middles, middles[top : top + at_once])
        colors = _computed(np.stack([u.ravel(), v.ravel()], axis=1), np.float32(1), 1.0)
        part = table[top : top + at_once]
        part[..., :3] = colors.reshape(*u.shape, 3)
        part[cv2.magnitude(u, v) >= 1 - math.sqrt(2) / _CELLS] = 0
    # No motion is white, and lies where four cells meet.
    table[_CELLS // 2 - 1 : _CELLS // 2 + 1, _CELLS // 2 - 1 : _CELLS // 2 + 1, :3] = 255
    return table.view(np.float32)[..., 0]


def _computed(vectors: FloatArray, scale: np.float32, brightness_beyond: float) -> Image:
    """Colours ``[N, 3]`` of vectors ``[N, 2]``, black where these are not known."""
    known = known_pixels(vectors)
    u, v = (np.where(known, vectors[:, component], 0) for component in range(2))
    length, angle = (np.asarray(values, np.float32).ravel() for values in cv2.cartToPolar(u, v))
    radius = length / scale
    step = (angle * np.float32(_STEPS / (2 * math.pi))).astype(np.intp)
    saturation = np.minimum(radius, 1)
    # Channel by channel: several times faster than broadcasting over a last axis of 3.
    channels = [255 - saturation * missing.take(step) for missing in _missing_from_white()]
    if brightness_beyond < 1:
        for channel in channels:
            channel[radius > 1] *= np.float32(brightness_beyond)
    merged = cv2.merge([channel.astype(np.uint8) for channel in channels])
    colors = np.asarray(merged, np.uint8).reshape(-1, 3)
    colors[~known] = 0
    return colors


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
