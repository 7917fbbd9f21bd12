"""Outlines and the masks that their distances give, against OpenCV."""

import cv2
import numpy as np
import pytest
import torch

from dinoflow_deploy.train.torch_scenes.distances import GRID, distances, half_sizes
from dinoflow_deploy.train.torch_scenes.draws import Draws
from dinoflow_deploy.train.torch_scenes.outlines import (
    BLOB,
    DRAWS,
    ELLIPSE,
    FREQUENCIES,
    POLYGON,
    ROD,
    Outlines,
    random_outlines,
)

CPU = torch.device("cpu")


def outlines(count: int, radius: float) -> Outlines:
    numbers = np.random.default_rng(5).random((1, count, DRAWS))
    return random_outlines(Draws(numbers), np.full((1, count), radius))


def contour(shapes: Outlines, place: int) -> np.ndarray:
    """The outer rim as many points."""
    kind, radius = shapes.kind[0, place], shapes.radius[0, place]
    if kind == POLYGON:
        angles, radii = shapes.corner_angles[0, place], shapes.corner_radii[0, place]
        return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
    if kind == ROD:
        along = np.linspace(-1, 1, 200)
        middle = np.stack([along, shapes.bend[0, place] * (along**2 - 0.4)], 1) * radius
        normal = np.stack([-np.gradient(middle[:, 1]), np.gradient(middle[:, 0])], 1)
        normal *= shapes.half_width[0, place] / np.linalg.norm(normal, axis=1, keepdims=True)
        return np.concatenate([middle + normal, (middle - normal)[::-1]])
    angles = np.linspace(0, 2 * np.pi, 400)
    if kind == ELLIPSE:
        return radius * np.stack([np.cos(angles), shapes.squeeze[0, place] * np.sin(angles)], 1)
    length = np.ones_like(angles)
    for frequency, wave, phase in zip(
        FREQUENCIES, shapes.waves[0, place], shapes.phases[0, place], strict=True
    ):
        length += wave * np.cos(frequency * angles + phase)
    return radius * length[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)


@pytest.mark.parametrize("kind", [POLYGON, BLOB, ELLIPSE, ROD])
def test_masks_are_the_outlines(kind: int) -> None:
    shapes = outlines(40, 30.0)
    fields, half = distances(shapes, CPU)[0].amin(1).numpy(), half_sizes(shapes)[0]
    places = np.flatnonzero(shapes.kind[0] == kind)[:4]
    assert len(places) == 4
    holes = 0
    for place in places:
        rim = contour(shapes, place).astype(np.float32)
        hole = rim * shapes.hole[0, place].astype(np.float32)
        holes += hole.any()
        axes = [np.linspace(-side, side, GRID) for side in half[place]]
        for row in range(1, GRID - 1, 3):
            for column in range(1, GRID - 1, 3):
                point = (float(axes[0][column]), float(axes[1][row]))
                expected = cv2.pointPolygonTest(rim, point, True)
                if hole.any():
                    expected = min(expected, -cv2.pointPolygonTest(hole, point, True))
                found = fields[place, row, column]
                assert abs(expected) < 0.3 or np.sign(expected) == np.sign(found), (place, point)
    assert np.abs(np.concatenate([contour(shapes, place) for place in places])).max() < half[places].max()


def test_a_grid_ends_outside() -> None:
    fields = distances(outlines(40, 30.0), CPU)[0].amin(1)
    for border in (fields[:, 0], fields[:, -1], fields[..., 0], fields[..., -1]):
        assert (border == -4).all()
