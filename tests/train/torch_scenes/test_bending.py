"""Bends, against what NumPy and OpenCV make of the same numbers."""

import cv2
import numpy as np
import torch

from dinoflow_deploy.datasets.scenes import bending
from dinoflow_deploy.train.torch_scenes.bending import bend_fields, bent_flow
from dinoflow_deploy.train.torch_scenes.parameters import Bends

CPU = torch.device("cpu")


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
