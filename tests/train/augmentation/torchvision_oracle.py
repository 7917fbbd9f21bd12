"""torchvision's transforms, where it is installed; its compiled half need not fit the torch that is."""

from typing import Any

import pytest
import torch


def torchvision_transforms() -> Any:
    """The module `torchvision.transforms`; skips the test where there is none."""
    # Without its own libraries, torchvision imports if these operators have been named.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
    return pytest.importorskip("torchvision.transforms", reason="needs torchvision", exc_type=ImportError)
