"""The module as it is exported: BatchNorm folded into convolutions, weights in the precision asked for."""

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dinoflow_deploy.train.model import FlowModel
from dinoflow_deploy.train.model.head import SpatialDetailEnhancer


def prepare_module(model: FlowModel, dtype: torch.dtype) -> FlowModel:
    """A copy of a model, on the CPU and ready to be traced.

    What stays in float32 in a smaller precision, here or by the model's own doing:

    - the normalisation of the images: rounding mean and deviation would shift every pixel,
    - the angles of the rotary embedding and the rotation of Q and K,
    - DySample's offsets, positions and sampling: float16 spaces a grid of 1024 cells 1/8 of a cell apart,
    - the last convolution and the flow: float16 spaces flow of 64 px 1/16 of a pixel apart.

    Args:
        model: Left as it is.
        dtype: Type of the weights.
    """
    prepared = copy.deepcopy(model).cpu().eval().requires_grad_(False)
    _fold_batch_norm(prepared)
    kept = {id(parameter) for parameter in prepared.head.output_conv[-1].parameters()}
    # Parameters only: the buffers left (mean, deviation, frequencies, positions) belong to float32 islands.
    for parameter in prepared.parameters():
        if id(parameter) not in kept:
            parameter.data = parameter.data.to(dtype)
    return prepared


def _fold_batch_norm(model: nn.Module) -> None:
    # Before any cast: folded in float16, variance and scale would be rounded twice.
    for module in model.modules():
        if isinstance(module, nn.Sequential):
            _fold_in_sequence(module)
        elif isinstance(module, SpatialDetailEnhancer):
            module.dwconv = fuse_conv_bn_eval(module.dwconv, module.norm)
            module.norm = nn.Identity()  # type: ignore[assignment]
    left = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    if left:
        raise AssertionError(f"BatchNorm without a convolution before it: {left}")


def _fold_in_sequence(sequence: nn.Sequential) -> None:
    for index in range(1, len(sequence)):
        convolution, norm = sequence[index - 1], sequence[index]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            sequence[index - 1], sequence[index] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
