"""Plugins: the registry that takes libraries, and ``tensorrt.plugin`` for those in Python.

What the package registers with ``tensorrt.plugin`` is called as a builder calls it: for the output's type and
shape, for the types that it takes, and for its launch. Lengths are numbers here, also where the real
ones are expressions.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from tests.tensorrt_model.network import ITensor
from tests.tensorrt_model.strict import Strict

_NAME, _VERSION, _NAMESPACE = "LocalCorrelation", "1", "dinoflow"
_OPEN = 64
"""What stands for a length that is open."""


class IPluginRegistry(Strict):
    def __init__(self, state: SimpleNamespace) -> None:
        self._state = state

    def load_library(self, plugin_path: str) -> object | None:
        path = Path(plugin_path)
        if not path.is_file() or self._state.fail.get("load_library"):
            self._tell(
                f"Unable to load library: {plugin_path}: {self._state.fail.get('load_library', 'no file')}"
            )
            return None
        self._state.creators[_NAME, _VERSION, _NAMESPACE] = LibraryCreator()
        return object()


class LibraryCreator:
    """Of a plugin in C++, which is not run: the file's own function stands for it."""

    kind, kernel = "library", ""

    def check(self, inputs: list[ITensor], outputs: list[ITensor], attributes: dict[str, Any]) -> None:
        assert {each.dtype for each in inputs} == {outputs[0].dtype}


class TensorDesc(SimpleNamespace):
    pass


class KernelLaunchParams(SimpleNamespace):
    pass


class SymIntExprs(list[Any]):
    def __init__(self, length: int) -> None:
        super().__init__([None] * length)


class AutoTuneCombination(SimpleNamespace):
    def __init__(self, types: str, layouts: str) -> None:
        super().__init__(types=types, layouts=layouts)


class KernelCreator:
    """Of an ahead-of-time plugin."""

    kind, kernel = "kernel", ""

    def __init__(self, functions: dict[str, Callable[..., Any]]) -> None:
        self._functions = functions

    def check(self, inputs: list[ITensor], outputs: list[ITensor], attributes: dict[str, Any]) -> None:
        """Ask for everything that a builder asks for, and hold it to the types of the network."""
        described = [TensorDesc(shape_expr=_lengths(each), dtype=each.dtype) for each in inputs]
        radius = attributes["radius"]
        made = self._functions["register"](*described, radius)
        assert made.dtype == outputs[0].dtype
        fixed = [length for length in outputs[0].shape if length >= 0]
        assert fixed == [made.shape_expr[axis] for axis, length in enumerate(outputs[0].shape) if length >= 0]
        (combination,) = self._functions["autotune"](*described, radius, (made,))
        assert combination.layouts == "LINEAR"
        self.kernel, ptx, launch, _ = self._functions["aot_impl"](*described, radius, (made,), 0)
        assert f".entry {self.kernel}" in ptx
        assert launch.grid_x > 0


def _lengths(tensor: ITensor) -> tuple[int, ...]:
    return tuple(length if length >= 0 else _OPEN for length in tensor.shape)


def plugin_module(state: SimpleNamespace) -> ModuleType:
    """``tensorrt.plugin``; what was registered is in ``state.registered``, by kind and name."""
    module: Any = ModuleType("tensorrt.plugin")

    def decorator(kind: str) -> Callable[..., Any]:
        def of_plugin(plugin_id: str) -> Callable[..., Any]:
            def take(function: Callable[..., Any]) -> Callable[..., Any]:
                state.registered[kind, plugin_id] = function
                functions = {
                    which: each for (which, name), each in state.registered.items() if name == plugin_id
                }
                if len(functions) == 3:
                    namespace, _, name = plugin_id.partition("::")
                    state.creators[name, _VERSION, namespace] = KernelCreator(functions)
                return function

            return take

        return of_plugin

    for kind in ("register", "autotune", "aot_impl"):
        setattr(module, kind, decorator(kind))
    module.TensorDesc, module.KernelLaunchParams = TensorDesc, KernelLaunchParams
    module.SymIntExprs, module.AutoTuneCombination, module.SymInt32 = SymIntExprs, AutoTuneCombination, int
    module.from_shape_expr = lambda shape, dtype: TensorDesc(shape_expr=shape, dtype=dtype)
    return module
