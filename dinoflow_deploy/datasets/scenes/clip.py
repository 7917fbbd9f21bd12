"""Longer synthetic clips with exact flow between neighbouring frames."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets.scenes.effects import apply_effects, random_effects
from dinoflow_deploy.datasets.scenes.layers import flow_between, occlusion, render
from dinoflow_deploy.datasets.scenes.motion import Matrix, Point, affine, frame_centre, polar
from dinoflow_deploy.datasets.scenes.photographs import photograph_pool
from dinoflow_deploy.datasets.scenes.random_streams import Stream, generator
from dinoflow_deploy.datasets.scenes.scene import (
    random_background,
    random_object,
    random_placement,
    random_radius,
)
from dinoflow_deploy.datasets.scenes.scene_config import SceneConfig
from dinoflow_deploy.datasets.scenes.synthetic_scenes import check_seed
from dinoflow_deploy.datasets.scenes.textures import Textures, texture_pool
from dinoflow_deploy.errors import InputError

# The background takes this share of the motion at most, an object's own motion the rest.
_BACKGROUND_SHARE = 0.4

Trajectory = Callable[[int], Matrix]


@dataclass(frozen=True, slots=True)
class SyntheticClip:
    """N frames and what moves between neighbours.

    Attributes:
        frames: `uint8 [N, H, W, 3]`, RGB.
        flow: `float32 [N-1, H, W, 2]`, px, from each frame to the next.
        valid: `bool [N-1, H, W]`, true everywhere.
        occluded: `bool [N-1, H, W]`, true where a pixel is hidden or outside in the next frame.
        backward_flow: `float32 [N-1, H, W, 2]`, px, from each frame but the first to the one before it; None
            where it was not asked for.
    """

    frames: NDArray[np.uint8]
    flow: NDArray[np.float32]
    valid: NDArray[np.bool_]
    occluded: NDArray[np.bool_]
    backward_flow: NDArray[np.float32] | None = None


def render_clip(
    config: SceneConfig,
    seed: int,
    frames: int,
    *,
    index: int = 0,
    backward: bool = False,
    photographs: Path | None = None,
) -> SyntheticClip:
    """Renders a clip whose layers swing smoothly to and fro.

    Args:
        config: What the scene may contain; `max_motion` bounds the translation of a layer between
            neighbouring frames. Brightness and blur drift over the clip. Shares of scenes play no part, but
            for those of blur, brightness and noise.
        seed: Seed of everything random, 0 or more.
        frames: Number of frames, 2 or more.
        index: Another number gives another clip, of textures from the same pool.
        backward: Compute the flow to the frame before, too.
        photographs: A folder of photographs to cut textures from; without it they are drawn.

    Returns:
        The clip; the same for the same arguments.

    Raises:
        InputError: If the seed or the number of frames is too small, or the photographs are not there,
            damaged or tiny.
    """
    check_seed(seed)
    if frames < 2:
        raise InputError(f"frames is {frames}; flow needs 2 or more")
    rng = generator(seed, Stream.CLIP, index)
    pool: Textures = texture_pool(seed) if photographs is None else photograph_pool(photographs)
    background = _swing(rng, frame_centre(config), _BACKGROUND_SHARE * config.max_motion, math.inf, 0.05)
    layers, trajectories = [random_background(rng, config, pool)], [background]
    for _ in range(int(rng.integers(config.min_objects, config.max_objects + 1))):
        layers.append(random_object(rng, random_radius(rng, config), pool))
        trajectories.append(_object_trajectory(rng, config, background))
    poses = [[trajectory(time) for trajectory in trajectories] for time in range(frames)]
    rendered = [render(layers, pose, config.height, config.width) for pose in poses]
    numbers = [layer_numbers for _, layer_numbers in rendered]
    steps = range(frames - 1)
    flow = np.stack([flow_between(poses[k], poses[k + 1], numbers[k]) for k in steps])
    back = [flow_between(poses[k + 1], poses[k], numbers[k + 1]) for k in steps if backward]
    effects = random_effects(rng, config)
    images = [apply_effects(image, effects, k / (frames - 1), rng) for k, (image, _) in enumerate(rendered)]
    occluded = np.stack([occlusion(flow[k], numbers[k], numbers[k + 1]) for k in steps])
    valid: NDArray[np.bool_] = np.ones(occluded.shape, np.bool_)
    return SyntheticClip(np.stack(images), flow, valid, occluded, np.stack(back) if backward else None)


def _object_trajectory(rng: np.random.Generator, config: SceneConfig, background: Trajectory) -> Trajectory:
    placement, centre = random_placement(rng, config)
    speed = (1 - _BACKGROUND_SHARE) * config.max_motion
    own = _swing(rng, centre, speed, 0.3 * min(config.height, config.width), 0.2)
    return lambda time: background(time) @ own(time) @ placement


def _swing(rng: np.random.Generator, centre: Point, speed: float, reach: float, turn: float) -> Trajectory:
    """Harmonic translation, rotation and scale about a centre.

    Args:
        rng: Source of randomness.
        centre: Centre of rotation and scale.
        speed: Largest translation in px from one frame to the next.
        reach: Largest distance in px from the middle of the swing.
        turn: Largest angle in radians, and half the largest change of scale; 0 where speed is.
    """
    frequency = 2 * np.pi / rng.uniform(30, 70)  # radians per frame
    amplitude = min(speed * rng.uniform(0.4, 1.0) / frequency, reach)
    direction, phase = rng.uniform(0, 2 * np.pi, 2)
    limit = turn if speed > 0 else 0.0
    angle, growth = rng.uniform(-limit, limit), rng.uniform(-limit, limit) / 2

    def pose(time: int) -> Matrix:
        swing = math.sin(frequency * time + phase)
        slow = math.sin(0.5 * frequency * time + phase)
        return affine(centre, polar(amplitude * swing, direction), angle * slow, 1 + growth * slow)

    return pose
