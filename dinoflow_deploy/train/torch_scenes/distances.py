"""Signed distance to random outlines, on a small grid for each of them."""

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinoflow_deploy.train.torch_scenes.device import on_device
from dinoflow_deploy.train.torch_scenes.draws import Numbers
from dinoflow_deploy.train.torch_scenes.outlines import ELLIPSE, FREQUENCIES, POLYGON, ROD, Outlines

GRID: Final = 64
RIM: Final = 4.0
"""Px that the grids reach beyond the outlines, at least."""

_TURNS: Final = 256
_FAR: Final = 1e4


def half_sizes(outlines: Outlines, rim: Numbers | float = RIM) -> Numbers:
    """Half of the sides of the grids, px, ``[..., L, 2]``; ``rim`` as ``distances`` takes it."""
    # A blob may be a little larger than at the angles that were looked at.
    half: Numbers = outlines.extent * 1.03 + np.asarray(rim)[..., None]
    return half


def distances(outlines: Outlines, device: torch.device, rim: Numbers | float = RIM) -> Tensor:
    """Distance in px to both sides of each outline's rim, above 0 inside.

    The lesser of the two is the distance to the rim. Apart they have no crease along the middle of a thin
    object, and so can be interpolated.

    Args:
        outlines: ``[B, L]`` of them.
        device: Where.
        rim: Px that the grid reaches beyond an outline. The grid's border is that far outside at least, so
            that it can stand for all that lies beyond.

    Returns:
        ``float32 [B, L, 2, 64, 64]``, over a box of ``half_sizes`` about the origin, corners at its corners.
    """
    half = on_device(half_sizes(outlines, rim), device)
    axis = torch.linspace(-1, 1, GRID, device=device)
    x = (half[..., 0, None] * axis)[..., None, :]
    y = (half[..., 1, None] * axis)[..., :, None]
    is_rod = on_device(outlines.kind == ROD, device)[..., None, None, None]
    both = torch.where(is_rod, _rod(outlines, x, y), _around(outlines, x, y))
    beyond = -on_device(np.broadcast_to(rim, outlines.kind.shape), device)[..., None, None]
    for end in (0, -1):
        both[..., end, :] = beyond
        both[..., end] = beyond
    return both


def _around(outlines: Outlines, x: Tensor, y: Tensor) -> Tensor:
    """Distances ``[B, L, 2, n, n]`` to an outline told by a radius at each angle, and to its hole."""
    device = x.device
    table = _radii(outlines, device)
    slope = (table.roll(-1, -1) - table.roll(1, -1)) * (_TURNS / (4 * math.pi)) / table
    # By this much a rim that is not square to the radius is nearer than along it.
    nearness = (1 + slope**2).rsqrt()
    both = torch.stack([table, nearness], dim=-2)
    both = torch.cat([both, both[..., :1]], dim=-1).flatten(0, 1)[:, :, None]
    angle = torch.atan2(y, x).flatten(0, 1)
    position = torch.stack([torch.remainder(angle, 2 * math.pi) / math.pi - 1, torch.zeros_like(angle)], -1)
    found = functional.grid_sample(both, position, padding_mode="border", align_corners=True)
    radius, nearness = found.view(*outlines.kind.shape, *found.shape[1:]).unbind(dim=2)
    hole = on_device(outlines.hole, device)[..., None, None]
    length = torch.hypot(x, y)
    to_hole = torch.where(hole > 0, (length - hole * radius) * nearness, _FAR)
    return torch.stack([(radius - length) * nearness, to_hole], dim=2)


def _radii(outlines: Outlines, device: torch.device) -> Tensor:
    """Distance of the rim from the origin at each of 256 angles, ``[B, L, 256]``."""
    angle = torch.arange(_TURNS, device=device) * (2 * math.pi / _TURNS)
    radius = on_device(outlines.radius, device)[..., None]
    kind = on_device(outlines.kind, device)[..., None]
    squeeze = on_device(outlines.squeeze, device)[..., None]
    ellipse = radius * squeeze * ((squeeze * angle.cos()) ** 2 + angle.sin() ** 2).rsqrt()
    waves, phases = on_device(outlines.waves, device), on_device(outlines.phases, device)
    blob = radius
    for place, frequency in enumerate(FREQUENCIES):
        wave = (frequency * angle + phases[..., place, None]).cos()
        blob = blob + radius * waves[..., place, None] * wave
    radii = torch.where(kind == ELLIPSE, ellipse, blob)
    return torch.where(kind == POLYGON, _polygon(outlines, angle), radii)


def _polygon(outlines: Outlines, angle: Tensor) -> Tensor:
    """A straight side between two corners, by its radius at each angle."""
    angles = on_device(outlines.corner_angles, angle.device)
    radii = on_device(outlines.corner_radii, angle.device)
    asked = angle.expand(*angles.shape[:-1], _TURNS).contiguous()
    side = torch.searchsorted(angles[..., 1:].contiguous(), asked)
    first, second = angles.gather(-1, side), angles.gather(-1, side + 1)
    at_first, at_second = radii.gather(-1, side), radii.gather(-1, side + 1)
    across = at_first * (asked - first).sin() + at_second * (second - asked).sin()
    return at_first * at_second * (second - first).sin() / across


def _rod(outlines: Outlines, x: Tensor, y: Tensor) -> Tensor:
    """Distances ``[B, L, 2, n, n]`` to the upper side or an end of a strip, and to its lower side."""
    length, half_width, bend = (
        on_device(values, x.device)[..., None, None]
        for values in (outlines.radius, outlines.half_width, outlines.bend)
    )
    along = x / length
    aside = (y - bend * length * (along**2 - 0.4)) * (1 + (2 * bend * along) ** 2).rsqrt()
    return torch.stack([torch.minimum(half_width - aside, length - x.abs()), half_width + aside], dim=2)
