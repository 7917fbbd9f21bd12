"""Outlines of moving objects.

A shape is a list of closed contours `float64 [n, 2]`, (x, y) in pixels about the object's own centre,
filled by the even-odd rule: a second contour inside the first is a hole.
"""

import numpy as np
from numpy.typing import NDArray

Contour = NDArray[np.float64]
Shape = list[Contour]


def random_shape(rng: np.random.Generator, radius: float) -> Shape:
    """A polygon, a blob, an ellipse, a ring or a thin shape of about the given radius (px)."""
    kinds = (_polygon, _blob, _ellipse, _ring, _rod)
    return kinds[int(rng.choice(len(kinds), p=[0.3, 0.2, 0.2, 0.1, 0.2]))](rng, radius)


def _polygon(rng: np.random.Generator, radius: float) -> Shape:
    corners = int(rng.integers(3, 16))
    gaps = rng.uniform(0.4, 1.0, corners)
    angles = np.cumsum(gaps) * (2 * np.pi / gaps.sum())
    spread = rng.uniform(0.0, 0.6)
    return [_polar(angles, radius * rng.uniform(1 - spread, 1 + spread, corners))]


def _blob(rng: np.random.Generator, radius: float) -> Shape:
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    distance = np.ones_like(angles)
    for frequency in range(2, 6):
        distance += rng.uniform(0, 0.5 / frequency) * np.cos(frequency * angles + rng.uniform(0, 2 * np.pi))
    return [_polar(angles, radius * distance)]


def _ellipse(rng: np.random.Generator, radius: float) -> Shape:
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return [_polar(angles, np.full_like(angles, radius)) * [1.0, rng.uniform(0.3, 1.0)]]


def _ring(rng: np.random.Generator, radius: float) -> Shape:
    outer = (_polygon, _blob, _ellipse)[int(rng.integers(3))](rng, radius)[0]
    return [outer, outer * rng.uniform(0.3, 0.8)]


def _rod(rng: np.random.Generator, radius: float) -> Shape:
    """A long thin strip, straight or bent, a few pixels wide."""
    length = radius * rng.uniform(1.5, 3.0)
    half_width = max(0.75, radius * rng.uniform(0.02, 0.12))
    bend = rng.choice([0.0, rng.uniform(-0.6, 0.6)])
    along = np.linspace(-1, 1, 16)
    middle = np.stack([along * length, bend * length * (along**2 - 0.4)], axis=1)
    tangent = np.stack([np.full_like(along, length), 2 * bend * length * along], axis=1)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    normal *= half_width / np.linalg.norm(normal, axis=1, keepdims=True)
    return [np.concatenate([middle + normal, (middle - normal)[::-1]])]


def _polar(angles: Contour, distance: Contour) -> Contour:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * distance[:, None]
