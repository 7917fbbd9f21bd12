"""Random outlines of objects: the kinds of ``datasets.scenes.shapes``, as numbers that a GPU draws."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.train.torch_scenes.draws import Draws, Numbers

POLYGON, BLOB, ELLIPSE, ROD = range(4)
FREQUENCIES: Final = (2, 3, 4, 5)
MOST_CORNERS: Final = 15
DRAWS: Final = 2 * MOST_CORNERS + 2 * len(FREQUENCIES) + 10
"""Numbers that an outline takes."""

# Shares of polygon, blob, ellipse, ring and rod.
_ENDS: Final = np.cumsum([0.3, 0.2, 0.2, 0.1])
_TURNS: Final = np.linspace(0, 2 * np.pi, 24, endpoint=False)


@dataclass(frozen=True, slots=True)
class Outlines:
    """Outlines about the origin of each object's own coordinates, px; all arrays begin with ``[..., L]``.

    Attributes:
        kind: ``POLYGON``, ``BLOB``, ``ELLIPSE`` or ``ROD``.
        radius: Typical radius; half the length of a rod.
        hole: Size of a hole of the same outline, as a share of it; 0 is none.
        corner_angles: Of a polygon, rising from 0 to 2 pi, the last one repeated, ``[..., L, 16]``.
        corner_radii: Distances of these corners from the origin, ``[..., L, 16]``.
        waves: Height of each of a blob's ``FREQUENCIES``, as a share of its radius, ``[..., L, 4]``.
        phases: Of these, radians, ``[..., L, 4]``.
        squeeze: Shorter over longer axis of an ellipse.
        half_width: Of a rod.
        bend: Of a rod: its middle runs along y = bend * radius * ((x / radius)^2 - 0.4).
        extent: Largest abs(x) and abs(y), ``[..., L, 2]``.
        farthest: Distance of the farthest point from the origin.
    """

    kind: NDArray[np.int64]
    radius: Numbers
    hole: Numbers
    corner_angles: Numbers
    corner_radii: Numbers
    waves: Numbers
    phases: Numbers
    squeeze: Numbers
    half_width: Numbers
    bend: Numbers
    extent: Numbers
    farthest: Numbers


def random_outlines(draws: Draws, radius: Numbers) -> Outlines:
    """Draw outlines of about the given radii (px), one for each entry of it."""
    chosen = np.searchsorted(_ENDS, draws.take(), side="right")
    is_ring = chosen == 3
    kind = np.where(is_ring, draws.integers(0, 3), np.minimum(chosen, ROD))
    hole = np.where(is_ring, draws.uniform(0.3, 0.8), 0.0)
    angles, radii = _corners(draws, radius)
    waves = draws.uniform(0, 0.5 / np.array(FREQUENCIES), len(FREQUENCIES))
    phases = draws.uniform(0, 2 * np.pi, len(FREQUENCIES))
    squeeze = draws.uniform(0.3, 1.0)
    length = radius * draws.uniform(1.5, 3.0)
    half_width = np.maximum(0.75, radius * draws.uniform(0.02, 0.12))
    bend = np.where(draws.happens(0.5), draws.uniform(-0.6, 0.6), 0.0)

    rise = 0.6 * np.abs(bend) * length
    largest = np.choose(kind, [radii.max(-1), radius * _highest(waves, phases, kind == BLOB), radius, length])
    lower = np.choose(kind, [largest, largest, radius * squeeze, rise + half_width])
    return Outlines(
        kind=kind,
        radius=np.where(kind == ROD, length, radius),
        hole=hole,
        corner_angles=angles,
        corner_radii=radii,
        waves=waves,
        phases=phases,
        squeeze=squeeze,
        half_width=half_width,
        bend=bend,
        extent=np.stack([largest, lower], -1),
        farthest=np.where(kind == ROD, np.hypot(length, lower), largest),
    )


def _corners(draws: Draws, radius: Numbers) -> tuple[Numbers, Numbers]:
    count = draws.integers(3, MOST_CORNERS + 1)[..., None]
    # Each sector of a triangle stays below half a turn, as an outline told by one radius an angle must.
    gaps = draws.uniform(np.where(count == 3, 0.55, 0.4), 1.0, MOST_CORNERS)
    used = np.arange(MOST_CORNERS) < count
    ends = np.cumsum(np.where(used, gaps, 0.0), -1)
    angles = np.where(np.arange(MOST_CORNERS) < count - 1, ends * (2 * np.pi / ends[..., -1:]), 2 * np.pi)
    spread = draws.uniform(0.0, 0.6)[..., None]
    radii = radius[..., None] * draws.uniform(1 - spread, 1 + spread, MOST_CORNERS)
    last = np.take_along_axis(radii, count - 1, -1)
    radii = np.where(used, radii, last)
    return np.concatenate([np.zeros_like(last), angles], -1), np.concatenate([last, radii], -1)


def _highest(waves: Numbers, phases: Numbers, wanted: NDArray[np.bool_]) -> Numbers:
    """Largest radius of a blob over its typical one, where it is wanted."""
    highest = np.ones(wanted.shape)
    turns = np.array(FREQUENCIES)[:, None] * _TURNS
    heights = waves[wanted][..., None] * np.cos(turns + phases[wanted][..., None])
    highest[wanted] = 1 + heights.sum(-2).max(-1, initial=0.0)
    return highest
