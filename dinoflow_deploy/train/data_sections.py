"""Sections of a recipe that say what is trained and validated on."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.datasets.registry import find_entry
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.system.dataclass_reader import BESIDE, READ_BY
from dinoflow_deploy.system.user_folders import expand_home
from dinoflow_deploy.train.augmentation import Augmentation, read_augmentation

RENDERERS: Final = ("auto", "numpy", "torch")


@dataclass(frozen=True, slots=True)
class SyntheticSection:
    """Synthetic scenes.

    Attributes:
        seed: Of the textures and the scenes.
        scenes: Size, motion and content; in the file its keys stand beside ``seed``.
        textures: A folder of photographs that textures are cut from; by default they are drawn.
        renderer: ``numpy``, in the loader processes; ``torch``, on the training device, other scenes of the
            same kinds; or ``auto``: ``torch`` on a GPU. Scenes to validate on are NumPy's everywhere.
    """

    seed: int
    scenes: SceneConfig = field(metadata={BESIDE: True})
    textures: str | None = None
    renderer: str = "auto"

    def open(self, length: int) -> SyntheticScenes:
        """The scenes, as many as are asked for.

        Raises:
            InputError: The photographs are not there, damaged or tiny.
        """
        return SyntheticScenes(self.scenes, self.seed, length, self.photographs)

    @property
    def photographs(self) -> Path | None:
        """The folder of photographs."""
        return None if self.textures is None else Path(expand_home(self.textures))

    def drawn_by_torch(self, device_type: str) -> bool:
        """Whether torch draws the scenes that are trained on, on a device such as ``cpu`` or ``cuda``."""
        return self.renderer == "torch" or (self.renderer == "auto" and device_type == "cuda")

    def __post_init__(self) -> None:
        """Check that the model takes the size."""
        check_least(self, seed=0)
        if self.renderer not in RENDERERS:
            raise InputError(f"renderer is '{self.renderer}': choose one of {', '.join(RENDERERS)}")
        _check_multiples("scenes", self.scenes.height, self.scenes.width)


@dataclass(frozen=True, slots=True)
class DataSection:
    """A data set to train on, and how its pairs are augmented.

    Attributes:
        dataset: Name, as ``data check`` takes it.
        augmentation: Transforms and crop; in the file ``{ preset = "chairs", crop_height = 512, ... }``.
        split: Part of the data set; by default its training part.
        root: Its folder; by default the one that the command line names.
        repeat: How often each of its pairs comes in an epoch.
    """

    dataset: str
    augmentation: Augmentation = field(metadata={READ_BY: read_augmentation})
    split: str | None = None
    root: str | None = None
    repeat: int = 1

    def __post_init__(self) -> None:
        """Check the name, and that the model takes the crop."""
        find_entry(self.dataset)
        check_least(self, repeat=1)
        _check_multiples("crops", self.augmentation.crop_height, self.augmentation.crop_width)


@dataclass(frozen=True, slots=True)
class HeldOutSection:
    """A data set to validate on, in whole frames.

    Attributes:
        dataset: Name, as ``data check`` takes it.
        split: Part of the data set; by default its training part, which for Sintel and KITTI is all that has
            truth.
        root: Its folder; by default the one that the command line names.
    """

    dataset: str
    split: str | None = None
    root: str | None = None

    def __post_init__(self) -> None:
        """Check the name."""
        find_entry(self.dataset)


def check_least(section: object, **limits: float) -> None:
    """Refuse fields below a limit, and those that are not finite.

    Raises:
        InputError: One is.
    """
    for name, least in limits.items():
        value = getattr(section, name)
        if not least <= value < math.inf:
            raise InputError(f"{name} is {value}: it must be {least} or more")


def check_one_kind(synthetic: object, data: object) -> None:
    """Refuse both kinds of data at once, and none.

    Raises:
        InputError: It is so.
    """
    if (synthetic is None) == (not data):
        raise InputError(
            "it needs synthetic = { seed, height, width, max_motion } or data = [{ dataset = ... }], "
            + ("one of them" if data else "and has neither")
        )


def _check_multiples(what: str, height: int, width: int) -> None:
    if height % 16 or width % 16:
        raise InputError(f"{what} of {height}x{width}: both sides must be multiples of 16")
