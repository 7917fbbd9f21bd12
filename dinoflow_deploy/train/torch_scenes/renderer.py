"""Synthetic scenes drawn by torch, a batch at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from dinoflow_deploy.datasets import SceneConfig
from dinoflow_deploy.datasets.scenes.photographs import photograph_pool
from dinoflow_deploy.datasets.scenes.synthetic_scenes import check_seed
from dinoflow_deploy.datasets.scenes.textures import POOL_SIZE
from dinoflow_deploy.train.torch_scenes.bending import bend_fields, bent_flow
from dinoflow_deploy.train.torch_scenes.device import on_device, where_true
from dinoflow_deploy.train.torch_scenes.effects import apply_effects
from dinoflow_deploy.train.torch_scenes.lighting import lights, of_scenes
from dinoflow_deploy.train.torch_scenes.looks import Tiles
from dinoflow_deploy.train.torch_scenes.painting import Painter, Positions, whole_frame
from dinoflow_deploy.train.torch_scenes.parameters import FIRST_OBJECT, SceneParameters, random_scenes
from dinoflow_deploy.train.torch_scenes.textures import (
    PHOTOGRAPH_TILES,
    Atlas,
    pattern_tiles,
    photograph_tiles,
)

MOST_PIXELS: Final = 2**24
"""Pixels that are computed at once, over all pairs: those of 256 frames of 256x256."""


@dataclass(frozen=True, slots=True)
class SceneBatch:
    """Pairs of frames with their flow, on the device.

    Attributes:
        frame1: ``uint8 [B, 3, H, W]``, RGB.
        frame2: ``uint8 [B, 3, H, W]``.
        flow: Frame 1 to frame 2, px, ``float32 [B, 2, H, W]``.
        depth1: The front-most object that covers at least half of a pixel of frame 1, from 1, of which a
            greater one is nearer; 0 is the background. ``uint8 [B, H, W]``.
        depth2: The same of frame 2.
    """

    frame1: Tensor
    frame2: Tensor
    flow: Tensor
    depth1: Tensor
    depth2: Tensor


class SceneRenderer:
    """Draws the scenes that ``datasets.SyntheticScenes`` draws, by other random numbers, on any device.

    A pair depends on the configuration, the seed and its index alone: not on the batch it is in, nor on how
    many processes share the pairs. It is the same on every device, up to rounding.
    The number of kernels that a batch takes does not depend on its size, up to ``MOST_PIXELS``, and a GPU is
    never waited for.

    Args:
        config: What the scenes may contain.
        seed: Seed of everything random, 0 or more.
        device: Where the frames are made and stay.
        photographs: A folder of photographs for textures, in the share of scenes that ``config`` says.
        patterns: Number of drawn textures.
        photograph_cuts: Least number of textures that are cut of photographs.

    Raises:
        InputError: The seed is negative, or the photographs are not there, damaged or tiny.
    """

    def __init__(
        self,
        config: SceneConfig,
        seed: int,
        device: torch.device,
        photographs: Path | None = None,
        *,
        patterns: int = POOL_SIZE,
        photograph_cuts: int = PHOTOGRAPH_TILES,
    ) -> None:
        check_seed(seed)
        self.config = config
        self.seed = seed
        self.device = device
        drawn, cuts = [], []
        if photographs is not None:
            cuts = photograph_tiles(photograph_pool(photographs), seed, photograph_cuts)
        if not cuts or config.photograph_probability < 1:
            drawn = pattern_tiles(seed, patterns)
        self._atlas = Atlas([*drawn, *cuts], device)
        self.tiles = Tiles(len(drawn), self._atlas.sizes)

    def name(self, index: int) -> str:
        """What identifies a pair."""
        return f"synthetic-torch/seed={self.seed}/index={index}"

    @torch.no_grad()
    def batch(self, indices: Sequence[int]) -> SceneBatch:
        """The pairs of some indices."""
        size = max(1, MOST_PIXELS // (self.config.height * self.config.width))
        parts = [self._part(indices[start : start + size]) for start in range(0, len(indices), size)]
        if len(parts) == 1:
            return parts[0]
        return SceneBatch(
            *(torch.cat([getattr(part, name) for part in parts]) for name in SceneBatch.__slots__)
        )

    def _part(self, indices: Sequence[int]) -> SceneBatch:
        config, device = self.config, self.device
        drawn = random_scenes(config, self.tiles, self.seed, indices)
        painter = Painter(drawn.layers, self._atlas)
        straight = whole_frame(config, device)
        bend = bend_fields(drawn.bends, config.height, config.width, device)
        places = straight, straight if bend is None else _bent(straight, bend, len(indices))
        seen = [painter.seen(frame, positions) for frame, positions in enumerate(places)]
        numbers = [each.numbers() for each in seen]
        flow = _flow(drawn, numbers[0], straight)
        if bend is not None:
            field, chosen = bend
            flow[chosen] = bent_flow(flow[chosen], field)
        frames = [painter.colours(frame, *both) for frame, both in enumerate(zip(places, seen, strict=True))]
        if (lit := where_true(drawn.lights.present, device)) is not None:
            shares = lights(of_scenes(drawn.lights), config.height, config.width, device)
            for frame, share in zip(frames, shares, strict=True):
                frame[:, lit] *= share
        apply_effects((frames[0], frames[1]), drawn.effects)
        frame1, frame2 = (_levels(frame) for frame in frames)
        depth1, depth2 = ((each.clamp(min=FIRST_OBJECT - 1) - (FIRST_OBJECT - 1)) for each in numbers)
        return SceneBatch(frame1, frame2, flow, depth1, depth2)


def _bent(straight: Positions, bend: tuple[Tensor, Tensor], pairs: int) -> Positions:
    """Positions in frames of which some are bent."""
    field, chosen = bend
    moved = field.new_zeros(pairs, *field.shape[1:])
    moved[chosen] = field
    return Positions(straight.x + moved[:, 0], straight.y + moved[:, 1])


def _flow(drawn: SceneParameters, numbers: Tensor, positions: Positions) -> Tensor:
    """Flow to the second frame before it is bent, ``[B, 2, H, W]``."""
    motions = on_device(drawn.layers.motions, numbers.device)
    pairs, layers = motions.shape[:2]
    first = torch.arange(pairs, device=numbers.device)[:, None, None] * layers
    a, b, c, d, e, f = motions.reshape(-1, 6).T[:, numbers + first]
    x, y = positions.x, positions.y
    return torch.stack([a * x + (b * y + c), d * x + (e * y + f)], dim=1)


def _levels(frame: Tensor) -> Tensor:
    """Colours ``[3, B, H, W]`` as ``uint8 [B, 3, H, W]``."""
    return frame.round_().clamp_(0, 255).to(torch.uint8).transpose(0, 1).contiguous()
