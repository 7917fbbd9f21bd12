"""What a camera adds: blur, a change of brightness, noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets.scenes.scene_config import SceneConfig
from dinoflow_deploy.flow.arrays import Image


@dataclass(frozen=True, slots=True)
class Effects:
    """Photometric effects of one scene.

    Attributes:
        blur: Standard deviations, in px, of the Gaussian blur at the start and at the end of the scene.
        gain: Factor of each channel at the end of the scene.
        offset: Grey levels added to each channel at the end of the scene.
        gamma: Exponent at the end of the scene.
        noise: Standard deviation of the noise in grey levels.
    """

    blur: tuple[float, float] = (0.0, 0.0)
    gain: tuple[float, ...] = (1.0, 1.0, 1.0)
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    gamma: float = 1.0
    noise: float = 0.0


def random_effects(rng: np.random.Generator, config: SceneConfig) -> Effects:
    """Draws the effects of one scene."""
    blur, gain, offset, gamma, noise = (0.0, 0.0), np.ones(3), np.zeros(3), 1.0, 0.0
    if rng.random() < config.blur_probability:
        sharp = int(rng.integers(3))  # the frame that stays sharp: the first, the second or neither
        sigmas = rng.uniform(0.3, 1.8) * rng.uniform(0.8, 1.2, 2)
        blur = (0.0 if sharp == 0 else float(sigmas[0]), 0.0 if sharp == 1 else float(sigmas[1]))
    if rng.random() < config.brightness_probability:
        gain = rng.uniform(0.75, 1.3) * rng.uniform(0.93, 1.07, 3)
        offset = rng.uniform(-15, 15) + rng.uniform(-5, 5, 3)
        gamma = float(np.exp(rng.uniform(-0.3, 0.3)))
    if rng.random() < config.noise_probability:
        noise = float(rng.uniform(0.5, 8))
    return Effects(blur, tuple(gain), tuple(offset), gamma, noise)


def apply_effects(frame: Image, effects: Effects, progress: float, rng: np.random.Generator) -> Image:
    """One frame with its effects.

    Args:
        frame: `uint8 [H, W, 3]`.
        effects: The effects of the scene.
        progress: Where in the scene the frame is, from 0 (start) to 1 (end).
        rng: Source of the noise.

    Returns:
        The frame, `uint8 [H, W, 3]`; the one passed in where nothing changes.
    """
    sigma = effects.blur[0] + progress * (effects.blur[1] - effects.blur[0])
    if sigma > 0:
        frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), np.uint8)
    table = _brightness_table(effects, progress)
    if table is not None:
        frame = np.asarray(cv2.LUT(frame, table), np.uint8)
    if effects.noise > 0:
        noise = rng.standard_normal(frame.shape, dtype=np.float32) * effects.noise
        frame = np.asarray(cv2.add(frame, noise, dtype=cv2.CV_8U), np.uint8)
    return frame


def _brightness_table(effects: Effects, progress: float) -> NDArray[np.uint8] | None:
    """Look-up table `uint8 [1, 256, 3]` for gain, gamma and offset; None where nothing changes."""
    gain = 1 + progress * (np.array(effects.gain) - 1)
    offset = progress * np.array(effects.offset)
    gamma = 1 + progress * (effects.gamma - 1)
    if gamma == 1 and (gain == 1).all() and (offset == 0).all():
        return None
    levels = np.linspace(0, 1, 256)[:, None] ** gamma * 255
    return np.clip(np.rint(levels * gain + offset), 0, 255).astype(np.uint8)[None]
