"""Masks, bends, light and effects against what NumPy and OpenCV make of the same numbers."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch

from dinoflow_deploy.datasets.scenes import bending, effects
from dinoflow_deploy.train.torch_scenes.bending import bend_fields, bent_flow
from dinoflow_deploy.train.torch_scenes.distances import GRID, distances, half_sizes
from dinoflow_deploy.train.torch_scenes.draws import Draws
from dinoflow_deploy.train.torch_scenes.effects import apply_effects
from dinoflow_deploy.train.torch_scenes.lighting import lights
from dinoflow_deploy.train.torch_scenes.noise import normal_noise
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
from dinoflow_deploy.train.torch_scenes.parameters import Bends, CameraEffects, Lights

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


def test_bends_are_those_of_opencv_and_their_flow_that_of_numpy() -> None:
    rng = np.random.default_rng(2)
    present = np.array([True, False, True, True, True])
    nodes, cells = rng.uniform(-1, 1, (5, 2, 6, 6)), np.array([2, 3, 3, 4, 5])
    drawn = bend_fields(Bends(present, cells, nodes, np.full(5, 6.0)), 48, 64, CPU)
    assert drawn is not None
    fields, chosen = drawn
    assert chosen.tolist() == [0, 2, 3, 4]
    flow = rng.normal(0, 5, (4, 2, 48, 64)).astype(np.float32)
    bent = bent_flow(torch.from_numpy(flow), fields)
    for place, index in enumerate(chosen.tolist()):
        field = fields[place].permute(1, 2, 0).numpy()
        corner = nodes[index, :, : cells[index] + 1, : cells[index] + 1].transpose(1, 2, 0)
        expected = cv2.resize(corner.astype(np.float32), (64, 48), interpolation=cv2.INTER_CUBIC)
        strength = np.abs(field).max() / np.abs(expected).max()
        np.testing.assert_allclose(field, expected * strength, atol=1e-4)
        assert np.linalg.norm(field, axis=-1).max() <= 6.0001
        assert max(np.abs(np.diff(field, axis=axis)).max() for axis in (0, 1)) <= 0.1251
        numpy_flow = bending.bent_flow(np.ascontiguousarray(flow[place].transpose(1, 2, 0)), field)
        np.testing.assert_allclose(bent[place].permute(1, 2, 0).numpy(), numpy_flow, atol=2e-4)


def test_blur_and_brightness_are_those_of_opencv() -> None:
    rng = np.random.default_rng(0)
    frame = cv2.GaussianBlur(rng.integers(0, 256, (2, 33, 47, 3), np.uint8)[0], (0, 0), 1.0)
    values = CameraEffects(
        blur=np.array([[1.7, 0.0], [0.0, 0.6], [0.0, 0.0]]),
        brighter=np.array([False, True, True]),
        gain=np.array([[1, 1, 1], [0.8, 0.9, 1.0], [1.2, 1.3, 1.1]]),
        offset=np.array([[0, 0, 0], [5, -10, 3], [-20, 0, 20]]),
        gamma=np.array([1.0, 1.3, 0.8]),
        noise=np.zeros(3),
        keys=np.zeros((3, 2), np.int32),
    )
    planes = torch.from_numpy(frame).permute(2, 0, 1)[:, None].repeat(1, 3, 1, 1).float()
    frames = planes.clone(), planes.clone()
    apply_effects(frames, values)
    for index in range(3):
        own = effects.Effects(
            blur=tuple(values.blur[index]),
            gain=tuple(values.gain[index]) if values.brighter[index] else (1.0,) * 3,
            offset=tuple(values.offset[index]) if values.brighter[index] else (0.0,) * 3,
            gamma=values.gamma[index] if values.brighter[index] else 1.0,
        )
        for place, found in enumerate(frames):
            expected = effects.apply_effects(frame, own, float(place), rng)
            levels = found[:, index].permute(1, 2, 0).clamp(0, 255).numpy()
            np.testing.assert_allclose(levels, expected, atol=1.6)


def test_light_is_what_it_says() -> None:
    shadow = outlines(1, 12.0)
    disc = dataclasses.replace(
        shadow,
        kind=np.array([[ELLIPSE]]),
        radius=np.array([[12.0]]),
        squeeze=np.ones((1, 1)),
        hole=np.zeros((1, 1)),
        extent=np.full((1, 1, 2), 12.0),
    )
    drawn = Lights(
        present=np.array([True]),
        angle=np.array([0.0]),
        strengths=np.array([[0.4, 0.2]]),
        outlines=disc,
        places=np.array([[[20.0, 30.0], [40.0, 30.0]]]),
        depth=np.array([0.5]),
        softness=np.array([1.5]),
    )
    for frame, (strength, centre) in enumerate([(0.4, 20), (0.2, 40)]):
        found = lights(drawn, 64, 80, CPU)[frame, 0].numpy()
        mask = np.zeros((64 * 8, 80 * 8), np.float32)
        cv2.circle(mask, (centre * 8 + 4, 30 * 8 + 4), 12 * 8, 1.0, -1)
        dark = cv2.resize(cv2.GaussianBlur(mask, (0, 0), 1.5 * 8), (80, 64), interpolation=cv2.INTER_AREA)
        expected = np.linspace(1, 1 - strength, 80) * (1 - 0.5 * dark)
        np.testing.assert_allclose(found, expected, atol=0.03)


def test_noise_is_normal_and_each_key_and_stream_has_its_own() -> None:
    keys = torch.tensor([[1, 2], [1, 3], [2, 2], [-5, 7]], dtype=torch.int32)
    noise = torch.cat([normal_noise(keys, (3, 64, 64), stream).flatten(2) for stream in (0, 1)], 1)
    rows = noise.permute(1, 0, 2).reshape(8, -1).double()
    count = rows.shape[1]
    assert rows.mean(1).abs().max() < 4 / count**0.5
    torch.testing.assert_close(rows.std(1), torch.ones(8).double(), atol=4 / (2 * count) ** 0.5, rtol=0)
    assert (rows**4).mean().item() == pytest.approx(3, abs=4 * (96 / rows.numel()) ** 0.5)
    assert rows.abs().max() > 3.5
    neighbours = torch.cat([rows[:, :-1], rows[:1, 1:]])
    correlation = torch.corrcoef(torch.cat([rows[:, :-1], rows[:1, 1:]])) - torch.eye(len(neighbours))
    assert correlation.abs().max() < 5 / count**0.5
    assert torch.equal(
        normal_noise(keys[2:3], (3, 64, 64), 1)[:, 0], normal_noise(keys, (3, 64, 64), 1)[:, 2]
    )
