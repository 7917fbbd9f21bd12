"""Labels that are single measurements: moved, never interpolated."""

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.flow.arrays import Flow, Mask, known_pixels
from dinoflow_deploy.train.augmentation.spatial import Geometry, crop_dense_flow, flipped, scaled_flow
from dinoflow_deploy.train.augmentation.window import AxisWindow


def crop_sparse_flow(flow: Flow, valid: Mask, geometry: Geometry) -> tuple[Flow, Mask]:
    """Flow and valid of a crop: every valid pixel moves to the nearest pixel of the resized frame.

    Where several arrive at one pixel, that of the lowest and there the rightmost row counts, as in RAFT. Two
    of RAFT's faults are not followed: it scales coordinates from the corner of the first pixel's centre, so
    that labels lie up to (scale - 1) / 2 px off frames that were resized between pixel centres; and it drops
    what arrives in row or column 0.

    Args:
        flow: `float32 [H, W, 2]`, anything where not valid; not valid either where not finite or above 1e9.
        valid: `bool [H, W]`.
        geometry: What the frames went through.

    Returns:
        flow: A new C-contiguous array, 0 where not valid.
        valid: A new C-contiguous array.
    """
    if not geometry.resized:
        return crop_dense_flow(flow, valid, geometry)
    rows, columns = geometry.rows, geometry.columns
    flow = flow[rows.source, columns.source]
    valid = known_pixels(flow, valid[rows.source, columns.source])
    y, x = np.nonzero(valid)
    labels = flow[y, x]
    y, x = _moved(rows)[y], _moved(columns)[x]
    inside = (y >= 0) & (y < rows.length) & (x >= 0) & (x < columns.length)
    y, x, labels = y[inside], x[inside], labels[inside]
    new = np.zeros((rows.length, columns.length, 2), np.float32)
    new_valid = np.zeros((rows.length, columns.length), np.bool_)
    new[y, x] = labels
    new_valid[y, x] = True
    new = scaled_flow(flipped(new, geometry), geometry)
    return new, flipped(new_valid.view(np.uint8), geometry).view(np.bool_)


def _moved(axis: AxisWindow) -> NDArray[np.intp]:
    """The pixel of the crop, perhaps outside, nearest to each pixel of the source, before the flip."""
    source = np.arange(axis.stop - axis.start)
    moved: NDArray[np.intp] = np.rint((source + 0.5) * axis.scale - 0.5).astype(np.intp) - axis.offset
    return moved
