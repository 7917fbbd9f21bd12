"""What a synthetic scene may contain."""

import math
from dataclasses import dataclass, fields

from dinoflow_deploy.errors import InputError

MIN_SIDE = 16
MAX_SIDE = 4096
MAX_OBJECTS = 200  # layer numbers are stored in eight bits


@dataclass(frozen=True, slots=True)
class SceneConfig:
    """Size, motion and content of synthetic scenes.

    Attributes:
        height: Height of a frame, 16 to 4096 px.
        width: Width of a frame, 16 to 4096 px.
        max_motion: Largest displacement, in px, of the centre of the background and of each object,
            from 0 to the shorter side. Rotation and scale move a layer's rim by up to about as much
            again; at 0 nothing moves.
        min_objects: Least number of moving objects.
        max_objects: Largest number of moving objects, at most 200.
        still_probability: Share of scenes in which nothing moves; effects and noise stay.
        camera_probability: Share of the others in which only the camera moves: the objects move as the
            background does.
        static_probability: Share of scenes whose motion is a few per cent of the usual.
        photograph_probability: Share of scenes with textures cut from photographs, where a folder of them is
            given.
        bend_probability: Share of scenes whose second frame is bent smoothly, by up to a quarter of
            ``max_motion`` beside the motion of the layers.
        lighting_probability: Share of scenes under a gradient of light that changes, and perhaps a shadow
            that moves on its own.
        blur_probability: Share of scenes with Gaussian blur, of one frame or of both.
        brightness_probability: Share of scenes where gain, offset and gamma differ between the frames.
        noise_probability: Share of scenes with additive Gaussian noise, independent in each frame.

    Raises:
        InputError: If a value is outside its range.
    """

    height: int = 256
    width: int = 256
    max_motion: float = 32.0
    min_objects: int = 3
    max_objects: int = 12
    still_probability: float = 0.0
    camera_probability: float = 0.0
    static_probability: float = 0.1
    photograph_probability: float = 1.0
    bend_probability: float = 0.0
    lighting_probability: float = 0.0
    blur_probability: float = 0.15
    brightness_probability: float = 0.4
    noise_probability: float = 0.3

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            _check_range(name, getattr(self, name), MIN_SIDE, MAX_SIDE)
        _check_range("max_motion", self.max_motion, 0, min(self.height, self.width))
        _check_range("max_objects", self.max_objects, 0, MAX_OBJECTS)
        _check_range("min_objects", self.min_objects, 0, self.max_objects)
        for field in fields(self):
            if field.name.endswith("_probability"):
                _check_range(field.name, getattr(self, field.name), 0, 1)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise InputError(f"{name} is {value}; give a value from {low} to {high}")
