"""Which layer is seen where, and its colour, for all frames of a batch at once."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinoflow_deploy.datasets import SceneConfig
from dinoflow_deploy.train.torch_scenes.device import on_device
from dinoflow_deploy.train.torch_scenes.distances import distances, half_sizes
from dinoflow_deploy.train.torch_scenes.draws import Numbers
from dinoflow_deploy.train.torch_scenes.looks import Looks
from dinoflow_deploy.train.torch_scenes.motion import after
from dinoflow_deploy.train.torch_scenes.parameters import COLLAGE, FIRST_OBJECT, Layers
from dinoflow_deploy.train.torch_scenes.textures import Atlas

# Grey levels of the chooser over which a collage goes from one texture to the other.
_SOFTNESS = 24.0
_NEVER = -1e9


@dataclass(frozen=True, slots=True)
class Positions:
    """Positions of pixels, px, that broadcast to ``[B, H, W]``: where what they show was before a bend."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True, slots=True)
class Seen:
    """The two layers that matter most in each pixel; three or more that share one are rare.

    Attributes:
        front: Number of the nearer one, ``uint8 [B, H, W]``.
        behind: Of the other.
        weight: Share of the nearer one.
    """

    front: Tensor
    behind: Tensor
    weight: Tensor

    def numbers(self) -> Tensor:
        """The front-most layer that covers at least half of a pixel, ``uint8 [B, H, W]``."""
        return torch.where(self.weight >= 0.5, self.front, self.behind)


def whole_frame(config: SceneConfig, device: torch.device) -> Positions:
    """Positions of the pixels of a frame that is not bent."""
    x = torch.arange(config.width, dtype=torch.float32, device=device)
    y = torch.arange(config.height, dtype=torch.float32, device=device)
    return Positions(x[None, None], y[None, :, None])


class Painter:
    """Paints both frames of scenes.

    Args:
        layers: Of the scenes.
        atlas: Their textures.
    """

    def __init__(self, layers: Layers, atlas: Atlas) -> None:
        device = atlas.image.device
        self._layers = layers
        self._atlas = atlas
        self._distances = distances(layers.outlines, device)
        self._half_sizes = half_sizes(layers.outlines)
        self._to_tiles = _placed(layers.looks, atlas)

    def seen(self, frame: int, positions: Positions) -> Seen:
        """What is seen in frame 0 or 1."""
        layers, device = self._layers, positions.x.device
        shape = len(layers.threshold), positions.y.shape[1], positions.x.shape[2]
        front = torch.zeros(shape, dtype=torch.uint8, device=device)
        seen = Seen(front, front, torch.ones(shape, device=device))
        if layers.present[:, COLLAGE].any():
            seen = _over(seen, COLLAGE, self._collage(frame, positions))
        to_boxes = layers.from_frames[frame][:, FIRST_OBJECT:] / self._half_sizes[..., None]
        maps = on_device(to_boxes, device)
        scales = on_device(layers.scales[frame][:, FIRST_OBJECT:], device)
        biases = on_device(np.where(layers.present[:, FIRST_OBJECT:], 0.5, _NEVER), device)
        # Empty places come last in every scene: what no scene of the batch has need not be painted.
        most = int(layers.present[:, FIRST_OBJECT:].sum(1).max(initial=0))
        for place in range(most):
            inside = self._inside(place, maps[:, place], positions)
            cover = torch.addcmul(biases[:, place, None, None], inside, scales[:, place, None, None])
            seen = _over(seen, FIRST_OBJECT + place, cover.clamp_(0, 1))
        return seen

    def colours(self, frame: int, positions: Positions, seen: Seen) -> Tensor:
        """The frame in grey levels, ``float32 [3, B, H, W]``."""
        front = self._colour(frame, positions, seen.front)
        return torch.lerp(self._colour(frame, positions, seen.behind), front, seen.weight)

    def _inside(self, place: int, maps: Tensor, positions: Positions) -> Tensor:
        """Px from the rim of the objects at a place, above 0 inside, ``[B, H, W]``."""
        grid = torch.stack(_mapped(maps, positions), dim=-1)
        both = functional.grid_sample(
            self._distances[:, place], grid, padding_mode="border", align_corners=True
        )
        return torch.minimum(both[:, 0], both[:, 1])

    def _collage(self, frame: int, positions: Positions) -> Tensor:
        layers, device = self._layers, positions.x.device
        table = _placed(layers.chooser, self._atlas)
        table = _with_pose(table, layers.from_frames[frame][:, COLLAGE : COLLAGE + 1])
        numbers = on_device(table, device)[..., None, None].unbind(dim=2)
        (level, _, _) = self._tile(positions, *(each[:, 0] for each in numbers[:10]))
        threshold = on_device(layers.threshold, device)[:, None, None]
        bias = on_device(np.where(layers.present[:, COLLAGE], 0.5, _NEVER), device)[:, None, None]
        return torch.add(bias, level - threshold, alpha=1 / _SOFTNESS).clamp_(0, 1)

    def _colour(self, frame: int, positions: Positions, numbers: Tensor) -> Tensor:
        """The colours of layers, where each pixel has its own."""
        table = on_device(_with_pose(self._to_tiles, self._layers.from_frames[frame]), numbers.device)
        pairs, layers, columns = table.shape
        first = torch.arange(pairs, device=numbers.device)[:, None, None] * layers
        values = table.reshape(-1, columns).T[:, numbers + first]
        grey = self._tile(positions, *values[:10])
        mix = values[10:].view(3, 4, *numbers.shape)
        return torch.stack([_mixed(row, grey) for row in mix])

    def _tile(self, positions: Positions, *numbers: Tensor) -> Tensor:
        a, b, c, d, e, f, left, top, last_x, last_y = numbers
        x = a * positions.x + (b * positions.y + c)
        y = d * positions.x + (e * positions.y + f)
        return self._atlas.sample(x, y, (left, top), (last_x, last_y))


def _mapped(maps: Tensor, positions: Positions) -> list[Tensor]:
    """Positions ``[B, H, W]`` under maps ``[B, 2, 3]``: x, y."""
    return [
        a[:, None, None] * positions.x + (b[:, None, None] * positions.y + c[:, None, None])
        for a, b, c in (maps[:, row].unbind(dim=1) for row in range(2))
    ]


def _mixed(row: Tensor, grey: Tensor) -> Tensor:
    colour = torch.addcmul(row[3], row[0], grey[0])
    return colour.addcmul_(row[1], grey[1]).addcmul_(row[2], grey[2]).clamp_(0, 255)


def _over(seen: Seen, number: int, cover: Tensor) -> Seen:
    """What is seen with another layer before it, of which ``cover`` is the share of each pixel."""
    touched = cover > 0
    behind = torch.where(touched, seen.numbers(), seen.behind)
    front = seen.front.masked_fill(touched, number)
    return Seen(front, behind, torch.where(touched, cover, seen.weight))


def _placed(looks: Looks, atlas: Atlas) -> Numbers:
    """A row of numbers a layer: map to the tile, its corner, its last column and row, colours."""
    shape, last = looks.tile.shape, atlas.sizes[looks.tile] - 1
    maps, colours = looks.to_tile.reshape(*shape, 6), looks.colours.reshape(*shape, 12)
    return np.concatenate([maps, atlas.corners(looks.tile), last, colours], -1)


def _with_pose(table: Numbers, from_frame: Numbers) -> Numbers:
    """The rows with maps from a frame to the tile."""
    maps = after(table[..., :6].reshape(from_frame.shape), from_frame)
    return np.concatenate([maps.reshape(*table.shape[:-1], 6), table[..., 6:]], -1)
