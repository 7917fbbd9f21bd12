"""Blur and brightness, against what OpenCV makes of the same numbers."""

import cv2
import numpy as np
import torch

from dinoflow_deploy.datasets.scenes import effects
from dinoflow_deploy.train.torch_scenes.effects import apply_effects
from dinoflow_deploy.train.torch_scenes.parameters import CameraEffects

CPU = torch.device("cpu")


def test_blur_and_brightness_are_those_of_opencv() -> None:
    rng = np.random.default_rng(0)
    frame = cv2.GaussianBlur(rng.integers(0, 256, (2, 33, 47, 3), np.uint8)[0], (0, 0), 1.0)
    values = CameraEffects(
        blur=np.array([[1.7, 0.0], [0.0, 0.6], [0.0, 0.0]]),
        brighter=np.array([False, True, True]),
        gain=np.array([[1, 1, 1], [0.8, 0.9, 1.0], [1.2, 1.3, 1.1]]),
        offset=np.array([[0, 0, 0], [5, -10, 3], [-20, 0, 20]]),
        gamma=np.array([1.0, 1.3, 0.8]),
        noise=np.zeros(3),
        keys=np.zeros((3, 2), np.int32),
    )
    planes = torch.from_numpy(frame).permute(2, 0, 1)[:, None].repeat(1, 3, 1, 1).float()
    frames = planes.clone(), planes.clone()
    apply_effects(frames, values)
    for index in range(3):
        own = effects.Effects(
            blur=tuple(values.blur[index]),
            gain=tuple(values.gain[index]) if values.brighter[index] else (1.0,) * 3,
            offset=tuple(values.offset[index]) if values.brighter[index] else (0.0,) * 3,
            gamma=values.gamma[index] if values.brighter[index] else 1.0,
        )
        for place, found in enumerate(frames):
            expected = effects.apply_effects(frame, own, float(place), rng)
            levels = found[:, index].permute(1, 2, 0).clamp(0, 255).numpy()
            np.testing.assert_allclose(levels, expected, atol=1.6)
