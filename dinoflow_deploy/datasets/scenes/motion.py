"""Random affine motion, as 3x3 matrices on pixel coordinates (x, y, 1)."""

import math

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets.scenes.scene_config import SceneConfig

Matrix = NDArray[np.float64]
Point = NDArray[np.float64]


def affine(centre: Point, translation: Point, angle: float = 0.0, scale: float = 1.0) -> Matrix:
    """Turns by `angle` (radians) and scales about `centre`, then translates."""
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = centre - linear @ centre + translation
    return matrix


def polar(length: float, angle: float) -> Point:
    """The vector of a length and an angle (radians)."""
    return np.array([length * math.cos(angle), length * math.sin(angle)])


def frame_centre(config: SceneConfig) -> Point:
    """Centre of a frame in pixel coordinates."""
    return np.array([(config.width - 1) / 2, (config.height - 1) / 2])


def random_activity(rng: np.random.Generator, config: SceneConfig) -> float:
    """How lively a scene is: 1; 0 for the share of still scenes, a few per cent for that of static ones."""
    if happens(rng, config.still_probability):
        return 0.0
    return rng.uniform(0.0, 0.05) if rng.random() < config.static_probability else 1.0


def happens(rng: np.random.Generator, probability: float) -> bool:
    """Whether something rare does. At 0 no number is drawn, so that scenes without it stay as they were."""
    return probability > 0 and rng.random() < probability


def random_translation(rng: np.random.Generator, longest: float) -> Point:
    """A translation of any direction with a heavy-tailed length of at most `longest` px, mean 0.29 of it."""
    return polar(longest * rng.random() ** 2.5, rng.uniform(0, 2 * np.pi))


def random_background_motion(rng: np.random.Generator, config: SceneConfig, activity: float) -> Matrix:
    """Motion of the background, frame 1 to frame 2."""
    longest = activity * config.max_motion
    half_diagonal = math.hypot(config.height, config.width) / 2
    angle, scale = _random_turn(rng, longest / half_diagonal, (0.4, math.radians(10)), (0.6, 0.1))
    return affine(frame_centre(config), random_translation(rng, longest), angle, scale)


def random_object_motion(
    rng: np.random.Generator,
    background: Matrix,
    centre: Point,
    radius: float,
    longest: float,
) -> Matrix:
    """Motion of an object, frame 1 to frame 2: its own, then the background's.

    Args:
        rng: Source of randomness.
        background: Motion of the background.
        centre: The object's centre in frame 1.
        radius: Distance of its farthest point from the centre, in px.
        longest: Largest displacement of the centre in px.
    """
    angle, scale = _random_turn(rng, longest / radius, (0.7, math.radians(30)), (0.7, 0.2))
    own = affine(centre, random_translation(rng, longest), angle, scale)
    motion: Matrix = background @ own
    displacement = motion[:2] @ np.append(centre, 1.0) - centre
    length = float(np.linalg.norm(displacement))
    if length > longest:
        motion[:2, 2] -= displacement * (1 - longest / length)
    return motion


def _random_turn(
    rng: np.random.Generator,
    reach: float,
    turn: tuple[float, float],
    zoom: tuple[float, float],
) -> tuple[float, float]:
    """Angle and scale, each with its (probability, limit); neither moves the rim by over half the motion.

    `reach` is the largest translation over the radius of the layer.
    """
    angle = min(turn[1], reach / 2) * rng.uniform(-1, 1) if rng.random() < turn[0] else 0.0
    growth = min(zoom[1], reach / 2) * rng.uniform(-1, 1) if rng.random() < zoom[0] else 0.0
    return angle, 1 + growth
