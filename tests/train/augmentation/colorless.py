"""Settings that leave colours alone, and a random pair that has every kind of label."""

from typing import Any

import numpy as np

from dinoflow_deploy.datasets import FlowSample
from dinoflow_deploy.train.augmentation import Augmentation, augmentation_preset

NO_COLOR: dict[str, Any] = {
    "brightness": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "hue": 0.0,
    "eraser_probability": 0.0,
}


def shapes_only(preset: str, height: int, width: int, **changes: Any) -> Augmentation:
    return augmentation_preset(preset, crop_height=height, crop_width=width, **(NO_COLOR | changes))


def noise_pair(height: int, width: int, seed: int = 0, valid_share: float = 1.0) -> FlowSample:
    generator = np.random.default_rng(seed)
    frame1, frame2 = generator.integers(0, 256, (2, height, width, 3), np.uint8)
    flow = generator.normal(scale=8, size=(height, width, 2)).astype(np.float32)
    valid = generator.random((height, width)) < valid_share
    return FlowSample(frame1, frame2, flow, valid, None, f"noise/{seed}")
