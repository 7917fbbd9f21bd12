"""Functions of torch that mean something else for a while."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch.overrides import TorchFunctionMode

Function = Callable[..., Any]


class Replaced(TorchFunctionMode):
    """While active, some functions of torch are others.

    Args:
        replacements: What runs, by the function that is called.
    """

    def __init__(self, replacements: Mapping[Function, Function]) -> None:
        super().__init__()
        self.replacements = replacements

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Replace the functions, pass everything else on."""
        return self.replacements.get(func, func)(*args, **(kwargs or {}))
