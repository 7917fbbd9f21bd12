"""Random content of a scene: a background and objects, without motion."""

import math

import numpy as np

from dinoflow_deploy.datasets.scenes.layers import Layer
from dinoflow_deploy.datasets.scenes.motion import Matrix, Point, affine, frame_centre
from dinoflow_deploy.datasets.scenes.scene_config import SceneConfig
from dinoflow_deploy.datasets.scenes.shapes import random_shape
from dinoflow_deploy.datasets.scenes.textures import Textures


def random_background(rng: np.random.Generator, config: SceneConfig, pool: Textures) -> Layer:
    """The layer behind everything; its own coordinates are those of frame 1."""
    zoom = rng.uniform(0.6, 1.3)
    height, width = (math.ceil(zoom * side) + 16 for side in (config.height, config.width))
    texture = pool.background(rng, height, width)
    return Layer(texture, _to_texture(texture.shape, zoom, frame_centre(config)), None)


def random_object(rng: np.random.Generator, radius: float, pool: Textures) -> Layer:
    """An object of about the given radius (px) about the origin of its own coordinates."""
    shape = random_shape(rng, radius)
    zoom = rng.uniform(0.6, 1.3)
    extent = np.abs(np.concatenate(shape)).max(axis=0)
    width, height = (math.ceil(2 * zoom * float(half)) + 8 for half in extent)
    texture = pool.texture(rng, height, width)
    return Layer(texture, _to_texture(texture.shape, zoom, np.zeros(2)), shape)


def random_radius(rng: np.random.Generator, config: SceneConfig) -> float:
    """Radius of an object in px: log-uniform, 6 to 26 per cent of the frame's mean side, at least 2."""
    side = math.sqrt(config.height * config.width)
    return max(2.0, side * math.exp(rng.uniform(math.log(0.06), math.log(0.26))))


def random_placement(rng: np.random.Generator, config: SceneConfig) -> tuple[Matrix, Point]:
    """Pose of an object in frame 1, and where that puts its centre: anywhere in the frame."""
    centre = rng.uniform(0, 1, 2) * (config.width, config.height)
    return affine(np.zeros(2), centre, rng.uniform(0, 2 * np.pi)), centre


def _to_texture(shape: tuple[int, ...], zoom: float, centre: Point) -> Matrix:
    """Puts `centre` in the middle of a texture, with `zoom` texture pixels to the pixel."""
    middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    return affine(centre, middle - centre, 0.0, zoom)
