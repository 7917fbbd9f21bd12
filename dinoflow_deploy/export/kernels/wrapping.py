"""How launchers call a kernel: so that torch sees it when it traces, and in Triton's interpreter too."""

from typing import Any

import torch
from triton.runtime.jit import JITFunction


def wrap_triton(kernel: Any) -> Any:
    """``torch.library.wrap_triton``, for kernels in Triton's interpreter too, which torch 2.11 refuses.

    The name has to be torch's: the kernels of an operator are for torch what its source calls ``wrap_triton``
    with, and their own sources belong to the key of what it has compiled.

    Args:
        kernel: What ``triton.jit`` gave.

    Returns:
        What is launched by ``[grid](...)``.
    """
    return torch.library.wrap_triton(kernel) if isinstance(kernel, JITFunction) else kernel
