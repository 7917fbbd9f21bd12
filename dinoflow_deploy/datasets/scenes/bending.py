"""Smooth bending of a whole frame: motion beyond affine, with its exact flow."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets.scenes.layers import Layer, render
from dinoflow_deploy.datasets.scenes.motion import Matrix, affine
from dinoflow_deploy.datasets.scenes.scene_config import SceneConfig

Field = NDArray[np.float32]

STEEPEST = 0.25  # change of the bend per px: below 1 nothing folds, and the search below converges
SEARCH_STEPS = 12  # each leaves a quarter of the error: less than 1e-4 px at the end


def random_bend(rng: np.random.Generator, config: SceneConfig, longest: float) -> Field:
    """Draw a bend of the second frame.

    Args:
        rng: Source of randomness.
        config: Size of the frame.
        longest: Largest displacement in px.

    Returns:
        `float32 [H, W, 2]`: what is seen at q was at q + bend(q) before the frame was bent.
    """
    cells = int(rng.integers(2, 6))
    grid = rng.uniform(-1, 1, (cells + 1, cells + 1, 2)).astype(np.float32)
    bend = cv2.resize(grid, (config.width, config.height), interpolation=cv2.INTER_CUBIC)
    steepest = max(float(np.abs(np.diff(bend, axis=axis)).max()) for axis in (0, 1))
    length = float(np.linalg.norm(bend, axis=-1).max())
    strength = min(STEEPEST / (2 * steepest), rng.uniform(0.2, 1.0) * longest / length)
    return np.asarray(bend * np.float32(strength), np.float32)


def render_bent(
    layers: Sequence[Layer], poses: Sequence[Matrix], bend: Field
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Paint layers as `render` does, then bend the frame.

    Args:
        layers: What to paint; the first covers everything.
        poses: From each layer's own coordinates to the frame before it is bent.
        bend: As `random_bend` gives it.

    Returns:
        As `render`.
    """
    height, width = bend.shape[:2]
    # Painted larger, since the bend brings in what lies beside the frame.
    margin = math.ceil(float(np.abs(bend).max())) + 1
    aside = affine(np.zeros(2), np.full(2, float(margin)))
    frame, numbers = render(layers, [aside @ pose for pose in poses], height + 2 * margin, width + 2 * margin)
    x, y = cv2.split(bend + _pixels(height, width) + np.float32(margin))
    bent = cv2.remap(frame, x, y, cv2.INTER_CUBIC)
    nearest = cv2.remap(numbers, x, y, cv2.INTER_NEAREST)
    return np.asarray(bent, np.uint8), np.asarray(nearest, np.uint8)


def bent_flow(flow: Field, bend: Field) -> Field:
    """The flow when the second frame is bent.

    A pixel that would have gone to t is seen at the q for which q + bend(q) = t, found by fixed-point
    iteration. Beside the frame the bend goes on as it is at the border.

    Args:
        flow: To the second frame before it was bent, `float32 [H, W, 2]`, px.
        bend: As `random_bend` gives it.
    """
    start = _pixels(*bend.shape[:2])
    end = start + flow
    position = end
    for _ in range(SEARCH_STEPS):
        inside = np.clip(position, 0, np.array(bend.shape[1::-1], np.float32) - 1)
        position = end - _bilinear(bend, inside)
    return np.asarray(position - start, np.float32)


def _bilinear(field: Field, position: Field) -> Field:
    """Values between pixels, at positions that `cv2.remap` would round to 1/32 px."""
    low = np.minimum(np.floor(position), np.array(field.shape[1::-1], np.float32) - 2).clip(0)
    column, row = low[..., 0].astype(np.intp), low[..., 1].astype(np.intp)
    right, down = (position - low)[..., 0, None], (position - low)[..., 1, None]
    upper = field[row, column] * (1 - right) + field[row, column + 1] * right
    lower = field[row + 1, column] * (1 - right) + field[row + 1, column + 1] * right
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def _pixels(height: int, width: int) -> Field:
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
