"""Synthetic scenes drawn by torch on the training device: :class:`SceneRenderer`."""

from dinoflow_deploy.train.scenes.renderer import SceneBatch, SceneRenderer

__all__ = ["SceneBatch", "SceneRenderer"]
