"""The Triton kernel of ``dysample``: positions, sampling and rounding in one pass over NHWC memory."""

from dataclasses import dataclass
from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from dinoflow_deploy.export.kernels.inputs import in_nhwc
from dinoflow_deploy.export.kernels.wrapping import wrap_triton


@dataclass(frozen=True, slots=True)
class Tile:
    """What one program computes; all numbers are powers of two.

    Attributes:
        rows: Rows of cells of the input, for each of which there are several output pixels.
        columns: Their columns.
        channels: Channels of a group at a time, at most.
        warps: Warps that share the work.
    """

    rows: int
    columns: int
    channels: int
    warps: int


TILE: Final = Tile(rows=2, columns=8, channels=32, warps=4)


# Neighbouring programs have the same cells, in different groups: they share offsets, and pixels in memory.
# For what lies beyond the tensors' ends their end is read, so that reads need no masks, and nothing written.
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
    block_subs: tl.constexpr,
    block_channels: tl.constexpr,
) -> None:
    """All tensors are dense in NHWC order; height and width are the feature's."""
    subs: tl.constexpr = scale * scale
    positions: tl.constexpr = 2 * groups * subs
    group = tl.program_id(0) % groups
    left = tl.program_id(0) // groups * block_columns
    top = tl.program_id(1) * block_rows
    image = tl.program_id(2).to(tl.int64) * (height * width)

    pixel = tl.arange(0, block_rows * block_columns * block_subs)
    sub = pixel % block_subs
    column = left + pixel // block_subs % block_columns
    row = top + pixel // (block_subs * block_columns)
    inside = (column < width) & (row < height) & (sub < subs)
    sub = tl.minimum(sub, subs - 1)
    column = tl.minimum(column, width - 1)
    row = tl.minimum(row, height - 1)

    at_x = group * subs + sub
    at_y = at_x + groups * subs
    from_cell = image * positions + (row * width + column).to(tl.int64) * positions
    x_offset = tl.load(offset + from_cell + at_x).to(tl.float32)
    y_offset = tl.load(offset + from_cell + at_y).to(tl.float32)
    x_scope = tl.load(scope + from_cell + at_x).to(tl.float32)
    y_scope = tl.load(scope + from_cell + at_y).to(tl.float32)
    x_wanted = column + (x_offset * tl.sigmoid(x_scope) * 0.5 + tl.load(regular + at_x))
    y_wanted = row + (y_offset * tl.sigmoid(y_scope) * 0.5 + tl.load(regular + at_y))
    # NaN becomes a place within the frame, and a weight that is NaN.
    has_x = x_wanted == x_wanted
    has_y = y_wanted == y_wanted
    x = tl.minimum(tl.maximum(tl.where(has_x, x_wanted, 0.0), 0.0), width - 1.0)
    y = tl.minimum(tl.maximum(tl.where(has_y, y_wanted, 0.0), 0.0), height - 1.0)
    x_cell = x.to(tl.int32)
    y_cell = y.to(tl.int32)
    x_weight = tl.where(has_x, x - x_cell, x_wanted)
    y_weight = tl.where(has_y, y - y_cell, y_wanted)

    per_group: tl.constexpr = channels // groups
    first = image * channels + group * per_group
    upper_left = first + (y_cell * width + x_cell).to(tl.int64) * channels
    # The last cell of a row or column is its own neighbour, of weight 0.
    right = (x_cell + 1 < width).to(tl.int32) * channels
    below = tl.where(y_cell + 1 < height, width, 0).to(tl.int64) * channels
    place = (row * scale + sub // scale) * (width * scale) + column * scale + sub % scale
    target = image * (subs * channels) + place.to(tl.int64) * channels + group * per_group
    upper_left_weight = ((1 - y_weight) * (1 - x_weight))[:, None]
    upper_right_weight = ((1 - y_weight) * x_weight)[:, None]
    lower_left_weight = (y_weight * (1 - x_weight))[:, None]
    lower_right_weight = (y_weight * x_weight)[:, None]
    for start in tl.static_range(0, per_group, block_channels):
        channel = start + tl.arange(0, block_channels)[None, :]
        exists = channel < per_group
        upper = feature + upper_left[:, None] + channel
        lower = upper + below[:, None]
        value = tl.load(upper, mask=exists).to(tl.float32) * upper_left_weight
        value += tl.load(upper + right[:, None], mask=exists).to(tl.float32) * upper_right_weight
        value += tl.load(lower, mask=exists).to(tl.float32) * lower_left_weight
        value += tl.load(lower + right[:, None], mask=exists).to(tl.float32) * lower_right_weight
        tl.store(sampled + target[:, None] + channel, value, mask=exists & inside[:, None])


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
    blocks = (triton.cdiv(width, tile.columns) * groups, triton.cdiv(height, tile.rows), batch)
    wrap_triton(dysample_kernel)[blocks](
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
        triton.next_power_of_2(scale**2),
        min(tile.channels, triton.next_power_of_2(channels // groups)),
        num_warps=tile.warps,
    )
    return sampled


def empty_sampled(feature: Tensor, scale: int) -> Tensor:
    """Room for what ``launch`` returns."""
    batch, channels, height, width = feature.shape
    size = (batch, channels, scale * height, scale * width)
    return torch.empty(size, dtype=feature.dtype, device=feature.device, memory_format=torch.channels_last)
