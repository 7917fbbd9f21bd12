"""Resize, flip and crop a pair; labels in the dense form."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.flow.arrays import Flow, Image, Mask, known_pixels
from dinoflow_deploy.train.augmentation.scale import draw_scale
from dinoflow_deploy.train.augmentation.settings import Augmentation
from dinoflow_deploy.train.augmentation.window import AxisWindow, draw_window


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the pixels of the result come from: one window for each axis.

    Attributes:
        rows: Of the vertical axis.
        columns: Of the horizontal one.
    """

    rows: AxisWindow
    columns: AxisWindow

    @property
    def resized(self) -> bool:
        """Whether anything is interpolated."""
        return self.rows.resized or self.columns.resized

    @property
    def flow_factors(self) -> tuple[float, float]:
        """What u and v are multiplied by: the scales, negative where flipped."""
        return tuple(  # type: ignore[return-value]
            -axis.scale if axis.flipped else axis.scale for axis in (self.columns, self.rows)
        )


def draw_geometry(
    settings: Augmentation, height: int, width: int, generator: np.random.Generator
) -> Geometry:
    """Scale, flips and place of the crop for a pair of frames of a size."""
    scale = draw_scale(settings, height, width, generator)
    columns = draw_window(
        width,
        settings.crop_width,
        scale.x,
        generator,
        flip_probability=settings.horizontal_flip_probability,
        margin_before=settings.crop_margin_sides,
        margin_after=settings.crop_margin_sides,
    )
    rows = draw_window(
        height,
        settings.crop_height,
        scale.y,
        generator,
        flip_probability=settings.vertical_flip_probability,
        margin_after=settings.crop_margin_bottom,
    )
    return Geometry(rows, columns)


def crop_frame(frame: Image, geometry: Geometry) -> Image:
    """A frame resized, cropped and flipped.

    Bilinear without smoothing, as RAFT resizes, between pixel centres: pixel x of the frame is at
    ``(x + 0.5) * scale - 0.5`` of the resized one.

    Returns:
        A new C-contiguous array.
    """
    return np.asarray(flipped(_resized_crop(frame, geometry), geometry), np.uint8)


def crop_dense_flow(flow: Flow, valid: Mask, geometry: Geometry) -> tuple[Flow, Mask]:
    """Flow and valid of a crop, interpolated as the frames are, with the flow in the crop's pixels.

    A pixel is valid where every pixel that has a share in it is. So nothing of an invalid one, whatever it
    holds, gets into another.

    Args:
        flow: `float32 [H, W, 2]`, anything where not valid; not valid either where not finite or above 1e9.
        valid: `bool [H, W]`.
        geometry: What the frames went through.

    Returns:
        flow: A new C-contiguous array, 0 where not valid.
        valid: A new C-contiguous array.
    """
    window = (geometry.rows.source, geometry.columns.source)
    flow = flow[window]
    valid = known_pixels(flow, valid[window])
    every = bool(valid.all())
    if not every:
        flow = np.where(valid[..., None], flow, np.float32(0))
    new = scaled_flow(flipped(_resized_source_crop(flow, geometry), geometry), geometry)
    if every:
        return new, np.ones(new.shape[:2], np.bool_)
    # Weights are not negative: the sum of the invalid ones' is 0 only where they have no share.
    holes = _resized_source_crop((~valid).astype(np.float32), geometry)
    new_valid = np.asarray(flipped(holes, geometry) == 0)
    new[~new_valid] = 0
    return new, new_valid


def flipped(array: NDArray, geometry: Geometry) -> NDArray:  # type: ignore[type-arg]
    """The array, flipped as the geometry says; new and C-contiguous."""
    code = {(False, True): 1, (True, False): 0, (True, True): -1}.get(
        (geometry.rows.flipped, geometry.columns.flipped)
    )
    return array.copy(order="C") if code is None else np.asarray(cv2.flip(array, code))


def scaled_flow(flow: Flow, geometry: Geometry) -> Flow:
    """The flow in pixels of the crop, changed in place."""
    factors = np.array(geometry.flow_factors, np.float32)
    # Rows as long vectors: a loop over two components for each pixel would take ten times as long.
    flat = flow.reshape(len(flow), -1)
    flat *= np.tile(factors, flow.shape[1])
    return flow


def _resized_crop(array: NDArray, geometry: Geometry) -> NDArray:  # type: ignore[type-arg]
    return _resized_source_crop(array[geometry.rows.source, geometry.columns.source], geometry)


def _resized_source_crop(array: NDArray, geometry: Geometry) -> NDArray:  # type: ignore[type-arg]
    """The crop of the resized source window, not flipped; may be a view."""
    if geometry.resized:
        size = (geometry.columns.size, geometry.rows.size)
        array = np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_LINEAR))
    return array[geometry.rows.crop, geometry.columns.crop]
