"""RAFT's augmentation of frame pairs, with NumPy and OpenCV alone: :func:`augment`, :class:`Augmentation`."""

from dinoflow_deploy.train.augmentation.augment import augment
from dinoflow_deploy.train.augmentation.presets import PRESETS, augmentation_preset, read_augmentation
from dinoflow_deploy.train.augmentation.settings import Augmentation

__all__ = ["PRESETS", "Augmentation", "augment", "augmentation_preset", "read_augmentation"]
