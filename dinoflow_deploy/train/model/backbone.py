"""DINOv3 vision transformer (Siméoni et al. 2025, arXiv:2508.10104), written for a clean export."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinoflow_deploy.train.model.config import BackboneConfig

LAYER_NORM_EPSILON = 1e-5


class RotaryEmbedding(nn.Module):
    """Angles of the 2-D rotary position embedding over patch-centre coordinates in [-1, 1]."""

    frequencies: Tensor

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        head_width = config.width // config.heads
        exponents = torch.arange(0, 1, 4 / head_width, dtype=torch.float32)
        self.rescale = config.rope_rescale
        # Written as a plain attribute's buffer and read in float32: half precision would shift far patches.
        self.register_buffer("frequencies", 2 * math.pi * config.rope_theta**-exponents, persistent=False)

    def forward(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Cosine and sine, each float32 [rows * columns, head width]."""
        frequencies = self.frequencies.float()
        y = self._centres(rows, frequencies)
        x = self._centres(columns, frequencies)
        if self.training and self.rescale != 1.0:
            factor = self.rescale ** (2 * torch.rand((), device=y.device) - 1)
            y, x = y * factor, x * factor
        angles_y = (y[:, None] * frequencies)[:, None, :].expand(rows, columns, -1)
        angles_x = (x[:, None] * frequencies)[None, :, :].expand(rows, columns, -1)
        angles = torch.cat([angles_y, angles_x], dim=-1).reshape(rows * columns, -1)
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos(), angles.sin()

    @staticmethod
    def _centres(count: int, like: Tensor) -> Tensor:
        return (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) * (2 / count) - 1.0


def rotate(tokens: Tensor, cosine: Tensor, sine: Tensor, prefix: int) -> Tensor:
    """Rotate the patch tokens of ``[B, heads, N, head width]``; the first ``prefix`` tokens stay.

    Computed in the type of the angles (float32) and returned in the tokens' own.
    """
    kept, patches = tokens[:, :, :prefix], tokens[:, :, prefix:].to(cosine.dtype)
    first, second = patches.chunk(2, dim=-1)
    rotated = patches * cosine + torch.cat([-second, first], dim=-1) * sine
    return torch.cat([kept, rotated.to(tokens.dtype)], dim=2)


class Attention(nn.Module):
    """Multi-head self-attention with rotary positions; the key projection has no bias."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.prefix = 1 + config.register_tokens
        self.query = nn.Linear(config.width, config.width)
        self.key = nn.Linear(config.width, config.width, bias=False)
        self.value = nn.Linear(config.width, config.width)
        self.output = nn.Linear(config.width, config.width)

    def forward(self, tokens: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
        """``[B, N, width]`` to the same."""
        query = rotate(self._split(self.query(tokens)), *angles, self.prefix)
        key = rotate(self._split(self.key(tokens)), *angles, self.prefix)
        value = self._split(self.value(tokens))
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.output(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """``[B, N, width]`` to the same."""
        return self.down(F.gelu(self.up(tokens)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Pre-norm transformer block with LayerScale."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPSILON)
        self.attention = Attention(config)
        self.scale1 = nn.Parameter(torch.full((config.width,), config.layer_scale))
        self.norm2 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPSILON)
        self.mlp = Mlp(config.width, round(config.width * config.mlp_ratio))
        self.scale2 = nn.Parameter(torch.full((config.width,), config.layer_scale))

    def forward(self, tokens: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
        """``[B, N, width]`` to the same."""
        tokens = tokens + self.attention(self.norm1(tokens), angles) * self.scale1
        return tokens + self.mlp(self.norm2(tokens)) * self.scale2  # type: ignore[no-any-return]


class DinoBackbone(nn.Module):
    """DINOv3 backbone that returns the tokens of its tapped blocks, without the final norm.

    The final norm is held so that published weights load strictly; the flow decoder does not use it.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = nn.Conv2d(3, config.width, config.patch_size, stride=config.patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.register_tokens = nn.Parameter(torch.zeros(1, config.register_tokens, config.width))
        self.rotary = RotaryEmbedding(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=LAYER_NORM_EPSILON)
        self.apply(_initialise)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.register_tokens, std=0.02)

    def forward(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Tokens after each tapped block.

        Args:
            images: ``[B, 3, H, W]``, ImageNet-normalised, H and W multiples of the patch size.

        Returns:
            For each tap the patch tokens ``[B, H/16 * W/16, width]`` and the CLS token ``[B, 1, width]``.
        """
        grid = self.patch_embed(images)
        batch, _, rows, columns = grid.shape
        prefix = torch.cat([self.cls_token, self.register_tokens], dim=1).expand(batch, -1, -1)
        tokens = torch.cat([prefix.to(grid.dtype), grid.flatten(2).transpose(1, 2)], dim=1)
        angles = self.rotary(rows, columns)
        taps = []
        for index, block in enumerate(self.blocks):
            tokens = block(tokens, angles)
            if index in self.config.taps:
                taps.append((tokens[:, 1 + self.config.register_tokens :], tokens[:, :1]))
        return taps


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
