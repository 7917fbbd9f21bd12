"""The Triton kernel of ``local_correlation``, for features and volumes in NHWC memory."""

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from dinoflow_deploy.export.kernels.inputs import in_nhwc
from dinoflow_deploy.export.kernels.wrapping import wrap_triton

COLUMNS: Final = 16
"""Cells of frame 1 that one program computes, neighbours in a row."""
CHANNELS: Final = 64
"""Channels that it multiplies at a time, at most."""
LEAST_CHANNELS: Final = 16
"""A product of matrices takes no fewer."""
WARPS: Final = 4


# A program computes the displacements of one dy. Of the products of each of its columns with each that any of
# them meets, the diagonal band is wanted.
@triton.jit
def correlation_kernel(
    feature1: tl.tensor,
    feature2: tl.tensor,
    volume: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    channels: tl.constexpr,
    radius: tl.constexpr,
    block_columns: tl.constexpr,
    block_met: tl.constexpr,
    block_channels: tl.constexpr,
    precision: tl.constexpr,
) -> None:
    """All tensors are dense in NHWC order."""
    side: tl.constexpr = 2 * radius + 1
    block = tl.program_id(0)
    dy = block % side
    block = block // side
    across = tl.cdiv(width, block_columns)
    first = block % across * block_columns
    line = block // across  # of all images' rows
    met_row = line % height + dy - radius
    # A row outside the frame has no columns.
    met_width = tl.where((met_row >= 0) & (met_row < height), width, 0)
    line = line.to(tl.int64)

    column = first + tl.arange(0, block_columns)[:, None]
    met = first - radius + tl.arange(0, block_met)[None, :]
    has_column = column < width
    is_met = (met >= 0) & (met < met_width)
    left = feature1 + (line * width + column) * channels
    right = feature2 + ((line + dy - radius) * width + met) * channels
    sums = tl.zeros((block_columns, block_met), tl.float32)
    for start in range(0, channels, block_channels):
        channel = start + tl.arange(0, block_channels)
        exists = channel < channels
        rows = tl.load(left + channel[None, :], mask=has_column & exists[None, :], other=0.0)
        columns = tl.load(right + channel[:, None], mask=is_met & exists[:, None], other=0.0)
        sums = tl.dot(rows.to(tl.float32), columns.to(tl.float32), sums, input_precision=precision)

    dx = tl.arange(0, block_met)[None, :] - tl.arange(0, block_columns)[:, None]
    target = volume + (line * width + column) * (side * side) + dy * side + dx
    scale = 1.0 / tl.sqrt(channels * 1.0)
    tl.store(target, sums * scale, mask=has_column & (dx >= 0) & (dx < side))


def launch(feature1: Tensor, feature2: Tensor, radius: int) -> Tensor:
    """``train.model.correlation.local_correlation`` by the kernel, on a GPU or in Triton's interpreter.

    Sums are float32. Products of float16 and bfloat16 are exact in TF32, whose significand is as long as
    float16's and whose exponent as long as bfloat16's; those of float32 are never rounded to it.

    Args:
        feature1: ``[B, C, H, W]``, float32, float16 or bfloat16; copied first unless it is channels_last.
        feature2: The same, of the same type.
        radius: Largest displacement on each axis, in cells.

    Returns:
        ``[B, (2 radius + 1)^2, H, W]`` of the features' type, channels_last.

    Raises:
        InputError: Shapes or types do not fit.
    """
    batch, channels, height, width = feature1.shape
    volume = empty_volume(feature1, radius)
    blocks = batch * height * triton.cdiv(width, COLUMNS) * (2 * radius + 1)
    wrap_triton(correlation_kernel)[(blocks,)](
        in_nhwc("feature1", feature1, feature1.shape, feature1.dtype),
        in_nhwc("feature2", feature2, feature1.shape, feature1.dtype),
        volume,
        height,
        width,
        channels,
        radius,
        COLUMNS,
        triton.next_power_of_2(COLUMNS + 2 * radius),
        max(LEAST_CHANNELS, min(CHANNELS, triton.next_power_of_2(channels))),
        "ieee" if feature1.dtype == torch.float32 else "tf32",
        num_warps=WARPS,
    )
    return volume


def empty_volume(feature: Tensor, radius: int) -> Tensor:
    """Room for what ``launch`` returns."""
    batch, _, height, width = feature.shape
    size = (batch, (2 * radius + 1) ** 2, height, width)
    return torch.empty(size, dtype=feature.dtype, device=feature.device, memory_format=torch.channels_last)
