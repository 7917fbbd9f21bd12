"""The module as it is exported, to ONNX and to packages of PyTorch's compiler alike.

BatchNorm is folded into convolutions, and weights are in the precision asked for.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dinoflow_deploy.train.model import FlowModel
from dinoflow_deploy.train.model.head import SpatialDetailEnhancer


def prepare_module(model: FlowModel, dtype: torch.dtype) -> FlowModel:
    """A copy of a model, on the CPU and ready to be traced.

    What stays in float32 in a smaller precision, here or by the model's own doing. Figures are what low
    precision there and nowhere else does to the flow, in px, as ``export --error-table`` measures it with
    the trained nano model at 448x1024, where the whole fp16 export errs by 0.0074 on average and 0.056 at
    most, bf16 by 0.060 and 0.32:

    - the normalisation of the images: fp16 0.0056 and 0.072, bf16 0.013 and 0.093,
    - the angles of the rotary embedding and the rotation of Q and K: fp16 0.0049 and 0.055, bf16 0.036 and
      0.23, which is as much as any block and is paid in every one,
    - DySample's offsets, positions and sampling: fp16 0.0025 and 0.090, bf16 0.022 and 0.53, the largest
      error of all; it grows with the width of the frame,
    - the last convolution and the flow: fp16 0.0018 and 0.017, bf16 0.0096 and 0.11, for flow of 6 px; it
      grows with the flow, which bf16 would space 0.25 px apart at 32 px.

    What does not: attention, layer norms and the tokens between blocks. In float32 none of them brings the
    export's mean error below 0.0063 (fp16) and 0.055 (bf16). Attention scores, Q and K being scaled before
    their product, reach 37 in magnitude, and no value of the network 160: fp16 ends at 65504. With DINOv3's
    own weights, which are not part of this package, this was not measured: ``export --error-table`` does.

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


def as_images(frames: Tensor) -> Tensor:
    """Frames as the model takes images, with the same values as the engines give it.

    The type is changed first: TensorRT does nothing else with bytes.

    Args:
        frames: ``uint8 [B, H, W, 3]``.

    Returns:
        ``float32 [B, 3, H, W]`` in [0, 1].
    """
    return frames.to(torch.float32).permute(0, 3, 1, 2).div(255.0)


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
