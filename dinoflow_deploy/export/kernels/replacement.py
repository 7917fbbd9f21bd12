"""The kernels in place of a model's own operations."""

from torch import Tensor, nn

from dinoflow_deploy.errors import MissingPackageError
from dinoflow_deploy.system.optional import is_installed
from dinoflow_deploy.train.model.dysample import DySample
from dinoflow_deploy.train.model.head import FlowHead


def use_kernels(model: nn.Module) -> None:
    """Let a model sample and correlate by the operators of ``operators.py``, in place.

    Its parameters stay what they are, and its flow up to rounding. It has no gradients any more.

    Args:
        model: A flow model for CUDA, or a part of one; on a CPU it computes what it did, not faster.

    Raises:
        MissingPackageError: There is no Triton.
    """
    if not is_installed("triton"):
        raise MissingPackageError(
            "the kernels for CUDA need the package 'triton', which is not installed: torch's builds for CUDA "
            "bring it, or: pip install triton"
        )
    for module in model.modules():
        if isinstance(module, DySample):
            module.__class__ = _KernelDySample
        elif isinstance(module, FlowHead):
            module.__class__ = _KernelFlowHead


class _KernelDySample(DySample):
    def forward(self, feature: Tensor) -> Tensor:
        from dinoflow_deploy.export.kernels.operators import dysample_operator

        offset, scope = self.offset(feature), self.scope(feature)
        sampled: Tensor = dysample_operator(feature, offset, scope, self.init_pos, self.groups, self.scale)
        return sampled


class _KernelFlowHead(FlowHead):
    def cost_volume(self, feature1: Tensor, feature2: Tensor) -> Tensor:
        from dinoflow_deploy.export.kernels.operators import correlation_operator

        volume: Tensor = correlation_operator(feature1, feature2, self.config.radius)
        return volume
