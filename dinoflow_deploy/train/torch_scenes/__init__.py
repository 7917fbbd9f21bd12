"""Synthetic scenes drawn by torch on the training device: :class:`SceneRenderer`."""

from dinoflow_deploy.train.torch_scenes.renderer import SceneBatch, SceneRenderer
from dinoflow_deploy.train.torch_scenes.textures import MOST_PHOTOGRAPHS

__all__ = ["MOST_PHOTOGRAPHS", "SceneBatch", "SceneRenderer"]
