"""The Triton kernel of ``dysample``: positions, sampling and rounding in one pass over NHWC memory."""

from dataclasses import dataclass
from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import wrap_triton

from dinoflow_deploy.export.kernels.inputs import in_nhwc


@dataclass(frozen=True, slots=True)
class Tile:
    """What one program computes; all numbers are powers of two.

    Attributes:
        rows: Rows of output pixels.
        columns: Their columns.
        channels: Channels of a group at a time, at most.
        warps: Warps that share the work.
    """

    rows: int
    columns: int
    channels: int
    warps: int


TILE: Final = Tile(rows=4, columns=16, channels=64, warps=4)


# Neighbouring programs have the same pixels, in different groups: they share offsets, and pixels in memory.
@triton.jit
def dysample_kernel(
    feature: tl.tensor,
    offset: tl.tensor,
    scope: tl.tensor,
    regular: tl.tensor,
    sampled: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    channels: tl.constexpr,
    groups: tl.constexpr,
    scale: tl.constexpr,
    block_rows: tl.constexpr,
    block_columns: tl.constexpr,
    block_channels: tl.constexpr,
) -> None:
    """All tensors are dense in NHWC order; height and width are the feature's."""
    block = tl.program_id(0)
    group = block % groups
    block = block // groups
    across = tl.cdiv(width * scale, block_columns)
    down = tl.cdiv(height * scale, block_rows)
    left = block % across * block_columns
    top = block // across % down * block_rows
    image = (block // across // down).to(tl.int64)

    pixel = tl.arange(0, block_rows * block_columns)
    row = top + pixel // block_columns
    column = left + pixel % block_columns
    inside = (row < height * scale) & (column < width * scale)

    sub: tl.constexpr = scale * scale
    cell = (image * height + row // scale) * width + column // scale
    # Of the row's sub-cell and the column's: x first, then y.
    at_x = group * sub + row % scale * scale + column % scale
    at_y = at_x + groups * sub
    from_cell = cell * (2 * groups * sub)
    x_offset = tl.load(offset + from_cell + at_x, mask=inside, other=0.0).to(tl.float32)
    y_offset = tl.load(offset + from_cell + at_y, mask=inside, other=0.0).to(tl.float32)
    x_scope = tl.load(scope + from_cell + at_x, mask=inside, other=0.0).to(tl.float32)
    y_scope = tl.load(scope + from_cell + at_y, mask=inside, other=0.0).to(tl.float32)
    x_offset = x_offset * tl.sigmoid(x_scope) * 0.5 + tl.load(regular + at_x)
    y_offset = y_offset * tl.sigmoid(y_scope) * 0.5 + tl.load(regular + at_y)

    x_wanted = column // scale + x_offset
    y_wanted = row // scale + y_offset
    # NaN becomes a place within the frame, and a weight that is NaN.
    x = tl.minimum(tl.maximum(x_wanted, 0.0), width - 1.0)
    y = tl.minimum(tl.maximum(y_wanted, 0.0), height - 1.0)
    x_cell = x.to(tl.int32)
    y_cell = y.to(tl.int32)
    x_weight = tl.where(x_wanted == x_wanted, x - x_cell, x_wanted)
    y_weight = tl.where(y_wanted == y_wanted, y - y_cell, y_wanted)
    # Beyond the last cell nothing is read, nor counted.
    has_right = inside & (x_cell + 1 < width)
    has_lower = inside & (y_cell + 1 < height)

    per_group: tl.constexpr = channels // groups
    source = ((image * height + y_cell) * width + x_cell) * channels + group * per_group
    target = ((image * height * scale + row) * (width * scale) + column) * channels + group * per_group
    upper_left = ((1 - y_weight) * (1 - x_weight))[:, None]
    upper_right = ((1 - y_weight) * x_weight)[:, None]
    lower_left = (y_weight * (1 - x_weight))[:, None]
    lower_right = (y_weight * x_weight)[:, None]
    for first in range(0, per_group, block_channels):
        channel = first + tl.arange(0, block_channels)[None, :]
        exists = channel < per_group
        upper = feature + source[:, None] + channel
        lower = upper + width * channels
        total = tl.load(upper, mask=exists & inside[:, None], other=0.0).to(tl.float32) * upper_left
        right = tl.load(upper + channels, mask=exists & has_right[:, None], other=0.0).to(tl.float32)
        total += right * upper_right
        left_below = tl.load(lower, mask=exists & has_lower[:, None], other=0.0).to(tl.float32)
        total += left_below * lower_left
        both = exists & (has_right & has_lower)[:, None]
        total += tl.load(lower + channels, mask=both, other=0.0).to(tl.float32) * lower_right
        tl.store(sampled + target[:, None] + channel, total, mask=exists & inside[:, None])


def launch(
    feature: Tensor,
    offset: Tensor,
    scope: Tensor,
    regular: Tensor,
    groups: int,
    scale: int,
    tile: Tile = TILE,
) -> Tensor:
    """``train.model.dysample.dysample`` by the kernel, on a GPU or in Triton's interpreter.

    Args:
        feature: ``[B, C, H, W]``, float32, float16 or bfloat16; copied first unless it is channels_last.
        offset: ``[B, 2 * groups * scale^2, H, W]`` of the same type; the same holds.
        scope: Like ``offset``.
        regular: ``[1, 2 * groups * scale^2, 1, 1]``.
        groups: Groups of channels.
        scale: Of the sides.
        tile: How the work is cut up.

    Returns:
        ``[B, C, scale * H, scale * W]`` of the feature's type, channels_last.

    Raises:
        InputError: Shapes or types do not fit.
    """
    batch, channels, height, width = feature.shape
    positions = 2 * groups * scale**2
    field = (batch, positions, height, width)
    sampled = empty_sampled(feature, scale)
    blocks = (
        batch * triton.cdiv(scale * height, tile.rows) * triton.cdiv(scale * width, tile.columns) * groups
    )
    wrap_triton(dysample_kernel)[(blocks,)](
        in_nhwc("feature", feature, feature.shape, feature.dtype),
        in_nhwc("offset", offset, field, feature.dtype),
        in_nhwc("scope", scope, field, feature.dtype),
        in_nhwc("regular", regular.float(), (1, positions, 1, 1), torch.float32),
        sampled,
        height,
        width,
        channels,
        groups,
        scale,
        tile.rows,
        tile.columns,
        min(tile.channels, triton.next_power_of_2(channels // groups)),
        num_warps=tile.warps,
    )
    return sampled


def empty_sampled(feature: Tensor, scale: int) -> Tensor:
    """Room for what ``launch`` returns."""
    batch, channels, height, width = feature.shape
    size = (batch, channels, scale * height, scale * width)
    return torch.empty(size, dtype=feature.dtype, device=feature.device, memory_format=torch.channels_last)
