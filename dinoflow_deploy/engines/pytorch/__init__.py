"""What computes in PyTorch: the reference model, and torchvision's RAFT. No other engine imports torch."""

from typing import TYPE_CHECKING

from dinoflow_deploy.lazy import lazy_names

if TYPE_CHECKING:
    from dinoflow_deploy.engines.pytorch.engine import PyTorchEngine

__all__ = ["PyTorchEngine"]

# The rows of these backends are read where there is no torch.
__getattr__, __dir__ = lazy_names(__name__, {"PyTorchEngine": "engines.pytorch.engine"})
