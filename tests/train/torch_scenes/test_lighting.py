"""Light and shadow, against what OpenCV makes of the same numbers."""

import dataclasses

import cv2
import numpy as np
import torch

from dinoflow_deploy.train.torch_scenes.lighting import lights
from dinoflow_deploy.train.torch_scenes.outlines import ELLIPSE
from dinoflow_deploy.train.torch_scenes.parameters import Lights
from tests.train.torch_scenes.test_outlines import outlines

CPU = torch.device("cpu")


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
