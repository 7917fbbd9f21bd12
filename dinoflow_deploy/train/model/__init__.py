"""The reference model in PyTorch: DINOv3 backbone, local cost volume, SDT decoder."""

from dinoflow_deploy.train.model.config import BACKBONES, BackboneConfig, FlowModelConfig, HeadConfig
from dinoflow_deploy.train.model.flow_model import FlowModel
from dinoflow_deploy.train.model.model_file import load_model, model_sha256, save_model

__all__ = [
    "BACKBONES",
    "BackboneConfig",
    "FlowModel",
    "FlowModelConfig",
    "HeadConfig",
    "load_model",
    "model_sha256",
    "save_model",
]
