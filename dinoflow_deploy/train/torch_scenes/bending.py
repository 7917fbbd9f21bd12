"""Smooth bends of second frames, and what they do to the flow: ``datasets.scenes.bending`` for a batch."""

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dinoflow_deploy.datasets.scenes.bending import SEARCH_STEPS, STEEPEST
from dinoflow_deploy.train.torch_scenes.device import on_device, where_true
from dinoflow_deploy.train.torch_scenes.parameters import BEND_NODES, Bends

_FEWEST_CELLS: Final = 2


def bend_fields(bends: Bends, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor] | None:
    """The bends of the scenes that have one, and which these are.

    Args:
        bends: As drawn.
        height: Of a frame.
        width: Of a frame.
        device: Where.

    Returns:
        ``float32 [n, 2, H, W]``, px: what is seen at q was at q + bend(q); and n indices. ``None`` where no
        scene has one.
    """
    chosen = where_true(bends.present, device)
    if chosen is None:
        return None
    cells = bends.cells[bends.present] - _FEWEST_CELLS
    down, across = (on_device(_cubic_weights(side)[cells], device) for side in (height, width))
    nodes = on_device(bends.nodes[bends.present], device)
    # Sums and no matrix products: these would round otherwise in a batch of another size.
    rows = sum(nodes[..., node, None] * across[:, None, None, :, node] for node in range(BEND_NODES))
    assert isinstance(rows, Tensor)
    field = sum(rows[:, :, node, None] * down[:, None, :, None, node] for node in range(BEND_NODES))
    assert isinstance(field, Tensor)
    steepest = torch.maximum(*(field.diff(dim=axis).abs().amax((1, 2, 3)) for axis in (2, 3)))
    length = torch.hypot(field[:, 0], field[:, 1]).amax((1, 2))
    longest = on_device(bends.strength[bends.present], device)
    strength = torch.minimum(STEEPEST / (2 * steepest), longest / length)
    return field * strength[:, None, None, None], chosen


def bent_flow(flow: Tensor, bend: Tensor) -> Tensor:
    """The flow ``[n, 2, H, W]`` when the second frame is bent, as ``datasets.scenes.bending`` searches it."""
    height, width = bend.shape[2:]
    last = on_device(np.array([width - 1.0, height - 1.0]), flow.device)
    start = torch.stack(
        torch.meshgrid(
            torch.arange(width, dtype=torch.float32, device=flow.device),
            torch.arange(height, dtype=torch.float32, device=flow.device),
            indexing="xy",
        )
    )
    end = start + flow
    position = end
    for _ in range(SEARCH_STEPS):
        grid = position.movedim(1, -1) * (2 / last) - 1
        position = end - functional.grid_sample(bend, grid, padding_mode="border", align_corners=True)
    return position - start


@lru_cache(maxsize=8)
def _cubic_weights(side: int) -> NDArray[np.float32]:
    """Weights ``[cells - 2, side, 6]`` of the nodes, for each number of cells, as OpenCV interpolates."""
    weights = np.zeros((BEND_NODES - _FEWEST_CELLS, side, BEND_NODES), np.float32)
    for place, cells in enumerate(range(_FEWEST_CELLS, BEND_NODES)):
        one = np.eye(cells + 1, dtype=np.float32)
        weights[place, :, : cells + 1] = cv2.resize(one, (cells + 1, side), interpolation=cv2.INTER_CUBIC)
    return weights
