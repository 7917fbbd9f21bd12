"""How two functions of torch are written in the exported graph."""

import torch
from torch import Tensor
from torch.nn import functional as F

from dinoflow_deploy.export.replacing import Replaced


class OnnxLowering(Replaced):
    """While active, sampling and attention are traced in the form that deployment wants.

    ``F.grid_sample`` becomes ONNX's ``GridSample`` at once: torch's own decomposition of it, traced with
    symbolic sizes, costs a third of an export's time. ``F.scaled_dot_product_attention`` becomes two plain
    matrix products around a softmax, Q and K each scaled beforehand, which is what TensorRT fuses and what
    keeps float16 scores in range; the exporter's own form reshapes K through eight further nodes.
    """

    def __init__(self) -> None:
        super().__init__({F.grid_sample: _grid_sample, F.scaled_dot_product_attention: attention})


def _grid_sample(
    feature: Tensor, grid: Tensor, *, mode: str, padding_mode: str, align_corners: bool
) -> Tensor:
    return torch.onnx.ops.symbolic(
        "GridSample",
        [feature, grid],
        attrs={
            "mode": {"bilinear": "linear"}[mode],
            "padding_mode": padding_mode,
            "align_corners": int(align_corners),
        },
        dtype=feature.dtype,
        shape=[*feature.shape[:2], *grid.shape[1:3]],
    )


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention of ``[B, heads, N, head width]``, as the exported graph writes it."""
    scale = query.shape[-1] ** -0.25
    scores = (query * scale) @ (key * scale).transpose(2, 3)
    mixed: Tensor = scores.softmax(-1) @ value
    return mixed
