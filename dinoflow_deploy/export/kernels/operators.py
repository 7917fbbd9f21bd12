"""The kernels as operators of torch, which ``torch.export`` keeps and the compiler for CUDA looks into.

On tensors of the CPU each computes the model's own reference. What it returns is channels_last everywhere,
and has no gradients.
"""

import torch
from torch import Tensor
from torch.library import triton_op

# By name: torch follows names to the kernels, whose source belongs to the key of what it has compiled.
from dinoflow_deploy.export.kernels.correlation import empty_volume
from dinoflow_deploy.export.kernels.correlation import launch as launch_correlation
from dinoflow_deploy.export.kernels.dysample import empty_sampled
from dinoflow_deploy.export.kernels.dysample import launch as launch_dysample
from dinoflow_deploy.train.model.correlation import correlate_bands
from dinoflow_deploy.train.model.dysample import dysample


@triton_op("dinoflow::dysample", mutates_args={})
def dysample_operator(
    feature: Tensor, offset: Tensor, scope: Tensor, regular: Tensor, groups: int, scale: int
) -> Tensor:
    """``train.model.dysample.dysample``; on CUDA of float32, float16 or bfloat16."""
    if feature.device.type == "cpu":
        sampled = dysample(feature, offset, scope, regular, groups, scale)
        return sampled.contiguous(memory_format=torch.channels_last)
    return launch_dysample(feature, offset, scope, regular, groups, scale)


@dysample_operator.register_fake
def _(feature: Tensor, offset: Tensor, scope: Tensor, regular: Tensor, groups: int, scale: int) -> Tensor:
    return empty_sampled(feature, scale)


@triton_op("dinoflow::local_correlation", mutates_args={})
def correlation_operator(feature1: Tensor, feature2: Tensor, radius: int) -> Tensor:
    """``train.model.correlation.local_correlation``; on CUDA of float32, float16 or bfloat16."""
    if feature1.device.type == "cpu":
        volume = correlate_bands(feature1, feature2, radius)
        return volume.contiguous(memory_format=torch.channels_last)
    return launch_correlation(feature1, feature2, radius)


@correlation_operator.register_fake
def _(feature1: Tensor, feature2: Tensor, radius: int) -> Tensor:
    return empty_volume(feature1, radius)
