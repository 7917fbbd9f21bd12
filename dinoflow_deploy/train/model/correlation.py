"""The local cost volume, and the operator that stands for it in an exported graph."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function

OPERATOR_DOMAIN = "dinoflow"
OPERATOR_NAME = "LocalCorrelation"
PLUGIN_NAMESPACE = "dinoflow"
PLUGIN_VERSION = "1"


def local_correlation(feature1: Tensor, feature2: Tensor, radius: int) -> Tensor:
    """Cost volume over a square window: scaled dot products of features one displacement apart.

    ``volume[b, (dy + r) * (2r + 1) + dx + r, y, x]`` is the dot product of ``feature1[b, :, y, x]`` and
    ``feature2[b, :, y + dy, x + dx]`` over sqrt(C), zero where the latter is outside the frame.

    While a model is being exported to ONNX this is one node, ``dinoflow::LocalCorrelation``.

    Args:
        feature1: ``[B, C, H, W]``.
        feature2: ``[B, C, H, W]``, the same type.
        radius: Largest displacement r on each axis, in cells.

    Returns:
        ``[B, (2r + 1)^2, H, W]`` of the features' type.
    """
    features = feature1, feature2
    if has_torch_function(features):
        # What stands in for functions of torch, as an export does, is asked about this one too.
        return handle_torch_function(local_correlation, features, *features, radius)
    return correlate_bands(feature1, feature2, radius)


def correlate_bands(feature1: Tensor, feature2: Tensor, radius: int) -> Tensor:
    """``local_correlation`` in standard operations: one product per row band, then a skewed read.

    Row y of frame 1 is multiplied with rows y - r to y + r of the padded frame 2, every column with every
    column. Of the W x (W + 2r) products the diagonal band is wanted: in rows one longer than they are, the
    band stands in the first 2r + 1 columns.
    """
    channels, height, width = feature1.shape[1:]
    side = 2 * radius + 1
    padded = F.pad(feature2, (radius, radius, radius, radius))
    bands = torch.stack([padded[:, :, dy : dy + height] for dy in range(side)], dim=1)
    left = (feature1 * channels**-0.5).permute(0, 2, 3, 1).unsqueeze(1)  # [B, 1, H, W, C]
    products = torch.matmul(left, bands.permute(0, 1, 3, 2, 4))  # [B, side, H, W, W + 2r]
    flat = F.pad(products.flatten(3), (0, width))
    skewed = flat.reshape(-1, side, height, width, width + side)[..., :side]  # [B, side, H, W, side]
    return skewed.permute(0, 1, 4, 2, 3).flatten(1, 2)
