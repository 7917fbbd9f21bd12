"""Random affine motion of many layers at once: the distributions of ``datasets.scenes.motion``."""

import math

import numpy as np

from dinoflow_deploy.datasets import SceneConfig
from dinoflow_deploy.train.torch_scenes.draws import Draws, Numbers

_BACKGROUND_TURN = (0.4, math.radians(10))
_BACKGROUND_GROWTH = (0.6, 0.1)
_OBJECT_TURN = (0.7, math.radians(30))
_OBJECT_GROWTH = (0.7, 0.2)


def affine(centre: Numbers, translation: Numbers, angle: Numbers, scale: Numbers) -> Numbers:
    """Matrices ``[..., 2, 3]`` that turn (radians) and scale about a centre ``[..., 2]``, then translate."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    return np.concatenate([linear, (centre - times(linear, centre) + translation)[..., None]], -1)


def times(linear: Numbers, points: Numbers) -> Numbers:
    """Matrices ``[..., 2, 2]`` times points ``[..., 2]``."""
    return np.asarray((linear * points[..., None, :]).sum(-1))


def after(second: Numbers, first: Numbers) -> Numbers:
    """The map ``[..., 2, 3]`` that does one and then another."""
    linear = (second[..., :2, None] * first[..., None, :, :]).sum(-2)
    linear[..., 2] += second[..., 2]
    return np.asarray(linear)


def inverse(map_: Numbers) -> Numbers:
    """The inverses of maps ``[..., 2, 3]``."""
    (a, b), (c, d) = (np.moveaxis(map_[..., row, :2], -1, 0) for row in range(2))
    adjoint = np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], -2)
    linear = adjoint / (a * d - b * c)[..., None, None]
    return np.concatenate([linear, -times(linear, map_[..., 2])[..., None]], -1)


def random_activity(draws: Draws, config: SceneConfig) -> Numbers:
    """How lively each scene is: 1; 0 for still ones, a few per cent for static ones."""
    still = draws.happens(config.still_probability)
    static = np.where(draws.happens(config.static_probability), draws.uniform(0, 0.05), 1.0)
    return np.where(still, 0.0, static)


def random_background_motion(draws: Draws, config: SceneConfig, activity: Numbers) -> Numbers:
    """Motion of the backgrounds, frame 1 to frame 2, ``[B, 2, 3]``."""
    longest = activity * config.max_motion
    half_diagonal = math.hypot(config.height, config.width) / 2
    angle, scale = _turn(draws, longest / half_diagonal, _BACKGROUND_TURN, _BACKGROUND_GROWTH)
    return affine(frame_centre(config), _translation(draws, longest), angle, scale)


def random_object_motion(
    draws: Draws, background: Numbers, centre: Numbers, radius: Numbers, longest: Numbers
) -> Numbers:
    """Motion of objects, frame 1 to frame 2: their own, then the background's.

    Args:
        draws: Source of randomness.
        background: Motion of the background, ``[B, 1, 2, 3]``.
        centre: The objects' centres in frame 1, ``[B, L, 2]``.
        radius: Distance of their farthest points from the centre, px, ``[B, L]``.
        longest: Largest displacement of the centre, px, ``[B, 1]``.
    """
    angle, scale = _turn(draws, longest / radius, _OBJECT_TURN, _OBJECT_GROWTH)
    motion = after(background, affine(centre, _translation(draws, longest), angle, scale))
    displacement = times(motion[..., :2], centre) + motion[..., 2] - centre
    length = np.linalg.norm(displacement, axis=-1)
    beyond = np.maximum(1 - longest / np.maximum(length, 1e-9), 0)
    motion[..., 2] -= displacement * beyond[..., None]
    return motion


def frame_centre(config: SceneConfig) -> Numbers:
    """Centre of a frame in pixel coordinates."""
    return np.array([(config.width - 1) / 2, (config.height - 1) / 2])


def polar(length: Numbers, angle: Numbers) -> Numbers:
    """Vectors ``[..., 2]`` of lengths and angles (radians)."""
    return np.stack([length * np.cos(angle), length * np.sin(angle)], -1)


def _translation(draws: Draws, longest: Numbers) -> Numbers:
    return polar(longest * draws.take() ** 2.5, draws.uniform(0, 2 * np.pi))


def _turn(
    draws: Draws, reach: Numbers, turn: tuple[float, float], growth: tuple[float, float]
) -> tuple[Numbers, Numbers]:
    """Angle and scale, each with its (probability, limit)."""
    drawn = []
    for probability, limit in (turn, growth):
        size = np.minimum(limit, reach / 2) * draws.uniform(-1, 1)
        drawn.append(np.where(draws.happens(probability), size, 0.0))
    return drawn[0], 1 + drawn[1]
