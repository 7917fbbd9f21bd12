"""Synthetic scenes drawn by torch on the training device: :class:`SceneRenderer`."""

from dinoflow_deploy.train.scenes.renderer import SceneBatch, SceneRenderer
from dinoflow_deploy.train.scenes.textures import MOST_PHOTOGRAPHS

__all__ = ["MOST_PHOTOGRAPHS", "SceneBatch", "SceneRenderer"]
