"""DySample, an upsampler that learns where to sample (Liu et al. 2023, arXiv:2308.15085)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def dysample(
    feature: Tensor, offset: Tensor, scope: Tensor, regular: Tensor, groups: int, scale: int
) -> Tensor:
    """Upsampling in which each output pixel reads its input bilinearly at a position of its own.

    In cells, the position is the pixel's cell, plus ``regular``, plus ``offset * sigmoid(scope) / 2``;
    beyond the frame is what is at its border. Channels of ``offset``, ``scope`` and ``regular`` are, from
    slow to fast: x and y, groups, rows of sub-cells, their columns.

    Positions and sampling are float32 whatever the feature's type: bfloat16 spaces a 256-cell grid a whole
    cell apart.

    Args:
        feature: ``[B, C, H, W]``.
        offset: Where to look, ``[B, 2 * groups * scale^2, H, W]``.
        scope: How far that reaches, like ``offset``.
        regular: The sub-cells' centres, in cells from the cell's, ``[1, 2 * groups * scale^2, 1, 1]``.
        groups: Groups of neighbouring channels, each with its own positions.
        scale: Of the sides.

    Returns:
        ``[B, C, scale * H, scale * W]`` of the feature's type.
    """
    batch, channels, rows, columns = feature.shape
    precise = torch.promote_types(feature.dtype, torch.float32)
    offset = offset.to(precise) * scope.to(precise).sigmoid() * 0.5 + regular.to(precise)
    grid = _sampling_grid(offset, groups, scale)
    grouped = feature.to(precise).reshape(batch * groups, channels // groups, rows, columns)
    sampled = F.grid_sample(grouped, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return sampled.reshape(batch, channels, scale * rows, scale * columns).to(feature.dtype)


def _sampling_grid(offset: Tensor, groups: int, scale: int) -> Tensor:
    """Offsets in cells ``[B, 2 * groups * s^2, H, W]`` to grid_sample's ``[B * groups, sH, sW, 2]``.

    Positions end at the middles of the outer cells, where padding by zeros reads what padding by the
    border would: ONNX Runtime computes the former five times as fast.
    """
    batch, _, rows, columns = offset.shape
    x_offset, y_offset = offset.reshape(batch, 2, -1, rows, columns).unbind(1)
    x = torch.arange(columns, dtype=offset.dtype, device=offset.device) + 0.5
    y = torch.arange(rows, dtype=offset.dtype, device=offset.device) + 0.5
    x_position = (x_offset + x[None, None, None, :]).clamp(0.5, columns - 0.5) * (2 / columns) - 1.0
    y_position = (y_offset + y[None, None, :, None]).clamp(0.5, rows - 0.5) * (2 / rows) - 1.0
    # A pixel shuffle of both at once, in two transpositions that each move whole runs of memory.
    positions = torch.stack([x_position, y_position], dim=2)
    positions = positions.reshape(batch, -1, 2 * scale, rows * columns).transpose(2, 3)
    lines = positions.reshape(batch * groups, scale, rows, -1).transpose(1, 2)
    return lines.reshape(batch * groups, scale * rows, scale * columns, 2)


class DySample(nn.Module):
    """Point-sampling upsampler by 2: style "lp", dynamic scope; see :func:`dysample`."""

    init_pos: Tensor

    def __init__(self, channels: int, groups: int, scale: int = 2) -> None:
        super().__init__()
        self.groups = groups
        self.scale = scale
        positions = 2 * groups * scale**2
        self.offset = nn.Conv2d(channels, positions, 1)
        self.scope = nn.Conv2d(channels, positions, 1, bias=False)
        nn.init.normal_(self.offset.weight, std=0.001)
        nn.init.zeros_(self.offset.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.scope.weight)
        self.register_buffer("init_pos", self._regular_positions())

    def forward(self, feature: Tensor) -> Tensor:
        """``[B, C, H, W]`` to ``[B, C, 2H, 2W]``."""
        offset, scope = self.offset(feature), self.scope(feature)
        return dysample(feature, offset, scope, self.init_pos, self.groups, self.scale)

    def _regular_positions(self) -> Tensor:
        """Centres of the s x s sub-cells, in cells from the centre, ``[1, 2 * groups * s^2, 1, 1]``."""
        steps = (torch.arange(self.scale) - (self.scale - 1) / 2) / self.scale
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        return (
            torch.stack([x, y]).reshape(2, 1, -1).expand(2, self.groups, -1).reshape(1, -1, 1, 1).contiguous()
        )
