"""How many operations torch is asked for, and the bytes that they read and write; nothing is measured."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

_MAKES_ROOM = {torch.ops.aten.empty.memory_format, torch.ops.aten.empty_like.default}
_READS_AS_MUCH_AS_IT_WRITES = {torch.ops.aten.index.Tensor, torch.ops.aten.gather.default}


class OperationCount(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context that counts; on the device ``meta`` nothing is computed.

    Attributes:
        operations: But for views and memory that is only set aside.
        bytes: Of all operands and results, each once an operation. Of what is looked up in a table, the
            table is not counted but what is taken from it.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0
        self.bytes = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one."""
        result = function(*args, **(kwargs or {}))
        if not function.is_view and function not in _MAKES_ROOM:
            self.operations += 1
            self.bytes += _bytes(function, args, result)
        return result


def _bytes(function: Any, args: Any, result: Any) -> int:
    if function in _READS_AS_MUCH_AS_IT_WRITES:
        return 2 * _size(result)
    if function is torch.ops.aten.grid_sampler_2d.default:
        return _size(args[1]) + 2 * _size(result)
    operands = [each for each in tree_flatten((args, result))[0] if isinstance(each, Tensor)]
    return sum(map(_size, operands))


def _size(tensor: Tensor) -> int:
    """Bytes of a tensor's elements, those that stand for several counted once."""
    count = tensor.element_size()
    for side, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= side if stride else 1
    return count
