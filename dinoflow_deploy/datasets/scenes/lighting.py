"""Light that does not move with things: gradients and shadows. It changes colours, never the flow."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets.scenes.motion import polar
from dinoflow_deploy.datasets.scenes.scene_config import SceneConfig
from dinoflow_deploy.datasets.scenes.shapes import random_shape
from dinoflow_deploy.flow.arrays import Image

Light = NDArray[np.float32]


def random_lights(rng: np.random.Generator, config: SceneConfig) -> tuple[Light, Light]:
    """Draw the light of both frames.

    A gradient over the frame, whose strength differs between the two, and as often as not a soft shadow,
    which moves by up to a tenth of the frame on its own.

    Args:
        rng: Source of randomness.
        config: Size of the frames.

    Returns:
        For each frame `float32 [H, W]`, the share of its light that a pixel gets, from 0.2 to 1.
    """
    angle = rng.uniform(0, 2 * np.pi)
    strengths = rng.uniform(0.15, 0.45) + rng.uniform(-0.15, 0.15, 2)
    lights = [_gradient(config, angle, float(strength)) for strength in strengths]
    if rng.random() < 0.5:
        side = math.sqrt(config.height * config.width)
        shape = random_shape(rng, side * rng.uniform(0.1, 0.5))
        centre = rng.uniform(0, 1, 2) * (config.width, config.height)
        step = polar(0.1 * side * rng.random(), rng.uniform(0, 2 * np.pi))
        depth, softness = rng.uniform(0.2, 0.5), rng.uniform(0.5, 0.04 * side + 0.5)
        for light, place in zip(lights, (centre, centre + step), strict=True):
            outline = [np.round(contour + place).astype(np.int32) for contour in shape]
            shadow = np.zeros(light.shape, np.float32)
            cv2.fillPoly(shadow, outline, 1.0)
            light *= 1 - np.float32(depth) * np.asarray(cv2.GaussianBlur(shadow, (0, 0), softness))
    return lights[0], lights[1]


def lit(frame: Image, light: Light) -> Image:
    """A frame `uint8 [H, W, 3]` under a light `float32 [H, W]`."""
    return np.asarray(np.rint(frame * light[..., None]), np.uint8)


def _gradient(config: SceneConfig, angle: float, strength: float) -> Light:
    """1 at the bright side of the frame, 1 - strength at the other."""
    x = np.linspace(-1, 1, config.width, dtype=np.float32)
    y = np.linspace(-1, 1, config.height, dtype=np.float32)[:, None]
    cos, sin = math.cos(angle), math.sin(angle)
    along = (cos * x + sin * y) / np.float32(abs(cos) + abs(sin))
    return np.asarray(1 - np.float32(strength) * (along + 1) / 2, np.float32)
