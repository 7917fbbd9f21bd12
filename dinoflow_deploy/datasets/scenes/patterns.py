"""Grey patterns that synthetic textures are mixed from.

Every pattern is a function of a random generator and a side length that returns `float32 [side, side]` of
any range. Together they cover what correlation has to cope with: fine and coarse detail, edges of all
directions, repetition, flat regions and small marks.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]
SUBPIXEL_BITS = 4


def clouds(rng: np.random.Generator, side: int, decay: float | None = None) -> Grey:
    """Noise summed over octaves; `decay` is the exponent by which finer octaves are weaker."""
    if decay is None:
        decay = rng.uniform(0.3, 1.2)
    total = np.zeros((side, side), np.float32)
    cells = int(rng.integers(2, 8))
    while cells <= side // 2:
        grid = rng.standard_normal((cells, cells), dtype=np.float32)
        total += cells**-decay * cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
        cells *= 2
    return total


def islands(rng: np.random.Generator, side: int) -> Grey:
    """Clouds cut into a few flat levels."""
    levels = rng.uniform(1.0, 3.0)
    noise = clouds(rng, side, decay=rng.uniform(0.9, 1.6))
    steps = np.floor(levels * noise / noise.std()).astype(np.int64)
    palette = rng.random(64, dtype=np.float32)
    image: Grey = palette[steps % 64]
    return image


def waves(rng: np.random.Generator, side: int) -> Grey:
    """Bent stripes, soft or with hard edges."""
    x, y = _axes(side)
    angle = rng.uniform(0, np.pi)
    wavelength = np.exp(rng.uniform(np.log(5), np.log(60)))
    bend = rng.uniform(0, 3) * clouds(rng, side, decay=1.6)
    phase = (np.cos(angle) * x + np.sin(angle) * y) * (2 * np.pi / wavelength) + bend
    sharpness = np.exp(rng.uniform(0, np.log(8)))
    image: Grey = np.tanh(sharpness * np.sin(phase)).astype(np.float32)
    return image


def tiles(rng: np.random.Generator, side: int) -> Grey:
    """A turned grid whose cells have random levels, with or without joints: checks, bricks, mosaics."""
    x, y = _axes(side)
    angle = rng.uniform(0, np.pi)
    cell = np.exp(rng.uniform(np.log(6), np.log(48), 2))
    row = (-np.sin(angle) * x + np.cos(angle) * y) / cell[0] + 1000
    column = (np.cos(angle) * x + np.sin(angle) * y) / cell[1] + 1000
    column = column + rng.choice([0.0, 0.5]) * (np.floor(row) % 2)
    levels = rng.random((64, 64), dtype=np.float32)
    if rng.random() < 0.3:
        levels = (np.indices((64, 64)).sum(axis=0) % 2).astype(np.float32)
    grid: Grey = levels[row.astype(np.int64) % 64, column.astype(np.int64) % 64]
    joint = rng.uniform(-0.1, 0.15)
    grid[(row % 1 < joint) | (column % 1 < joint)] = rng.random()
    return grid


def leaves(rng: np.random.Generator, side: int) -> Grey:
    """Dead leaves: opaque shapes of power-law sizes that cover one another."""
    image = clouds(rng, side)
    smallest, largest = rng.uniform(6, 16), side / rng.uniform(4, 8)
    count = int(rng.uniform(0.5, 1.2) * side**2 / (10 * smallest**2))  # about 1.0 covers everything once
    # Radii with density r^-3 between the limits, as in the scale-invariant dead-leaves model.
    radii = 1 / np.sqrt(rng.uniform(largest**-2, smallest**-2, count))
    centres = rng.uniform(0, side, (count, 2))
    levels = rng.standard_normal(count)
    for radius, centre, level in zip(radii, centres, levels, strict=True):
        _fill(image, centre + radius * _random_outline(rng), float(level))
    return image


def _random_outline(rng: np.random.Generator) -> NDArray[np.float64]:
    corners = int(rng.choice([3, 4, 4, 5, 24]))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, np.pi)
    stretch = np.array([1.0, rng.uniform(0.3, 1.0)])
    outline = np.stack([np.cos(angles), np.sin(angles)], axis=1) * stretch
    turn = rng.uniform(0, np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    turned: NDArray[np.float64] = outline @ np.array([[cos, sin], [-sin, cos]])
    return turned


def _fill(image: Grey, points: NDArray[np.float64], level: float) -> None:
    fixed = np.round(points * 2**SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(image, [fixed], level, shift=SUBPIXEL_BITS)


def scratches(rng: np.random.Generator, side: int) -> Grey:
    """Straight lines of all lengths and widths over clouds."""
    image = clouds(rng, side)
    for _ in range(int(rng.integers(40, 300))):
        start = rng.uniform(0, side, 2)
        angle = rng.uniform(0, 2 * np.pi)
        end = start + rng.exponential(side / 8) * np.array([np.cos(angle), np.sin(angle)])
        width = 1 + int(rng.exponential(1.5))
        _line(image, start, end, float(rng.standard_normal()), width)
    return image


def _line(image: Grey, start: NDArray[Any], end: NDArray[Any], level: float, width: int) -> None:
    first, last = (tuple(int(value) for value in point) for point in (start, end))
    cv2.line(image, first, last, level, width)


def dots(rng: np.random.Generator, side: int) -> Grey:
    """Round marks, scattered at random, over clouds."""
    image = clouds(rng, side, decay=rng.uniform(0.8, 1.6))
    typical = np.exp(rng.uniform(np.log(1.5), np.log(12)))
    for _ in range(int(rng.integers(100, 1200))):
        x, y = (int(value) for value in rng.integers(0, side, 2))
        radius = max(1, int(typical * rng.uniform(0.5, 1.5)))
        cv2.circle(image, (x, y), radius, float(rng.standard_normal()), -1)
    return image


def writing(rng: np.random.Generator, side: int) -> Grey:
    """Lines of letters and digits on a flat or cloudy ground."""
    ground = rng.uniform(0, 1) * clouds(rng, side, decay=1.0)
    ink = np.zeros((side, side), np.uint8)  # OpenCV writes on eight bits only
    scale = rng.uniform(0.3, 1.4)
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_PLAIN]))
    thickness = int(rng.integers(1, 4))
    level = float(rng.choice([-3.0, 3.0]))
    for baseline in range(int(24 * scale), side + 24, max(8, int(30 * scale))):
        letters = "".join(chr(code) for code in rng.integers(33, 127, 120))
        left = -int(rng.integers(0, 40))
        cv2.putText(ink, letters, (left, baseline), font, scale, 1.0, thickness)
    return ground + level * ink.astype(np.float32)


def slopes(rng: np.random.Generator, side: int) -> Grey:
    """A few overlapping linear gradients that end at hard edges, with faint clouds."""
    x, y = (axis / side for axis in _axes(side))
    image = 0.1 * clouds(rng, side, decay=0.6)
    for _ in range(int(rng.integers(2, 8))):
        angle, phase = rng.uniform(0, 2 * np.pi), rng.random()
        repeats = rng.uniform(0.5, 6)
        image += ((np.cos(angle) * x + np.sin(angle) * y) * repeats + phase) % 1
    return image


def _axes(side: int) -> tuple[Grey, Grey]:
    """Pixel coordinates x `[1, side]` and y `[side, 1]`."""
    axis = np.arange(side, dtype=np.float32)
    return axis[None], axis[:, None]


# Dead leaves come closest to the statistics of photographs, so they are drawn more often.
PATTERNS: tuple[Callable[[np.random.Generator, int], Grey], ...] = (
    *(leaves, leaves, leaves),
    *(clouds, clouds),
    *(islands, waves, tiles, scratches, dots, writing, slopes),
)
