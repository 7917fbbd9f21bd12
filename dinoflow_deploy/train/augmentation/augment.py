"""A pair in, an augmented pair of the crop's size out."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets import FlowSample
from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.train.augmentation.color_jitter import jitter_pair
from dinoflow_deploy.train.augmentation.eraser import erase
from dinoflow_deploy.train.augmentation.settings import Augmentation
from dinoflow_deploy.train.augmentation.sparse import crop_sparse_flow
from dinoflow_deploy.train.augmentation.spatial import Geometry, crop_dense_flow, crop_frame, draw_geometry


def augment(sample: FlowSample, settings: Augmentation, generator: np.random.Generator) -> FlowSample:
    """An augmented pair, by RAFT's transforms in RAFT's order: colour, eraser, resize, flip, crop, noise.

    The result depends on the arguments alone: the same generator state gives the same pair in any process.

    Args:
        sample: A pair of any size; not changed. Pixels whose flow is not finite or above 1e9 px count as
            invalid, whatever its mask says.
        settings: Every probability and range, and the size of the crop.
        generator: Source of everything random.

    Returns:
        A pair of exactly ``crop_height`` x ``crop_width`` under the same name, all arrays new and
        C-contiguous; flow is 0 where not valid. ``occluded`` and ``subpixel_flow`` are dropped, since the
        crop and the eraser hide more than they say, and no loss looks at them.
    """
    frame1, frame2 = jitter_pair(sample.frame1, sample.frame2, settings, generator)
    frame2 = erase(frame2, settings, generator)
    height, width = sample.valid.shape
    geometry = draw_geometry(settings, height, width, generator)
    frame1, frame2 = crop_frame(frame1, geometry), crop_frame(frame2, geometry)
    flow, valid = _crop_labels(sample, settings, geometry)
    if settings.max_noise > 0:
        deviation = generator.uniform(0, settings.max_noise)
        frame1, frame2 = (_noisy(frame, deviation, generator) for frame in (frame1, frame2))
    return FlowSample(frame1, frame2, flow, valid, None, sample.name)


def _crop_labels(
    sample: FlowSample, settings: Augmentation, geometry: Geometry
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    crop_labels = crop_sparse_flow if settings.sparse else crop_dense_flow
    return crop_labels(sample.flow, sample.valid, geometry)


def _noisy(frame: Image, deviation: float, generator: np.random.Generator) -> Image:
    noise = generator.standard_normal(frame.shape, dtype=np.float32) * np.float32(deviation)
    return np.asarray(cv2.add(frame, noise, dtype=cv2.CV_8U), np.uint8)
