"""Low precision on a CPU as a GPU computes it: sums in float32, every result rounded to the type."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

LOW_TYPES: Final = (torch.float16, torch.bfloat16)

_ATEN = torch.ops.aten
_SUMS: Final = frozenset(
    (_ATEN.convolution.default, _ATEN.mm.default, _ATEN.addmm.default, _ATEN.bmm.default)
)


class FloatSums(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, products of matrices and convolutions of half precision are summed in float32.

    Tensor cores do so. A CPU without half-precision instructions would round within the sum, and take many
    times as long.

    Attributes:
        largest: Largest magnitude of any half-precision value computed so far; infinite after an overflow.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.largest = 0.0

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Compute as float32 what sums, and note how large the results are."""
        low = _low_type(args)
        if func in _SUMS and low is not None:
            result = func(*cast(args, torch.float32), **(kwargs or {})).to(low)
        else:
            result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor) and value.dtype in LOW_TYPES and value.numel():
                self.largest = max(self.largest, float(value.abs().max()))
        return result


def cast(values: Any, dtype: torch.dtype) -> Any:
    """The same nest of values with every floating-point tensor in a type."""

    def one(value: Any) -> Any:
        return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value

    return tree_map(one, values)


def _low_type(args: tuple[Any, ...]) -> torch.dtype | None:
    kinds = (value.dtype for value in tree_leaves(args) if isinstance(value, Tensor))
    return next((kind for kind in kinds if kind in LOW_TYPES), None)
