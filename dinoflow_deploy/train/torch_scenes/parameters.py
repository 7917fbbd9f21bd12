"""Everything that is drawn for the scenes of a batch, on the host, some thousand numbers a pair."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets import SceneConfig
from dinoflow_deploy.train.torch_scenes import looks, outlines
from dinoflow_deploy.train.torch_scenes.draws import Draws, Numbers
from dinoflow_deploy.train.torch_scenes.looks import Looks, Tiles, random_looks
from dinoflow_deploy.train.torch_scenes.motion import (
    affine,
    after,
    frame_centre,
    inverse,
    polar,
    random_activity,
    random_background_motion,
    random_object_motion,
)
from dinoflow_deploy.train.torch_scenes.outlines import Outlines, random_outlines

BACKGROUND, COLLAGE, FIRST_OBJECT = range(3)
"""Numbers of the layers, back to front. The collage is a second texture on parts of the background."""
BEND_NODES: Final = 6
"""Most nodes of a bend along each axis."""

_BEND: Final = 0.25
_OBJECT_DRAWS: Final = outlines.DRAWS + 11
_SCENE_DRAWS: Final = 2 * BEND_NODES**2 + outlines.DRAWS + looks.DRAWS + 60


@dataclass(frozen=True, slots=True)
class Layers:
    """Layers of scenes, ``[B, L, ...]``, L being ``FIRST_OBJECT`` and as many as a scene may have.

    Attributes:
        from_frames: From each frame to the layer's own coordinates, ``[2, B, L, 2, 3]``.
        scales: Frame px to a px of the layer, in each frame, ``[2, B, L]``.
        motions: What motion adds to positions of frame 1, ``[B, L, 2, 3]``.
        present: Whether the layer is there.
        outlines: Of the objects alone.
        looks: Textures.
        chooser: The texture that tells where the collage is seen, ``[B, 1, ...]``.
        threshold: Its grey level from which on it is, ``[B]``.
    """

    from_frames: Numbers
    scales: Numbers
    motions: Numbers
    present: NDArray[np.bool_]
    outlines: Outlines
    looks: Looks
    chooser: Looks
    threshold: Numbers


@dataclass(frozen=True, slots=True)
class Bends:
    """Smooth bends of the second frames.

    Attributes:
        present: Whether a scene is bent, ``[B]``.
        cells: Of the grid that it is interpolated of, along each axis, 2 to 5.
        nodes: Values of the grid, ``[B, 2, 6, 6]``.
        strength: Its largest displacement, px.
    """

    present: NDArray[np.bool_]
    cells: NDArray[np.int64]
    nodes: Numbers
    strength: Numbers


@dataclass(frozen=True, slots=True)
class Lights:
    """Gradients and shadows, ``[B, ...]``.

    Attributes:
        present: Whether a scene has a light of its own.
        angle: Direction of the gradient.
        strengths: Of the gradient in each frame, ``[B, 2]``.
        outlines: Of the shadows, ``[B, 1]``.
        places: Centre of the shadow in each frame, ``[B, 2, 2]``.
        depth: Share of light that the shadow takes; 0 is none.
        softness: Standard deviation of its rim, px.
    """

    present: NDArray[np.bool_]
    angle: Numbers
    strengths: Numbers
    outlines: Outlines
    places: Numbers
    depth: Numbers
    softness: Numbers


@dataclass(frozen=True, slots=True)
class CameraEffects:
    """Blur, brightness and noise, ``[B, ...]``; what they mean is said in ``datasets.scenes.effects``.

    Attributes:
        blur: Standard deviation in each frame, px, ``[B, 2]``; 0 is none.
        brighter: Whether the brightness of the second frame differs.
        gain: ``[B, 3]``.
        offset: ``[B, 3]``.
        gamma: ``[B]``.
        noise: Standard deviation, grey levels; 0 is none.
        keys: Of the noise, two 32-bit numbers a pair, ``int32 [B, 2]``.
    """

    blur: Numbers
    brighter: NDArray[np.bool_]
    gain: Numbers
    offset: Numbers
    gamma: Numbers
    noise: Numbers
    keys: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class SceneParameters:
    """All of it."""

    layers: Layers
    bends: Bends
    lights: Lights
    effects: CameraEffects


def random_scenes(config: SceneConfig, tiles: Tiles, seed: int, indices: Sequence[int]) -> SceneParameters:
    """Draw scenes; each depends on the seed and its index alone, not on those beside it."""
    layers = FIRST_OBJECT + config.max_objects
    each_layer, each_object = layers * looks.DRAWS, config.max_objects * _OBJECT_DRAWS
    draws = Draws.of_pairs(seed, indices, _SCENE_DRAWS + each_layer + each_object)
    activity = random_activity(draws, config)
    effects, lights, bends = _effects(draws, config), _lights(draws, config), _bends(draws, config, activity)
    return SceneParameters(_layers(draws, config, tiles, activity), bends, lights, effects)


def _layers(draws: Draws, config: SceneConfig, tiles: Tiles, activity: Numbers) -> Layers:
    camera_alone = draws.happens(config.camera_probability)[:, None]
    drawn = draws.happens(config.photograph_probability) & (len(tiles.sizes) > tiles.patterns)
    photographed = (drawn | (tiles.patterns == 0))[:, None]
    background = random_background_motion(draws, config, activity)
    count = draws.integers(config.min_objects, config.max_objects + 1)[:, None]
    has_collage = draws.happens(0.5)[:, None] & ~photographed
    behind_zoom = draws.uniform(0.6, 1.3)[:, None]
    threshold = draws.uniform(80, 180)
    size = np.array([config.width, config.height], float)
    chooser = random_looks(draws.part(1, looks.DRAWS), tiles, photographed, behind_zoom, size)

    objects = draws.part(config.max_objects, _OBJECT_DRAWS)
    side = math.sqrt(config.height * config.width)
    shapes = random_outlines(objects, np.maximum(2.0, side * objects.log_uniform(0.06, 0.26)))
    centre = objects.take(2) * size
    pose = affine(np.zeros(2), centre, objects.uniform(0, 2 * np.pi), np.ones(centre.shape[:-1]))
    longest = (activity * config.max_motion)[:, None]
    own = random_object_motion(objects, background[:, None], centre, shapes.farthest, longest)
    motion = np.where(camera_alone[..., None, None], background[:, None], own)

    still = affine(np.zeros(2), frame_centre(config), np.zeros(1), np.ones(1))
    behind = np.broadcast_to(still, (len(background), FIRST_OBJECT, 2, 3))
    poses = np.concatenate([behind, pose], 1)
    motions = np.concatenate([np.repeat(background[:, None], FIRST_OBJECT, 1), motion], 1)
    second = after(motions, poses)
    scales = np.sqrt(second[..., 0, 0] * second[..., 1, 1] - second[..., 0, 1] * second[..., 1, 0])
    object_zoom = objects.uniform(0.6, 1.3)
    zoom = np.concatenate([np.repeat(behind_zoom, FIRST_OBJECT, 1), object_zoom], 1)
    sides = np.concatenate([np.broadcast_to(size, (*behind.shape[:2], 2)), 2 * shapes.extent], 1)
    chosen = random_looks(draws.part(zoom.shape[1], looks.DRAWS), tiles, photographed, zoom, sides)
    there = np.arange(config.max_objects) < count
    return Layers(
        from_frames=np.stack([inverse(poses), inverse(second)]),
        scales=np.stack([np.ones_like(scales), scales]),
        # Rounding undoes what sums of products add, so that a layer at rest has a flow of exactly zero.
        motions=np.round(motions - np.eye(3)[:2], 10),
        present=np.concatenate([np.ones_like(has_collage), has_collage, there], 1),
        outlines=shapes,
        looks=chosen,
        chooser=chooser,
        threshold=threshold,
    )


def _bends(draws: Draws, config: SceneConfig, activity: Numbers) -> Bends:
    longest = _BEND * activity * config.max_motion
    present = draws.happens(config.bend_probability) & (longest > 0)
    cells = draws.integers(2, BEND_NODES)
    nodes = draws.uniform(-1, 1, 2, BEND_NODES, BEND_NODES)
    return Bends(present, cells, nodes, draws.uniform(0.2, 1.0) * longest)


def _lights(draws: Draws, config: SceneConfig) -> Lights:
    side = math.sqrt(config.height * config.width)
    present = draws.happens(config.lighting_probability)
    angle = draws.uniform(0, 2 * np.pi)
    strengths = draws.uniform(0.15, 0.45)[:, None] + draws.uniform(-0.15, 0.15, 2)
    has_shadow = draws.happens(0.5)
    shapes = random_outlines(draws.part(1, outlines.DRAWS), side * draws.uniform(0.1, 0.5)[:, None])
    centre = draws.take(2) * np.array([config.width, config.height])
    step = polar(0.1 * side * draws.take(), draws.uniform(0, 2 * np.pi))
    depth = np.where(has_shadow, draws.uniform(0.2, 0.5), 0.0)
    softness = draws.uniform(0.5, 0.04 * side + 0.5)
    places = np.stack([centre, centre + step], 1)
    return Lights(present, angle, strengths, shapes, places, depth, softness)


def _effects(draws: Draws, config: SceneConfig) -> CameraEffects:
    blurred = draws.happens(config.blur_probability)[:, None]
    sharp = draws.integers(0, 3)[:, None]  # the first frame, the second or neither
    sigmas = draws.uniform(0.3, 1.8)[:, None] * draws.uniform(0.8, 1.2, 2)
    brighter = draws.happens(config.brightness_probability)
    gain = draws.uniform(0.75, 1.3)[:, None] * draws.uniform(0.93, 1.07, 3)
    offset = draws.uniform(-15, 15)[:, None] + draws.uniform(-5, 5, 3)
    gamma = np.exp(draws.uniform(-0.3, 0.3))
    noisy = draws.happens(config.noise_probability)
    noise = np.where(noisy, draws.uniform(0.5, 8), 0.0)
    keys = np.floor(draws.uniform(-(2**31), 2**31, 2)).astype(np.int32)
    return CameraEffects(
        blur=np.where(blurred & (sharp != np.arange(2)), sigmas, 0.0),
        brighter=brighter,
        gain=gain,
        offset=offset,
        gamma=gamma,
        noise=noise,
        keys=keys,
    )
