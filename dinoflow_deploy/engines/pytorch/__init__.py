"""What computes in PyTorch: the reference model, and torchvision's RAFT. No other engine imports torch."""

from dinoflow_deploy.engines.pytorch.engine import PyTorchEngine

__all__ = ["PyTorchEngine"]
