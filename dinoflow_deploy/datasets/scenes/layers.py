"""Rendering of textured layers under affine poses, with exact flow between two poses."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets.scenes.motion import Matrix
from dinoflow_deploy.datasets.scenes.shapes import Shape
from dinoflow_deploy.flow.arrays import Flow, Image, Mask

SUBPIXEL_BITS = 4


@dataclass(frozen=True, slots=True)
class Layer:
    """A flat textured thing.

    Attributes:
        texture: `uint8 [h, w, 3]`; beyond its border it goes on mirrored.
        to_texture: From the layer's own coordinates to pixels of the texture.
        shape: Contours in the layer's own coordinates; None covers everything.
    """

    texture: Image
    to_texture: Matrix
    shape: Shape | None

    @property
    def radius(self) -> float:
        """Distance in px of the shape's farthest point from the origin of the layer's coordinates."""
        assert self.shape is not None, "a layer that covers everything has no radius"
        return float(np.linalg.norm(np.concatenate(self.shape), axis=1).max())


def render(
    layers: Sequence[Layer], poses: Sequence[Matrix], height: int, width: int
) -> tuple[Image, NDArray[np.uint8]]:
    """Paints layers over one another, the first at the back.

    Args:
        layers: What to paint; the first covers everything.
        poses: From each layer's own coordinates to the frame.
        height: Height of the frame in px.
        width: Width of the frame in px.

    Returns:
        The frame `uint8 [H, W, 3]`, and for each pixel the number of the front-most layer that covers at
        least half of it, `uint8 [H, W]`.
    """
    frame = _sample(layers[0], poses[0], (0, 0), (width, height))
    numbers = np.zeros((height, width), np.uint8)
    for number, (layer, pose) in enumerate(zip(layers[1:], poses[1:], strict=True), start=1):
        _paint(frame, numbers, layer, pose, number)
    return frame, numbers


def _paint(frame: Image, numbers: NDArray[np.uint8], layer: Layer, pose: Matrix, number: int) -> None:
    assert layer.shape is not None, "only the first layer covers everything"
    contours = [contour @ pose[:2, :2].T + pose[:2, 2] for contour in layer.shape]
    box = _bounding_box(np.concatenate(contours), frame.shape[1], frame.shape[0])
    if box is None:
        return
    left, top, right, bottom = box
    alpha = np.zeros((bottom - top, right - left), np.uint8)
    fixed = [np.round((contour - (left, top)) * 2**SUBPIXEL_BITS).astype(np.int32) for contour in contours]
    cv2.fillPoly(alpha, fixed, 255, cv2.LINE_AA, SUBPIXEL_BITS)
    texture = _sample(layer, pose, (left, top), (right - left, bottom - top))
    weight = alpha.astype(np.float32) * (1 / 255)
    window = frame[top:bottom, left:right]
    window[:] = cv2.blendLinear(texture, window, weight, 1 - weight)
    numbers[top:bottom, left:right][alpha >= 128] = number


def _bounding_box(points: NDArray[np.float64], width: int, height: int) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of the part of the frame that the points may touch."""
    low = np.maximum(np.floor(points.min(axis=0)) - 1, 0).astype(int)
    high = np.minimum(np.ceil(points.max(axis=0)) + 2, (width, height)).astype(int)
    if (low >= high).any():
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _sample(layer: Layer, pose: Matrix, corner: tuple[int, int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The layer's texture in the window of the frame at `corner` (x, y) of `size` (width, height)."""
    from_window = np.eye(3)
    from_window[:2, 2] = corner
    matrix = layer.to_texture @ np.linalg.inv(pose) @ from_window
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    window = cv2.warpAffine(layer.texture, matrix[:2], size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(window, np.uint8)


def flow_between(
    first: Sequence[Matrix],
    second: Sequence[Matrix],
    numbers1: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """Exact flow from one set of poses to another.

    Args:
        first: Poses of the layers in frame 1.
        second: Poses of the layers in frame 2.
        numbers1: Layer numbers of frame 1, `uint8 [H, W]`.

    Returns:
        `float32 [H, W, 2]`, px.
    """
    motions = [after @ np.linalg.inv(before) for before, after in zip(first, second, strict=True)]
    # Rounding undoes what the inverse adds, so that a layer at rest has a flow of exactly zero.
    changes = [np.round(motion[:2] - np.eye(3)[:2], 10) for motion in motions]
    coefficients = np.array(changes, np.float32)
    height, width = numbers1.shape
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)[:, None]
    flow = np.empty((height, width, 2), np.float32)
    for axis in range(2):
        along_x, along_y, constant = (coefficients[:, axis, k][numbers1] for k in range(3))
        flow[..., axis] = along_x * x + along_y * y + constant
    return flow


def occlusion(flow: Flow, numbers1: NDArray[np.uint8], numbers2: NDArray[np.uint8]) -> Mask:
    """Where a pixel moves outside frame 2, or behind a layer nearer than its own.

    Args:
        flow: `float32 [H, W, 2]`, px.
        numbers1: Layer numbers of frame 1, `uint8 [H, W]`.
        numbers2: Layer numbers of frame 2, `uint8 [H, W]`.

    Returns:
        `bool [H, W]`.
    """
    height, width = numbers1.shape
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
    column = np.rint(x).clip(0, width - 1).astype(np.intp)
    row = np.rint(y).clip(0, height - 1).astype(np.intp)
    # A lower number there is the rim of the pixel's own layer, rounded: the layer itself is in front.
    hidden = numbers2[row, column] > numbers1
    occluded: Mask = outside | hidden
    return occluded
