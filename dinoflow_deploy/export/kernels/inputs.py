"""What a kernel reads: checked, since it would read past the end of what is too small, and in NHWC order."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from dinoflow_deploy.errors import InputError

TYPES: Final = (torch.float32, torch.float16, torch.bfloat16)


def in_nhwc(name: str, tensor: Tensor, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A tensor dense in NHWC order, copied unless it is so already.

    Args:
        name: For the error.
        tensor: Four axes.
        shape: That it has to have.
        dtype: The same.

    Raises:
        InputError: It has another shape or type, or the kernels do not know the type.
    """
    if dtype not in TYPES:
        known = ", ".join(str(each).removeprefix("torch.") for each in TYPES)
        raise InputError(f"{name} is {str(dtype).removeprefix('torch.')}: the kernels know {known}")
    if (tuple(tensor.shape), tensor.dtype) != (tuple(shape), dtype):
        raise InputError(
            f"{name} is {tensor.dtype} of {list(tensor.shape)}: the kernel needs {dtype} of {list(shape)}"
        )
    return tensor.contiguous(memory_format=torch.channels_last)
