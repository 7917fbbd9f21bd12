"""Blur, brightness and noise over a batch: ``datasets.scenes.effects`` on the training device."""

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinoflow_deploy.train.torch_scenes.device import on_device, where_true
from dinoflow_deploy.train.torch_scenes.noise import normal_noise
from dinoflow_deploy.train.torch_scenes.parameters import CameraEffects

# Three standard deviations of the strongest blur, 1.8 * 1.2 px.
_BLUR_RADIUS: Final = 7


def apply_effects(frames: tuple[Tensor, Tensor], effects: CameraEffects) -> None:
    """Change the frames, ``float32 [3, B, H, W]`` in grey levels, in place.

    Each effect is computed for the scenes alone that have it.
    """
    device = frames[0].device
    for place, frame in enumerate(frames):
        sigma = effects.blur[:, place]
        if (blurred := where_true(sigma > 0, device)) is not None:
            frame[:, blurred] = _blurred(frame[:, blurred], sigma[sigma > 0])
    chosen = effects.brighter
    if (brighter := where_true(chosen, device)) is not None:
        gamma = on_device(effects.gamma[chosen], device)[:, None, None]
        gain, offset = (
            on_device(values[chosen].T, device)[..., None, None] for values in (effects.gain, effects.offset)
        )
        levels = (frames[1][:, brighter] / 255).clamp_(0, 1) ** gamma * 255
        frames[1][:, brighter] = levels * gain + offset
    chosen = effects.noise > 0
    if (noisy := where_true(chosen, device)) is not None:
        keys, strength = on_device(effects.keys[chosen], device), on_device(effects.noise[chosen], device)
        height, width = frames[0].shape[2:]
        for place, frame in enumerate(frames):
            noise = normal_noise(keys, (3, height, width), place)
            frame[:, noisy] = frame[:, noisy].clamp_(0, 255) + noise * strength[:, None, None]


def _blurred(frame: Tensor, sigma: np.ndarray) -> Tensor:
    """Gaussian blur of frames ``[3, n, H, W]``, each by its own standard deviation."""
    taps = np.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1)
    weights = np.exp(-0.5 * (taps / sigma[:, None]) ** 2)
    weights = on_device(weights / weights.sum(1, keepdims=True), frame.device)
    # Sums and no convolution: one for each frame is slow, and may round otherwise in another batch.
    for axis, border in ((2, (0, 0, _BLUR_RADIUS, _BLUR_RADIUS)), (3, (_BLUR_RADIUS, _BLUR_RADIUS, 0, 0))):
        padded = functional.pad(frame, border, mode="reflect")
        side, frame = frame.shape[axis], torch.zeros_like(frame)
        for tap in range(len(taps)):
            frame.addcmul_(padded.narrow(axis, tap, side), weights[:, tap, None, None])
    return frame
