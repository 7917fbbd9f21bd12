"""Frame pairs of synthetic scenes with exact flow."""

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets.sample import FlowSample
from dinoflow_deploy.datasets.scenes.bending import Field, bent_flow, random_bend, render_bent
from dinoflow_deploy.datasets.scenes.effects import apply_effects, random_effects
from dinoflow_deploy.datasets.scenes.layers import Layer, flow_between, occlusion, render
from dinoflow_deploy.datasets.scenes.lighting import lit, random_lights
from dinoflow_deploy.datasets.scenes.motion import (
    Matrix,
    happens,
    random_activity,
    random_background_motion,
    random_object_motion,
)
from dinoflow_deploy.datasets.scenes.photographs import photograph_pool
from dinoflow_deploy.datasets.scenes.random_streams import Stream, generator
from dinoflow_deploy.datasets.scenes.scene import (
    random_background,
    random_object,
    random_placement,
    random_radius,
)
from dinoflow_deploy.datasets.scenes.scene_config import SceneConfig
from dinoflow_deploy.datasets.scenes.textures import Textures, texture_pool
from dinoflow_deploy.errors import InputError

# A bend moves things by at most this share of the largest motion.
_BEND = 0.25


class SyntheticScenes:
    """A sequence of random frame pairs with exact flow, occlusion and validity.

    A sample depends on the configuration, the seed and its index alone: it is the same in any process, in
    any order and whatever the number of workers. Another seed brings new textures, shapes and motions.

    Args:
        config: What the scenes may contain.
        seed: Seed of everything random, 0 or more.
        length: Number of samples; samples are made when asked for, so a large number costs nothing.
        photographs: A folder of photographs to cut textures from, in the share of scenes that ``config``
            says; without it all textures are drawn.

    Raises:
        InputError: If the seed or the length is negative, or the photographs are not there, damaged or tiny.
    """

    def __init__(self, config: SceneConfig, seed: int, length: int, photographs: Path | None = None) -> None:
        check_seed(seed)
        if length < 0:
            raise InputError(f"length is {length}; give 0 or more")
        self.config = config
        self.seed = seed
        self._length = length
        self._pool = texture_pool(seed)
        self.photographs = None if photographs is None else photograph_pool(photographs)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[FlowSample]:
        return (self[index] for index in range(self._length))

    def __getitem__(self, index: int) -> FlowSample:
        """The sample at an index; negative ones count from the end.

        Raises:
            IndexError: If the index is outside the sequence.
        """
        position = operator.index(index)
        if position < 0:
            position += self._length
        if not 0 <= position < self._length:
            raise IndexError(f"index {index} is outside the {self._length} scenes")
        rng = generator(self.seed, Stream.PAIR, position)
        pool: Textures = self._pool
        if self.photographs and happens(rng, self.config.photograph_probability):
            pool = self.photographs
        return _random_pair(rng, self.config, pool, f"synthetic/seed={self.seed}/index={position}")


def check_seed(seed: int) -> None:
    """Refuses a negative seed.

    Raises:
        InputError: If it is negative.
    """
    if seed < 0:
        raise InputError(f"seed is {seed}; give 0 or more")


def _random_pair(rng: np.random.Generator, config: SceneConfig, pool: Textures, name: str) -> FlowSample:
    scene = _random_scene(rng, config, pool)
    frame1, numbers1 = render(scene.layers, scene.first, config.height, config.width)
    if scene.bend is None:
        frame2, numbers2 = render(scene.layers, scene.second, config.height, config.width)
    else:
        frame2, numbers2 = render_bent(scene.layers, scene.second, scene.bend)
    flow = flow_between(scene.first, scene.second, numbers1)
    if scene.bend is not None:
        flow = bent_flow(flow, scene.bend)
    occluded = occlusion(flow, numbers1, numbers2)
    if happens(rng, config.lighting_probability):
        lights = random_lights(rng, config)
        frame1, frame2 = (lit(*each) for each in zip((frame1, frame2), lights, strict=True))
    effects = random_effects(rng, config)
    frame1 = apply_effects(frame1, effects, 0.0, rng)
    frame2 = apply_effects(frame2, effects, 1.0, rng)
    valid: NDArray[np.bool_] = np.ones(flow.shape[:2], np.bool_)
    return FlowSample(frame1, frame2, flow, valid, occluded, name)


@dataclass(frozen=True, slots=True)
class _Scene:
    """Layers, back to front, with their poses in frame 1 and in frame 2, and how frame 2 is bent."""

    layers: list[Layer]
    first: list[Matrix]
    second: list[Matrix]
    bend: Field | None


def _random_scene(rng: np.random.Generator, config: SceneConfig, pool: Textures) -> _Scene:
    activity = random_activity(rng, config)
    camera_alone = happens(rng, config.camera_probability)
    background = random_background_motion(rng, config, activity)
    layers, first, second = [random_background(rng, config, pool)], [np.eye(3)], [background]
    for _ in range(int(rng.integers(config.min_objects, config.max_objects + 1))):
        radius = random_radius(rng, config)
        pose, centre = random_placement(rng, config)
        layer = random_object(rng, radius, pool)
        longest = activity * config.max_motion
        own = random_object_motion(rng, background, centre, layer.radius, longest)
        motion = background if camera_alone else own
        layers.append(layer)
        first.append(pose)
        second.append(motion @ pose)
    longest = _BEND * activity * config.max_motion
    bent = longest > 0 and happens(rng, config.bend_probability)
    return _Scene(layers, first, second, random_bend(rng, config, longest) if bent else None)
