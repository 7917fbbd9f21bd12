"""From NumPy on the host to tensors on the training device."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def on_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """A tensor of an array; float64 becomes float32. A GPU is not waited for."""
    narrow = array.astype(np.float32) if array.dtype == np.float64 else np.ascontiguousarray(array)
    tensor = torch.from_numpy(narrow)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def where_true(mask: NDArray[np.bool_], device: torch.device) -> Tensor | None:
    """Indices of what is true, or ``None`` where nothing is: known on the host, so no GPU is waited for."""
    return on_device(np.flatnonzero(mask), device) if mask.any() else None
