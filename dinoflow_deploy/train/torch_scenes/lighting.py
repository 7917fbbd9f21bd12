"""Gradients of light and shadows over a batch: ``datasets.scenes.lighting`` on the training device."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinoflow_deploy.train.torch_scenes.device import on_device
from dinoflow_deploy.train.torch_scenes.distances import distances, half_sizes
from dinoflow_deploy.train.torch_scenes.outlines import Outlines
from dinoflow_deploy.train.torch_scenes.parameters import Lights

# Beyond this many standard deviations of its rim a shadow is over.
_REACH = 3.0


def lights(drawn: Lights, height: int, width: int, device: torch.device) -> Tensor:
    """Share of its light that each pixel gets, ``float32 [2, B, H, W]``, for both frames.

    Args:
        drawn: Of the scenes, whether or not they have one.
        height: Of a frame.
        width: Of a frame.
        device: Where.
    """
    across = on_device(np.cos(drawn.angle), device)[:, None, None]
    down = on_device(np.sin(drawn.angle), device)[:, None, None]
    x = torch.linspace(-1, 1, width, device=device)[None, None]
    y = torch.linspace(-1, 1, height, device=device)[None, :, None]
    along = (across * x + down * y) / (across.abs() + down.abs())
    strengths = on_device(drawn.strengths, device)
    gradients = [1 - strengths[:, frame, None, None] * (along + 1) / 2 for frame in range(2)]
    rim = _REACH * drawn.softness[:, None] + 2
    fields = distances(drawn.outlines, device, rim)[:, 0]
    half = half_sizes(drawn.outlines, rim)[:, 0]
    depth = on_device(drawn.depth, device)[:, None, None]
    softness = on_device(drawn.softness, device)[:, None, None]
    shares = []
    for frame, gradient in enumerate(gradients):
        inside = _inside(fields, half, drawn.places[:, frame], height, width)
        shadow = 0.5 * (1 + torch.erf(inside / (softness * math.sqrt(2))))
        shares.append(gradient * (1 - depth * shadow))
    return torch.stack(shares)


def of_scenes(drawn: Lights) -> Lights:
    """The lights of the scenes that have one."""
    chosen = drawn.present
    shapes = Outlines(*(getattr(drawn.outlines, name)[chosen] for name in Outlines.__slots__))
    numbers = {name: getattr(drawn, name)[chosen] for name in Lights.__slots__ if name != "outlines"}
    return Lights(outlines=shapes, **numbers)


def _inside(fields: Tensor, half: np.ndarray, places: np.ndarray, height: int, width: int) -> Tensor:
    """Px from the rims of shadows, above 0 inside, ``[B, H, W]``."""
    device = fields.device
    (left, top), sizes = on_device(places, device).unbind(1), on_device(half, device)
    x = (torch.arange(width, device=device) - left[:, None]) / sizes[:, :1]
    y = (torch.arange(height, device=device) - top[:, None]) / sizes[:, 1:]
    shape = len(fields), height, width
    grid = torch.stack([x[:, None].expand(shape), y[:, :, None].expand(shape)], dim=-1)
    both = functional.grid_sample(fields, grid, padding_mode="border", align_corners=True)
    return both.amin(1)
