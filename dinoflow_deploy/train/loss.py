"""The training losses."""

import torch
from torch import Tensor
from torch.nn import functional as F

SMALL_ERROR = 0.1
"""Px of error from which a robust loss grows more slowly."""


def masked_l1(flow: Tensor, truth: Tensor, valid: Tensor, cap: float, exponent: float = 1.0) -> Tensor:
    """Mean over counted pixels of ``|du| + |dv|``, px; or of a robust function of it.

    A pixel counts where ``valid`` holds and the true flow is shorter than ``cap``. The mean is over the
    counted pixels of the whole batch, so a sparse pair weighs less than a dense one. With none, the loss
    is 0.

    Args:
        flow: ``[B, 2, H, W]``.
        truth: The same shape; may hold anything, NaN too, where not valid.
        valid: bool ``[B, H, W]``.
        cap: Longest true flow that counts, px.
        exponent: q of ``(|du| + |dv| + 0.1) ** q``, as in PWC-Net's fine-tuning (Sun et al., CVPR 2018):
            below 1, pixels that are nearly right weigh more, and large errors less. At 1 it is the plain sum.
    """
    counted = valid & (truth.square().sum(1).sqrt() < cap)
    # Selected, not multiplied: 0 * NaN is NaN.
    difference = torch.where(counted[:, None], flow - truth, 0.0)
    if exponent == 1:
        return difference.abs().sum() / counted.sum().clamp(min=1)
    error = (difference.abs().sum(1) + SMALL_ERROR) ** exponent - SMALL_ERROR**exponent
    return torch.where(counted, error, 0.0).sum() / counted.sum().clamp(min=1)


def matching_loss(volume: Tensor, truth: Tensor, valid: Tensor, radius: int) -> Tensor:
    """Cross-entropy of the cost volume, read as logits over displacements, against the true displacement.

    The true displacement of a cell is the mean flow of its pixels, shared out bilinearly among the four
    nearest entries. A cell counts where all its pixels are valid, its displacement is within the radius, and
    it ends inside the frame. With none, the loss is 0.

    Args:
        volume: ``[B, (2r + 1)^2, H / s, W / s]``, channels as ``local_correlation`` gives them.
        truth: True flow ``[B, 2, H, W]``, px.
        valid: bool ``[B, H, W]``.
        radius: r, cells.
    """
    rows, columns = volume.shape[2:]
    stride = truth.shape[2] // rows
    flow, whole = mean_flow(truth, valid, stride)
    displacement = flow / stride
    counted = whole & (displacement.abs().amax(1) < radius) & _ends_inside(displacement, rows, columns)
    entries = torch.arange(-radius, radius + 1, device=volume.device, dtype=displacement.dtype)[:, None, None]
    weight_x = (1 - (displacement[:, :1] - entries).abs()).clamp(min=0)
    weight_y = (1 - (displacement[:, 1:] - entries).abs()).clamp(min=0)
    wanted = (weight_y[:, :, None] * weight_x[:, None]).flatten(1, 2)
    entropy = -(wanted * volume.float().log_softmax(1)).sum(1)
    return torch.where(counted, entropy, 0.0).sum() / counted.sum().clamp(min=1)


def mean_flow(flow: Tensor, valid: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Mean flow of cells of ``stride`` px a side, and where all their pixels are valid."""
    mean = F.avg_pool2d(torch.where(valid[:, None], flow, 0.0), stride)
    whole = F.avg_pool2d(valid[:, None].float(), stride).squeeze(1) == 1
    return mean, whole


def _ends_inside(displacement: Tensor, rows: int, columns: int) -> Tensor:
    x = torch.arange(columns, device=displacement.device) + displacement[:, 0]
    y = torch.arange(rows, device=displacement.device)[:, None] + displacement[:, 1]
    return (x > -0.5) & (x < columns - 0.5) & (y > -0.5) & (y < rows - 0.5)
